"""Runs whose process went away, and runs whose end Prefect does not know.

The ledger knows the process that works on a run, so it can prove that the process is gone; Prefect
only knows what it was told. ``plan_correction`` compares both for one run, by this table:

==================  =================  ======================  ====================================
ledger              its process        Prefect, same attempt   correction
==================  =================  ======================  ====================================
no end              lives              Crashed                 Prefect: Running
no end              gone               Running                 ledger: crashed; Prefect: Crashed
no end              gone               Cancelling, Cancelled   ledger: cancelled; Prefect: Cancelled
no end              gone               anything else           ledger: crashed
an end              ended              not that end            Prefect: that end
no record           unknown            Pending for long        Prefect: Crashed
==================  =================  ======================  ====================================

An attempt is one start of a run in Prefect. A retry is another attempt: what the ledger knows of
the attempt before says nothing about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from tasks.errors import RunLostError
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.reports.files import write_reports
from tasks.reports.model import CommandReport, error_line, exit_code_of
from tasks.run.made_by import made_by
from tasks.site.settings import Site

StateType = Literal["COMPLETED", "FAILED", "CRASHED", "CANCELLED", "RUNNING"]
LostOutcome = Literal["crashed", "cancelled"]

# The engine tells Prefect the end a moment after the ledger has it.
_TELLING = timedelta(seconds=60)
# A process begins within seconds of its run being pending.
_BEGINNING = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run as Prefect shows it.

    Attributes:
        flow_run: Its id.
        attempt: The number of its newest start; 0 before the first.
        state: The type of its state, in Prefect's words.
        since: The time of that state.
    """

    flow_run: UUID
    attempt: int
    state: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ShownState:
    """A state that Prefect is to show: its type, and its name if it has one of its own."""

    type: StateType
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction of the ledger, of Prefect's page, or of both; None: it is right."""

    ledger: LostOutcome | None = None
    page: ShownState | None = None


_CRASHED = ShownState("CRASHED")
_CANCELLED = ShownState("CANCELLED")
_ENDS: Mapping[str, ShownState] = {
    "done": ShownState("COMPLETED"),
    "flagged": ShownState("COMPLETED", "Flagged"),
    "refused": ShownState("FAILED", "Refused"),
    "failed": ShownState("FAILED"),
    "crashed": _CRASHED,
    "cancelled": _CANCELLED,
}


def plan_correction(
    record: RunRecord | None, shown: ShownRun | None, *, is_gone: bool, now: datetime
) -> Correction:
    """Compare what the ledger and Prefect know of one run.

    Args:
        record: The newest record of the run; None if the ledger has none.
        shown: The run in Prefect; None if Prefect does not know it.
        is_gone: True if the process that the record names is proved gone.
        now: The time.
    """
    if record is None:
        is_late = shown is not None and now - shown.since > _BEGINNING
        is_stuck = shown is not None and shown.state == "PENDING" and is_late
        return Correction(page=_CRASHED if is_stuck else None)
    state = shown.state if shown is not None and shown.attempt == record.attempt else None
    if record.ended is not None:
        return Correction(page=_missed_end(record, state, now))
    if not is_gone:
        return Correction(page=ShownState("RUNNING") if state == "CRASHED" else None)
    if state in {"CANCELLING", "CANCELLED"}:
        return Correction("cancelled", _CANCELLED if state == "CANCELLING" else None)
    return Correction("crashed", _CRASHED if state == "RUNNING" else None)


def _missed_end(record: RunRecord, state: str | None, now: datetime) -> ShownState | None:
    """Return the end that Prefect did not hear of; None if it shows that end, or may be told yet.

    A run that ended because a person cancelled it has failed in the ledger, and is cancelled there.
    """
    end = _ENDS.get(record.outcome or "")
    if end is None or record.ended is None or now - record.ended < _TELLING:
        return None
    if state == "CANCELLING" and end.type == "FAILED":
        return _CANCELLED
    if state in {"RUNNING", "CANCELLING"} or (state == "CRASHED" != end.type):
        return end
    return end if state == "CANCELLED" and end.type == "COMPLETED" else None


def report_lost(site: Site, ledger: Ledger, record: RunRecord, *, now: datetime) -> CommandReport:
    """Write the report of a run whose process is gone, as it would have written it itself.

    Raises:
        DiskFullError, HostFileError: It cannot be written.
    """
    error = RunLostError(command=record.command, started=f"{record.started:%Y-%m-%d %H:%M:%S} UTC")
    report = CommandReport(
        command=record.command,
        site=site.name,
        exit_code=exit_code_of(error),
        errors=(error_line(error),),
        made_by=made_by(site, ledger, by_api=False),
        run=record.id,
        started=record.started,
        ended=now,
    )
    return write_reports(site.state_dir / "reports" / record.id, report, now=now)


def close_in_ledger(
    ledger: Ledger, record: RunRecord, report: CommandReport, outcome: LostOutcome
) -> bool:
    """Record the end of a run whose process is gone; False if it has an end by now."""
    runs = Runs(ledger)
    with ledger.transaction():
        current = runs.read(record.id)
        if current is None or current.ended is not None:
            return False
        end: dict[str, object] = {
            "ended": report.ended,
            "outcome": outcome,
            "exit_code": report.exit_code,
            "report": report.report,
        }
        runs.write(current.model_copy(update=end))
    return True
