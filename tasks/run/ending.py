"""End of a run, successful or not: one report is made, written and recorded in the ledger."""

from __future__ import annotations

import shutil
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from tasks.errors import AirGapError, StoppedError
from tasks.hosts.locks import current_owner
from tasks.ledger.runs import RunRecord, Runs
from tasks.refusals import HostKeyError, ScriptDigestError, TrustError
from tasks.reports.files import write_reports
from tasks.reports.made_by import MadeBy
from tasks.reports.model import CommandReport, error_line, exit_code_of
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.history import write_index
from tasks.run.made_by import made_by
from tasks.visible import visible_lines

_OF_BUNDLES = frozenset({"export", "verify", "import", "accept"})


def begin_run(run: RunContext, *, flow_run: UUID | None = None, attempt: int | None = None) -> None:
    """Record the start of a run in the ledger; a killed run keeps a record without an end.

    Args:
        run: The run.
        flow_run: Its id in Prefect; None outside a flow.
        attempt: The number of its start in Prefect, counted from 1.
    """
    owner = current_owner(machine=run.ledger.machine, run=run.run_id, now=run.started)
    record = RunRecord(
        id=run.run_id,
        command=run.command,
        started=run.started,
        flow_run=flow_run,
        attempt=attempt,
        owner=owner,
    )
    Runs(run.ledger).write(record)


def record_run(run: RunContext, work: Callable[[], None]) -> CommandReport:
    """Do the work of a command that is no flow, and report and record it like a run of one.

    Args:
        run: The run.
        work: The work; every error of it becomes the end of the run.
    """
    begin_run(run)
    error: Exception | None = None
    try:
        work()
    except KeyboardInterrupt:
        error = stopped(run)
    except Exception as fault:  # noqa: BLE001  every end of a run is reported and recorded
        error = fault
    return close_run(run, error)


def stopped(run: RunContext) -> StoppedError:
    """Make the error of a run that a person stopped; it names a wsusutil that still works."""
    if run.waits_for is None:
        return StoppedError(command=run.command)
    return StoppedError(
        command=run.command,
        beside=f"; {run.waits_for.sentence}, on the server",
        remedy="Run the same command again: it waits for that wsusutil and goes on from it. Until "
        "then leave WsusService alone, which wsusutil stops and starts itself.",
    )


def close_run(run: RunContext, error: Exception | None) -> CommandReport:
    """Make the report of a run from its draft, write it, and record the end in the ledger.

    A refusal for trust empties the intake, whichever step refused; unless it is about the server,
    it also removes volumes that were fed. The report of a run that ended while it waited for
    wsusutil names the wsusutil that still works.
    """
    if run.report.still_paused is not None:
        run.report.notice(run.report.still_paused)
    if error is not None and run.waits_for is not None and not isinstance(error, StoppedError):
        run.report.lines.append(run.waits_for.sentence)
    if isinstance(error, TrustError) and run.command == "import":
        _empty_intake(run)
        if not isinstance(error, HostKeyError | ScriptDigestError):  # those are of the server
            # Copies of volumes that came one after another (``importing/volume_feed``).
            shutil.rmtree(run.site.state_dir / "volumes", ignore_errors=True)
    if error is not None and run.command in _OF_BUNDLES and exit_code_of(error) in {3, 4}:
        _record_refusal(run, error)
    ended = run.clock()
    log_path = None
    if error is not None and not isinstance(error, AirGapError):
        log_path = _write_traceback(run.site.state_dir, run.run_id, error)
    report = CommandReport(
        command=run.command,
        site=run.site.name,
        exit_code=exit_code_of(error) if error else (2 if run.report.is_flagged else 0),
        errors=(error_line(error, log=log_path),) if error else (),
        made_by=_made_by(run),
        run=run.run_id,
        started=run.started,
        ended=ended,
        sections=tuple(run.report.sections),
        notices=tuple(run.report.notices),
        lines=tuple(run.report.lines),
        details=run.report.details,
        **run.report.notes,
    )
    try:
        return _record(run, report, ended=ended)
    except (AirGapError, OSError, sqlite3.Error) as fault:
        # A full disk must not hide how the run itself ended.
        errors = (*report.errors, error_line(fault))
        code = report.exit_code if report.errors else exit_code_of(fault)
        return report.model_copy(update={"errors": errors, "exit_code": code})


def _record_refusal(run: RunContext, error: Exception) -> None:
    """Record a refusal in the custody log, with the name of a carrier that somebody typed."""
    bundle = run.report.notes.get("bundle")
    reason = f"{run.command}: {error_line(error).message}"
    if run.carried_by and not run.rehearses:  # first, because a long text is cut at its end
        reason = f"carried by {run.carried_by}, as typed; {reason}"
    record_event(run, "refused", reason, bundle="" if bundle is None else bundle.name)


def _made_by(run: RunContext) -> MadeBy | None:
    """Return what made the report; None if ledger or key cannot be read, which is said anyway."""
    try:
        return made_by(run.site, run.ledger, by_api=run.by_api)
    except (AirGapError, OSError, sqlite3.Error):
        return None


def _record(run: RunContext, report: CommandReport, *, ended: datetime) -> CommandReport:
    report = write_reports(run.reports_dir, report, now=ended)
    runs = Runs(run.ledger)
    begun = RunRecord(id=run.run_id, command=run.command, started=run.started)
    record = runs.read(run.run_id) or begun
    end: dict[str, object] = {
        "ended": ended,
        "outcome": report.outcome,
        "exit_code": report.exit_code,
        "bundle": report.bundle,
        "report": report.report,
    }
    runs.write(record.model_copy(update=end))
    write_index(run.ledger, run.site, now=ended)
    return report


def _write_traceback(state_dir: Path, run_id: str, error: Exception) -> Path | None:
    """Append the traceback of an unforeseen error to the log file; None if the write fails.

    The terminal shows one sentence only.
    """
    path = state_dir / "unexpected.log"
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"{datetime.now(UTC).isoformat()} {run_id}\n")
            stream.write(visible_lines("".join(traceback.format_exception(error))) + "\n")
    except OSError:
        return None
    return path


def _empty_intake(run: RunContext) -> None:
    """Remove everything that a refused bundle left in the intake.

    The intake stays if another run works with it, or if the server cannot be reached.
    """
    with suppress(AirGapError):
        disk = run.known_disk
        if disk is not None and run.server.stat(disk.intake) is not None:
            run.lock_server()
            run.server.remove_tree(disk.intake)
