"""Runs whose process went away: what the ledger proves, and what Prefect has to be told."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ledger.runs import RunRecord, Runs
from tasks.run.context import RunContext
from tasks.run.ending import begin_run, close_run
from tasks.run.lost import (
    Correction,
    ShownRun,
    ShownState,
    close_in_ledger,
    plan_correction,
    report_lost,
)
from tests.support.bundles import NOW

FLOW_RUN = UUID(int=7)
CRASHED, CANCELLED = ShownState("CRASHED"), ShownState("CANCELLED")
COMPLETED = ShownState("COMPLETED")
MINUTE = timedelta(minutes=1)
STATES = (
    *("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"),
    *("COMPLETED", "FAILED", "CRASHED", "CANCELLED"),
)


def record(outcome: str | None = None, *, attempt: int = 1) -> RunRecord:
    ended = None if outcome is None else NOW - 5 * MINUTE
    return RunRecord(
        id="run", command="import", started=NOW - 60 * MINUTE, ended=ended, outcome=outcome,
        flow_run=FLOW_RUN, attempt=attempt,
    )  # fmt: skip


def shown(state: str, *, attempt: int = 1, minutes: int = 30) -> ShownRun:
    return ShownRun(FLOW_RUN, attempt, state, NOW - minutes * MINUTE)


def corrected(run: RunRecord | None, on_page: ShownRun | None, *, is_gone: bool) -> Correction:
    return plan_correction(run, on_page, is_gone=is_gone, now=NOW)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("RUNNING", Correction("crashed", CRASHED)),
        ("CANCELLING", Correction("cancelled", CANCELLED)),
        ("CANCELLED", Correction("cancelled")),
        ("CRASHED", Correction("crashed")),
        ("PAUSED", Correction("crashed")),
        (None, Correction("crashed")),
    ],
)
def test_a_run_whose_process_is_gone_is_closed(state: str | None, expected: Correction) -> None:
    on_page = None if state is None else shown(state)

    assert corrected(record(), on_page, is_gone=True) == expected


@pytest.mark.parametrize("state", STATES)
def test_a_run_whose_process_lives_is_never_closed(state: str) -> None:
    correction = corrected(record(), shown(state), is_gone=False)

    assert correction.ledger is None
    assert correction.page == (ShownState("RUNNING") if state == "CRASHED" else None)


@pytest.mark.parametrize("state", STATES)
def test_an_attempt_that_began_since_is_left_alone(state: str) -> None:
    retried = shown(state, attempt=2)

    assert corrected(record(), retried, is_gone=True) == Correction("crashed")
    assert corrected(record("failed"), retried, is_gone=True) == Correction()


@pytest.mark.parametrize(
    ("outcome", "state", "expected"),
    [
        ("done", "RUNNING", COMPLETED),
        ("flagged", "RUNNING", ShownState("COMPLETED", "Flagged")),
        ("refused", "RUNNING", ShownState("FAILED", "Refused")),
        ("failed", "RUNNING", ShownState("FAILED")),
        ("done", "CRASHED", COMPLETED),
        ("done", "CANCELLING", COMPLETED),
        ("done", "CANCELLED", COMPLETED),
        ("failed", "CANCELLING", CANCELLED),
        ("failed", "CANCELLED", None),
        ("crashed", "CRASHED", None),
        ("crashed", "RUNNING", CRASHED),
        ("done", "COMPLETED", None),
        ("failed", "SCHEDULED", None),
        ("failed", "PENDING", None),
    ],
)
def test_an_end_that_prefect_did_not_hear_of_is_shown(
    outcome: str, state: str, expected: ShownState | None
) -> None:
    assert corrected(record(outcome), shown(state), is_gone=True) == Correction(page=expected)


def test_an_end_of_this_moment_may_still_be_told_by_the_run_itself() -> None:
    just_now = record("done").model_copy(update={"ended": NOW - timedelta(seconds=30)})

    assert corrected(just_now, shown("RUNNING"), is_gone=False) == Correction()


def test_a_run_that_never_began_is_closed_when_it_has_been_pending_for_long() -> None:
    assert corrected(None, shown("PENDING", minutes=11), is_gone=False).page == CRASHED
    assert corrected(None, shown("PENDING", minutes=9), is_gone=False) == Correction()
    assert corrected(None, shown("RUNNING", minutes=99), is_gone=False) == Correction()


@given(
    outcome=st.sampled_from([None, "done", "flagged", "refused", "failed", "crashed"]),
    state=st.sampled_from(STATES),
    attempt=st.integers(1, 2),
    is_gone=st.booleans(),
)
def test_a_correction_is_made_once(
    outcome: str | None, state: str, attempt: int, *, is_gone: bool
) -> None:
    before, on_page = record(outcome), shown(state, attempt=attempt)
    correction = corrected(before, on_page, is_gone=is_gone)
    after = before
    if correction.ledger is not None:
        after = before.model_copy(update={"outcome": correction.ledger, "ended": NOW - 2 * MINUTE})
    if correction.page is not None:
        on_page = shown(correction.page.type, attempt=attempt)

    assert corrected(after, on_page, is_gone=is_gone) == Correction()


# --- in the ledger --------------------------------------------------------------------------------


def test_the_report_of_a_lost_run_says_that_its_process_is_gone(disconnected: RunContext) -> None:
    begin_run(disconnected, flow_run=FLOW_RUN, attempt=3)
    runs = Runs(disconnected.ledger)
    (begun,) = runs.without_end()
    report = report_lost(disconnected.site, disconnected.ledger, begun, now=NOW + MINUTE)
    close_in_ledger(disconnected.ledger, begun, report, "crashed")
    (closed,) = runs.newest(5)

    assert (begun.flow_run, begun.attempt) == (FLOW_RUN, 3)
    assert begun.owner is not None
    assert (closed.outcome, closed.exit_code, closed.ended) == ("crashed", 1, NOW + MINUTE)
    assert runs.without_end() == []
    assert runs.newest_of([FLOW_RUN, UUID(int=8)]) == [closed]
    document = json.loads(Path(str(closed.report)).with_name("report.json").read_text())
    assert [error["kind"] for error in document["errors"]] == ["crashed"]


def test_an_end_that_came_meanwhile_is_not_overwritten(disconnected: RunContext) -> None:
    begin_run(disconnected)
    runs = Runs(disconnected.ledger)
    (begun,) = runs.without_end()
    close_run(disconnected, None)
    report = report_lost(disconnected.site, disconnected.ledger, begun, now=NOW + MINUTE)
    close_in_ledger(disconnected.ledger, begun, report, "crashed")

    assert [run.outcome for run in runs.newest(5)] == ["done"]
