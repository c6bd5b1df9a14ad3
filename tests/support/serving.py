"""A real ``wsus-airgap up``, and what its pages do, done through its API."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from deploy.prefect_server.machine import Home, read_home
from tests.support.labs import ROOT

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

WAIT_SECONDS = 300  # a machine that runs other things is slow


@dataclass(frozen=True, slots=True)
class Up:
    """A running ``up`` with a server of its own."""

    process: subprocess.Popen[str]
    home: Home
    greeting: str

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """A client that was told the secret."""
        from prefect import get_client
        from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

        settings = {PREFECT_API_URL: self.home.api_url, PREFECT_API_AUTH_STRING: self.home.secret}
        with temporary_settings(settings), get_client(sync_client=True) as client:
            yield client


@contextmanager
def up(
    site: Path, home: Path | None = None, *, variables: Mapping[str, str] | None = None
) -> Iterator[Up]:
    """Run ``up`` for one site file, or a folder of them, until the end of the block."""
    home = home or site.parent / "up"
    words = ["--sites" if site.is_dir() else "--site", str(site), "--home", str(home)]
    log = home.with_suffix(".log")
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            # -P: what PYTHONPATH names comes before the folder that the tests run in.
            [sys.executable, "-P", "-m", "flows.command_line", "up", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line or "which the site files name" in line:
                break
        else:
            raise AssertionError("".join(lines) + log.read_text(encoding="utf-8"))
        yield Up(process, read_home(home), "".join(lines))
    finally:
        process.terminate()
        process.communicate(timeout=150)


def start(client: SyncPrefectClient, deployment: str, **parameters: object) -> FlowRun:
    """Start a run of a deployment, once it is there."""
    from prefect.exceptions import ObjectNotFound

    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            served = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            assert time.monotonic() < give_up, f"{deployment} is not served"
            time.sleep(0.5)
        else:
            return client.create_flow_run_from_deployment(served.id, parameters=parameters)


def ended(client: SyncPrefectClient, run: UUID) -> FlowRun:
    """Wait until a run has ended, whatever the end."""
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        current = client.read_flow_run(run)
        if current.state is not None and current.state.is_final():
            return current
        assert time.monotonic() < give_up, f"{current.name} does not end: {current.state}"
        time.sleep(0.5)
