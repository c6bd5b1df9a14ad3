"""A served deployment, used as its pages use it: a run is started, fails, and is retried."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry

from deploy import lab
from deploy.prefect_server.serve import read_sites
from tasks.errors import PathMissingError, UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A lab whose staging side can be served."""
    folder = tmp_path / "lab"
    lab.create(folder, updates=12, content_bytes=500_000)
    shutil.copy(folder / "staging" / "site.toml", folder / "staging" / "alpha.toml")
    return folder


@contextmanager
def serving(sites: Path, errors: Path) -> Iterator[SyncPrefectClient]:
    """Run ``deploy.prefect_server.serve`` and a client that was told its secret."""
    environment = {**os.environ, "WSUS_AIRGAP_SITES": str(sites), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "deploy.prefect_server.serve"]
    with errors.open("w") as log:
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert child.stdout is not None
        url, _, secret = child.stdout.readline().strip().partition("/enter#")
        assert url, errors.read_text()
        settings = {PREFECT_API_URL: f"{url}/api", PREFECT_API_AUTH_STRING: secret}
        with temporary_settings(settings), get_client(sync_client=True) as client:
            yield client
    finally:
        child.terminate()
        child.communicate(timeout=60)


def wait_for_end(client: SyncPrefectClient, run: FlowRun) -> FlowRun:
    """Wait until a run has ended, one way or the other."""
    limit = time.monotonic() + 150
    while time.monotonic() < limit:
        current = client.read_flow_run(run.id)
        if current.state is not None and current.state.is_final():
            return current
        time.sleep(0.5)
    raise AssertionError(f"run {run.name} does not end")


def start(client: SyncPrefectClient, name: str) -> FlowRun:
    """Start a run of a deployment as soon as it is served."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        served = {deployment.id: deployment for deployment in client.read_deployments()}
        for identifier, deployment in served.items():
            flow = client.read_flow(deployment.flow_id)
            if f"{flow.name}/{deployment.name}" == name:
                return client.create_flow_run_from_deployment(identifier)
        time.sleep(0.5)
    raise AssertionError(f"{name} is not served")


def test_a_failed_run_is_retried_and_finishes_under_its_own_id(pair: Path, tmp_path: Path) -> None:
    header = pair / "media" / "alpha-1" / "volume-001" / "header.json"
    lab.set_fault(pair, "staging", "exit-code", on=True)
    with serving(pair / "staging", tmp_path / "serve.log") as client:
        failed = wait_for_end(client, start(client, "export/alpha"))
        was_sealed = header.exists()

        lab.set_fault(pair, "staging", "exit-code", on=False)
        client.set_flow_run_state(failed.id, AwaitingRetry(), force=True)
        done = wait_for_end(client, failed)

    assert failed.state is not None
    assert failed.state.is_failed()
    assert "wsusutil" in (failed.state.message or "")
    assert not was_sealed
    assert done.id == failed.id
    assert done.state is not None
    assert done.state.is_completed()
    assert header.exists()
    assert {"alpha", "staging"} <= set(done.tags)


def test_only_files_that_are_called_after_their_site_are_served(pair: Path) -> None:
    assert [site.path.name for site in read_sites(str(pair / "staging"))] == ["alpha.toml"]


def test_a_folder_without_sites_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name of its site"):
        read_sites(str(tmp_path))
    with pytest.raises(PathMissingError, match="WSUS_AIRGAP_SITES"):
        read_sites(None)
