"""Run of a flow: its beginning, and its end in Prefect.

A flow opens its run with ``open_run``, calls its steps, and returns the run's ``final_state``.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ParamSpec, Self, cast

from prefect import Flow, State
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Completed, Failed

from tasks.announcements.metrics import write_metrics
from tasks.announcements.notify import announce_end
from tasks.errors import AirGapError, StoppedError, UsageError
from tasks.ledger.store import Ledger
from tasks.logs import VisibleRecords, log
from tasks.names import Side
from tasks.plan_gate import suspend_for_answer, waits_for_answer
from tasks.prefect_api import server_fault
from tasks.progress import LoggedProgress
from tasks.reports.model import CommandReport, failure_report
from tasks.reports.summary import count_missing
from tasks.reports.terminal import TerminalProgress
from tasks.run.carrier import checked_carrier
from tasks.run.context import RunContext, open_run_context
from tasks.run.ending import begin_run, close_run, stopped
from tasks.run_page import (
    ArtifactProgress,
    deployment_name,
    is_cancelling,
    name_run,
    show_report,
)
from tasks.site.settings import Site
from tasks.volume_gate import suspend_for_volume, waits_for_volume

P = ParamSpec("P")


class _EngineRecords(logging.Filter):
    """Drop two tracebacks of Prefect's engine, which say again what a sentence of ours says.

    One ends a served run after a failed state, when the engine seeks an exception in the state;
    state and report have the sentence. The other follows when Prefect's server is lost;
    ``report_of`` and the report have the sentence.

    Attributes:
        is_expected: True once a run of this process has ended in a failed state of ours.
    """

    is_expected = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass but those."""
        if record.exc_info and server_fault(record.exc_info[1]) is not None:
            return False
        return not (self.is_expected and record.getMessage() == _ENGINE_FAILED)


_ENGINE_FAILED = "Engine execution exited with unexpected exception"
_engine_records = _EngineRecords()
logging.getLogger("prefect.flow_runs").addFilter(_engine_records)
# The engine logs the traceback of an unforeseen error, which may contain foreign text.
for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(VisibleRecords())

_current: ContextVar[FlowRun] = ContextVar("flow_run")
_reports: ContextVar[list[CommandReport]] = ContextVar("reports")


