"""What a killed ``up`` leaves behind is put right by its next start, and never more than that."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from prefect.states import AwaitingRetry

from deploy import lab
from deploy.lab.rules import windows
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tests.support.labs import STAND_IN, Lab, make_lab
from tests.support.serving import WAIT_SECONDS, ended, start, up

pytestmark = pytest.mark.timeout(1200)


def test_a_run_that_was_killed_with_everything_is_crashed_and_its_retry_finishes(
    tmp_path: Path, shared_api: str
) -> None:
    pair, state = tmp_path / "lab", tmp_path / "lab" / "staging" / "state"
    made = make_lab(pair, api_url=shared_api, updates=12, content_bytes=200_000)
    made.configure("staging", "prefect", api_url=None)
    site = pair / "staging" / "site.toml"
    lab.set_fault(pair, "staging", "wsusutil-hang", on=True)
    with up(site, variables=STAND_IN) as first, first.client() as client:
        run = start(client, "export/alpha")
        wait_until(lambda: working(pair))
        job = working(pair)
        kill_tree(first.process.pid)

    assert [record.outcome for record in records(state)] == [None]
    assert len(job) == 1
    with up(site, variables=STAND_IN) as second, second.client() as client:
        crashed = client.read_flow_run(run.id)
        assert crashed.state is not None
        assert crashed.state.is_crashed(), crashed.state
        assert "is gone, and nobody ended it" in (crashed.state.message or "")
        assert [record.outcome for record in records(state)] == ["crashed"]
        nothing = ended(client, start(client, "verify/alpha", if_new=True).id)
        client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
        wait_until(lambda: records(state)[0].outcome is None)
        assert working(pair) == job  # the retry waits for the wsusutil that outlived everything
        lab.set_fault(pair, "staging", "wsusutil-hang", on=False)
        done = ended(client, run.id)

    assert nothing.state is not None
    assert (nothing.state.type.value, nothing.state.name) == ("COMPLETED", "Nothing to verify")
    assert done.state is not None
    assert done.state.is_completed(), done.state
    assert (pair / "media" / "alpha-1" / "volume-001" / "header.json").exists()


def records(state: Path) -> list[RunRecord]:
    with Ledger(state) as ledger:
        return Runs(ledger).newest(5)


def working(pair: Path) -> list[windows.ProcessRow]:
    """The wsusutil at work, in the staging server's own process list."""
    with Lab(pair).server("staging") as server:
        return windows.processes(server)


def wait_until(is_so: Callable[[], object]) -> None:
    give_up = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.2)


def kill_tree(pid: int) -> None:
    """Kill a process and all that it started, as a power cut does."""
    process = psutil.Process(pid)
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)
