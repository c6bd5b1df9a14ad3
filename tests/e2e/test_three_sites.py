"""Three sites of one staging server, exported by two workers at a time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from prefect.states import AwaitingRetry

from deploy.prefect_server.settings import worker_settings
from deploy.prefect_server.worker import Worker
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.site.reading import SITES_VARIABLE
from tests.support.labs import STAND_IN, Lab, make_lab, run_here
from tests.support.pages import in_state
from tests.support.serving import WAIT_SECONDS, Up, ended, start, up

pytestmark = pytest.mark.timeout(900)
R = TypeVar("R")
SITES = ("alpha", "beta", "gamma")


@pytest.fixture
def lab(tmp_path: Path, shared_api: str) -> Lab:
    """A lab of three sites, whose staging server notes each start of wsusutil."""
    made = make_lab(tmp_path / "lab", api_url=shared_api, updates=12, content_bytes=200_000)
    own = made.folder / "wsusutil-staging"
    program = made.folder / "staging" / "wsusutil"
    own.write_text(f'#!/bin/sh\necho "$1" >>{own}.starts\nexec {program} "$@"\n')
    own.chmod(0o755)
    made.configure("staging", "server", wsusutil=[str(own)])
    made.configure("staging", "prefect", api_url=None)
    for side in ("staging", "disconnected"):
        text = made.site_file(side).read_text(encoding="utf-8")
        for site in SITES:
            changed = text.replace('"alpha"', f'"{site}"').replace('"state"', f'"state-{site}"')
            (made.folder / side / f"{site}.toml").write_text(changed, encoding="utf-8")
    return made


@contextmanager
def two_workers(lab: Lab, tmp_path: Path) -> Iterator[Up]:
    """Serve the staging side, with a second worker beside that of ``up``."""
    with up(lab.folder / "staging", tmp_path / "home", variables=STAND_IN) as served:
        second = tmp_path / "second"
        second.mkdir()
        found = {SITES_VARIABLE: str(lab.folder / "staging"), **STAND_IN}
        settings = worker_settings(second, served.home.api_url, served.home.secret) | found
        with Worker(second, settings, runs_at_once=1, pool=served.home.machine.pool):
            yield served


def starts(lab: Lab) -> list[str]:
    return (lab.folder / "wsusutil-staging.starts").read_text(encoding="utf-8").split()


def until(found: Callable[[], R | None], complaint: str) -> R:
    give_up = time.monotonic() + WAIT_SECONDS
    while (result := found()) is None:
        assert time.monotonic() < give_up, complaint
        time.sleep(0.2)
    return result


def test_three_sites_need_one_wsusutil_and_go_on_when_one_of_them_is_killed(
    lab: Lab, tmp_path: Path, stand_in: None
) -> None:
    with two_workers(lab, tmp_path) as served, served.client() as client:
        runs = [start(client, f"export/{site}") for site in SITES]
        first = [ended(client, run.id) for run in runs]
        assert [run.state and run.state.type.value for run in first] == ["COMPLETED"] * 3
        assert starts(lab) == ["export"]

        lab.advance()
        lab.fault("staging", "wsusutil-hang")
        killed = start(client, "export/alpha")
        until(lambda: starts(lab)[1:] or None, "wsusutil does not begin")
        others = [start(client, f"export/{site}") for site in SITES[1:]]
        waiting = in_state(client, others[0].id, "Waiting")
        os.kill(owner_of(lab.folder / "staging" / "state-alpha"), signal.SIGKILL)
        crashed = ended(client, killed.id)
        lab.fault("staging", "wsusutil-hang", on=False)
        done = [ended(client, run.id) for run in others]
        client.set_flow_run_state(killed.id, AwaitingRetry(), force=True)
        time.sleep(1)
        retried = ended(client, killed.id)

    assert waiting.state is not None
    assert waiting.state.type.value == "RUNNING"
    assert "of site alpha is still working" in str(waiting.state.message)
    assert crashed.state is not None
    assert crashed.state.is_crashed()
    assert [run.state and run.state.type.value for run in done] == ["COMPLETED"] * 2
    assert retried.state is not None
    assert retried.state.type.value == "COMPLETED", retried.state.message
    assert starts(lab) == ["export"] * 2  # that of the killed one serves all three

    for site in SITES:
        file = str(lab.folder / "disconnected" / f"{site}.toml")
        bundle = str(lab.folder / "media" / f"{site}-1")
        result = run_here("import", bundle, "--site", file, "--json")
        assert result.exit_code in {0, 2}, result.explain()


def owner_of(state: Path) -> int:
    """The process of the run that works."""
    with Ledger(state) as ledger:
        (record,) = Runs(ledger).without_end()
    assert record.owner is not None
    return record.owner.pid
