"""Runs that went away, closed on a real Prefect server and in a real ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import State, flow, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelling, Crashed, Running

from tasks.flow_run import open_run, report_of
from tasks.hosts.locks import LockOwner, current_owner
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.lost_runs import close_lost_runs, close_run_of
from tasks.reports.model import CommandReport
from tasks.site.reading import find_site
from tests.support.prefect_api import artifacts, client_of, newest_run


@flow(name="import", flow_run_name="{site} import", persist_result=False)
def done_flow(site: str) -> State[CommandReport]:
    with open_run("verify", site) as run:
        pass
    return run.final_state()


@task
def a_step() -> None:
    """Nothing."""


def gone() -> LockOwner:
    """A process of this machine that has ended; the number is taken by nobody so soon."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return LockOwner(
        machine="", boot="", pid=child.pid, started="1", run="x", since=datetime.now(UTC)
    )


def begin(api_url: str, site: str, state: State[Any], *, lives: bool = False) -> FlowRun:
    """Leave a run as a process does that begins it: Running in Prefect, without an end here."""
    with client_of(api_url) as client, Ledger(find_site(site).state_dir) as ledger:
        run = client.create_flow_run(done_flow, parameters={"site": site}, tags=[site])
        client.set_flow_run_state(run.id, Running(), force=True)
        current = client.read_flow_run(run.id)
        now = datetime.now(UTC)
        us = current_owner(machine=ledger.machine, run="x", now=now)
        owner = us if lives else us.model_copy(update={"pid": gone().pid})
        Runs(ledger).write(
            RunRecord(
                id=f"20260102T030405Z-import-{run.id.hex[:6]}",
                command="import",
                started=now,
                flow_run=run.id,
                attempt=current.run_count,
                owner=owner,
            )
        )
        if state.type is not StateType.RUNNING:
            client.set_flow_run_state(run.id, state, force=True)
        return client.read_flow_run(run.id)


def state_of(api_url: str, run: UUID) -> tuple[str, str]:
    with client_of(api_url) as client:
        state = client.read_flow_run(run).state
    assert state is not None
    return state.type.value, state.message or ""


def outcomes(site: str) -> list[str | None]:
    with Ledger(find_site(site).state_dir) as ledger:
        return [run.outcome for run in Runs(ledger).newest(5)]


def test_a_run_whose_process_is_gone_is_crashed_once_with_its_reason_first(
    api_url: str, site: str
) -> None:
    run = begin(api_url, site, Running())
    first, second = close_lost_runs(find_site(site)), close_lost_runs(find_site(site))
    kind, message = state_of(api_url, run.id)

    assert (first, second) == (1, 0)
    assert kind == "CRASHED"
    assert "is gone, and nobody ended it" in message
    assert "Retry it" in message
    assert outcomes(site) == ["crashed"]
    (artifact,) = artifacts(api_url, run.id)
    assert artifact.key == "alpha-import-attention"
    assert "is gone" in str(artifact.data)


def test_the_step_that_was_at_work_is_crashed_with_its_run(api_url: str, site: str) -> None:
    run = begin(api_url, site, Running())
    with client_of(api_url) as client:
        step = client.create_task_run(a_step, run.id, "0", state=Running())
        close_lost_runs(find_site(site))
        state = client.read_task_run(step.id).state

    assert state is not None
    assert state.type is StateType.CRASHED


def test_a_run_that_was_being_cancelled_is_cancelled(api_url: str, site: str) -> None:
    run = begin(api_url, site, Cancelling())
    close_lost_runs(find_site(site))

    assert state_of(api_url, run.id)[0] == "CANCELLED"
    assert outcomes(site) == ["cancelled"]


def test_a_hook_of_the_worker_closes_what_prefect_has_marked_already(
    api_url: str, site: str
) -> None:
    run = begin(api_url, site, Crashed())
    close_run_of(flow=done_flow, flow_run=run, state=Crashed())

    assert outcomes(site) == ["crashed"]
    assert [artifact.key for artifact in artifacts(api_url, run.id)] == ["alpha-import-attention"]


def test_a_run_whose_process_lives_is_running_whatever_prefect_says(
    api_url: str, site: str
) -> None:
    run = begin(api_url, site, Crashed(), lives=True)
    first, second = close_lost_runs(find_site(site)), close_lost_runs(find_site(site))

    assert (first, second) == (1, 0)
    assert state_of(api_url, run.id)[0] == "RUNNING"
    assert outcomes(site) == [None]
    with client_of(api_url) as client:
        client.set_flow_run_state(run.id, Crashed(), force=True)
    assert close_lost_runs(find_site(site)) == 1
    assert state_of(api_url, run.id)[0] == "RUNNING"


def test_an_end_that_prefect_did_not_hear_of_is_shown_in_the_words_of_the_run(
    api_url: str, site: str
) -> None:
    report = report_of(done_flow, site=site)
    run = newest_run(api_url)
    with client_of(api_url) as client:
        force(client, run.id, "CRASHED")
    later = datetime.now(UTC) + timedelta(minutes=2)
    close_lost_runs(find_site(site), now=later)

    assert report.outcome == "done"
    assert state_of(api_url, run.id)[0] == "COMPLETED"
    with Ledger(find_site(site).state_dir) as ledger:
        (record,) = Runs(ledger).newest(5)
    assert (record.flow_run, record.attempt) == (run.id, 1)
    assert record.owner is not None
    assert record.owner.pid == os.getpid()


def force(client: SyncPrefectClient, run: UUID, kind: str) -> None:
    """Set a state as the automation does."""
    client.set_flow_run_state(run, State(type=StateType(kind)), force=True)