class FlowRun:
    """Run of a command inside a flow, from the site file to the report. See ``open_run``.

    Attributes:
        report: The report, once the run has ended.
    """

    report: CommandReport
    _token: Token[FlowRun]

    def __init__(
        self,
        command: str,
        site: str,
        *,
        side: Side | None,
        take_over: str | None,
        rehearses: bool = False,
        carried_by: str | None = None,
    ) -> None:
        self._command = command
        self._site = site
        self._side = side
        self._take_over = take_over
        self._rehearses = rehearses
        self._carried_by = carried_by
        self._context: RunContext | None = None
        self._opening_error: Exception | None = None

    @property
    def context(self) -> RunContext:
        """Resources of the run.

        Raises:
            Exception: The error that kept the run from opening.
        """
        if self._opening_error is not None:
            raise self._opening_error
        if self._context is None:
            raise LookupError("the run is not open")
        return self._context

    def __enter__(self) -> Self:
        """Open the run. The first step raises an error of the opening, before Prefect starts it."""
        self._token = _current.set(self)
        # Prefect has read it, and programs that we start must not see it.
        os.environ.pop("PREFECT_API_AUTH_STRING", None)
        try:
            _require_own_site(self._site)
            carried_by = checked_carrier(self._carried_by)
            self._context = open_run_context(
                self._site,
                command=self._command,
                side=self._side,
                clock=lambda: datetime.now(UTC),
                progress=LoggedProgress(ArtifactProgress(TerminalProgress())),
                take_over=self._take_over,
            )
            self._context.rehearses = self._rehearses
            self._context.carried_by = carried_by
        except (AirGapError, OSError, sqlite3.Error) as refusal:
            self._opening_error = refusal
            return self
        self._context.by_api = deployment_name() is not None
        try:
            flow_run, attempt = name_run(None, self._context.site.name)
            begin_run(self._context, flow_run=flow_run, attempt=attempt)
        except Exception as fault:  # noqa: BLE001  __exit__ reports it like an error of a step
            self._opening_error = fault
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Write the report of every end, show it unless a person stopped the run, and go on.

        A stop by a person (Ctrl-C, a signal, a cancel in the pages) is an end too. Any other
        ``BaseException`` that is not an ``Exception`` propagates.
        """
        _current.reset(self._token)
        if isinstance(error, KeyboardInterrupt | TerminationSignal) and self._context is not None:
            error = stopped(self._context)
        if error is not None and not isinstance(error, Exception):
            self._close()
            return False
        self.report = self._end(error or self._opening_error)
        if self._context is not None:
            self._tell(self._context.site)
        _reports.get([]).append(self.report)
        if _was_stopped(self.report):
            return True  # Prefect's server may be stopping too; the final state has the message
        self._show()
        return True

    def _show(self) -> None:
        """Put the report on the run's page, unless Prefect's server is lost.

        The final state cannot be stored then either, and ``report_of`` says so once.
        """
        try:
            show_report(self.report)
            if self.report.outcome == "flagged":
                name_run(None, "flagged")
        except Exception as fault:
            if server_fault(fault) is None:
                raise

    def final_state(self) -> State[CommandReport]:
        """Return the state in which the flow ends; it carries the report.

        A run of a deployment whose plan needs a person, or whose bundle its next volume, is
        suspended here instead.

        A flagged run ends COMPLETED under the name ``Flagged``. A failed state carries the error's
        sentence and no traceback.
        """
        report = self.report
        if self._context is not None and waits_for_answer(report, self._context.site):
            suspend_for_answer(report, self._context.site, now=datetime.now(UTC))
        if self._context is not None and waits_for_volume(report, self._context.site):
            suspend_for_volume(report, self._context.site, now=datetime.now(UTC))
        if report.outcome == "done":
            name = self._context.report.ended_as if self._context is not None else None
            return Completed(name=name or "Completed", message=name or "done", data=report)
        if report.outcome == "flagged":
            return Completed(
                name="Flagged", message="done, and something needs a look", data=report
            )
        _engine_records.is_expected = True
        error = report.errors[0]
        message = f"{error.message} Next: {error.next_step}"
        if _was_stopped(report) and is_cancelling():
            return Cancelled(message=message, data=report)
        name = "Refused" if report.outcome == "refused" else "Failed"
        return Failed(name=name, message=message, data=report)

    def _end(self, error: Exception | None) -> CommandReport:
        if self._context is None:
            cause = error or self._opening_error or RuntimeError("the run was never opened")
            return failure_report(self._command, cause, site=self._site)
        fault = None if error is None else server_fault(error) or error
        report = close_run(self._context, fault)
        self._close()
        return report

    def _tell(self, site: Site) -> None:
        """Write the metrics and notify people; nothing of it changes how the run ended.

        A rehearsal tells nobody: what it forecasts has not happened.
        """
        if self._rehearses:
            return
        try:
            with Ledger(site.state_dir) as ledger:
                if self.report.missing is not None:
                    ledger.remember_missing(count_missing(self.report.missing))
                now = datetime.now(UTC)
                write_metrics(site, ledger, now=now)
                waits = waits_for_answer(self.report, site) or waits_for_volume(self.report, site)
                announce_end(site, ledger, self.report, now=now, waits=waits)
        except (AirGapError, OSError, sqlite3.Error) as fault:
            log.warning("%s", fault)

    def _close(self) -> None:
        if self._context is None:
            return
        try:
            self._context.close()
        except (AirGapError, OSError, sqlite3.Error) as fault:
            # A lock that was not released is taken over by the next run on this machine; a file
            # whose digest was not cached is read again. Neither changes how the run ended.
            log.warning("%s", fault)


def open_run(
    command: str,
    site: str,
    *,
    side: Side | None = None,
    take_over: str | None = None,
    rehearses: bool = False,
    carried_by: str | None = None,
) -> FlowRun:
    """Make the run of a command, a context manager around the steps of a flow.

    Args:
        command: Name of the command.
        site: Name of the site; its file is looked up by the worker.
        side: Side that the command is for; None: either.
        take_over: Reason for which a lock may be taken over; None: never.
        rehearses: Plan only, and change nothing on server or media.
        carried_by: Name of the person who carried the bundle or receipt; None: nobody typed one.
    """
    return FlowRun(
        command,
        site,
        side=side,
        take_over=take_over,
        rehearses=rehearses,
        carried_by=carried_by,
    )


def current_run() -> RunContext:
    """Return the resources of the current run.

    Raises:
        LookupError: No run is open.
        Exception: The error that kept the run from opening.
    """
    return _current.get().context


def find_run() -> RunContext | None:
    """Return the resources of the current run; None if none is open."""
    try:
        return _current.get().context
    except LookupError:
        return None


def report_of(
    flow: Flow[P, State[CommandReport]], *arguments: P.args, **parameters: P.kwargs
) -> CommandReport:
    """Run a flow in this process and return its report, whether it succeeded or not.

    If Prefect's server did not record the end of a run, the run counts as failed.
    """
    reports: list[CommandReport] = []
    token = _reports.set(reports)
    try:
        state: State[Any] = cast("Any", flow)(*arguments, **parameters, return_state=True)
        result = state.result(raise_on_failure=False)
    except Exception as error:
        if server_fault(error) is None:
            raise
        result = error
    finally:
        _reports.reset(token)
    report = reports[-1] if reports else None
    fault = server_fault(result) if isinstance(result, Exception) else None
    if report is not None and (report.errors or fault is None):
        return report
    # The engine itself failed: its server went away, or the run was cancelled.
    failure = fault or RuntimeError(state.message or state.name)
    failed = failure_report(flow.name, failure, site=str(parameters.get("site")))
    if report is None:
        return failed
    return report.model_copy(update={"exit_code": failed.exit_code, "errors": failed.errors})


def _require_own_site(site: str) -> None:
    """Require that a run of a deployment is for the deployment's own site.

    Raises:
        UsageError: It names another one. Prefect's form and check refuse this earlier, but a person
            may have changed them in the pages.
    """
    deployment = deployment_name()
    if deployment is not None and deployment != site:
        raise UsageError(
            reason=f"this deployment is for site {deployment}, and the run names {site}",
            remedy=f"Start the run from the deployment of site {site}.",
        )


def _was_stopped(report: CommandReport) -> bool:
    return any(error.kind == StoppedError.kind for error in report.errors)
