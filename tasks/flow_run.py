"""Prefect's knobs in one place: what a step is, when it is retried, what a run shows.

The modules staging, carrier and disconnected make their tasks with ``step``; the modules in flows/
make their flows with ``story``. Nothing else decides on retries, caching, states or artifacts.

Results are not cached by Prefect: a cached "copied" says nothing about the disk that is plugged
in now. Whether a step is done is read from the ledger, and proved on the thing itself; a step
that finds its work done ends in the state ``Found done``, so that a person sees it in the UI.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sqlite3
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints
from uuid import UUID

from prefect import Flow, State, Task, flow, get_client, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.annotations import opaque

from tasks.errors import AirGapError, StoppedError
from tasks.logs import VisibleRecords, log
from tasks.names import Side
from tasks.prefect_api import server_fault
from tasks.progress import Progress, Unit
from tasks.refusals import SafetyError, TrustError
from tasks.reports.markdown import Artifact, artifacts_of
from tasks.reports.model import CommandReport, failure_report
from tasks.reports.terminal import TerminalProgress
from tasks.run.context import RunContext, open_run_context
from tasks.run.ending import begin_run, close_run, stopped

P = ParamSpec("P")
R = TypeVar("R")

# The engine logs the traceback of what nobody foresaw, and so its text.
for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(VisibleRecords())

# A progress update costs the API tens of milliseconds; the UI needs no more than this.
_ARTIFACT_SECONDS = 3.0
_RETRIES = 2
_RETRY_DELAY_SECONDS = (5, 30)

_found_done: ContextVar[bool] = ContextVar("found_done", default=False)
_workplace: ContextVar[RunContext] = ContextVar("workplace")
_reports: ContextVar[list[CommandReport]] = ContextVar("reports")


def current_run() -> RunContext:
    """The workplace of the run we are in; only steps of a story have one."""
    return _workplace.get()


# --- stories -------------------------------------------------------------------------------


def story(
    command: str, *, side: Side | None = None
) -> Callable[[Callable[P, None]], Flow[P, CommandReport]]:
    """Make a Prefect flow of a function whose first parameter is the name of a site.

    The function tells the steps. Around it, this opens the workplace, names the run, and at the
    end, whatever the end is, writes the report and shows it on the run's page. A flagged run
    ends COMPLETED under the name ``Flagged``; a foreseen error ends it in a failed state that
    carries the sentence, without a traceback.
    """

    def decorate(function: Callable[P, None]) -> Flow[P, CommandReport]:
        @functools.wraps(function)
        def body(*arguments: P.args, **named: P.kwargs) -> State[CommandReport]:
            options = inspect.signature(function).bind(*arguments, **named).arguments
            report = _tell(
                command,
                side,
                site=str(options["site"]),
                take_over=cast("str | None", options.get("take_over")),
                tale=lambda: function(*arguments, **named),
            )
            return _final_state(report)

        # Prefect makes the run form of the signature; it would look the names up in this module.
        body.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
        body.__annotations__ = get_type_hints(function)
        made = flow(
            name=command,
            flow_run_name=f"{{site}} {command}",
            persist_result=False,
            retries=0,
        )(body)
        return cast("Flow[P, CommandReport]", made)

    return decorate


def report_of(told: Flow[P, CommandReport], *arguments: P.args, **named: P.kwargs) -> CommandReport:
    """Run a story in this process and return its report, however it ended.

    A run whose end Prefect's server did not take down has failed, whatever it did before.
    """
    reports: list[CommandReport] = []
    token = _reports.set(reports)
    error: object = None
    try:
        state = cast("Any", told)(*arguments, **named, return_state=True)
    except Exception as caught:
        error = caught
        if server_fault(caught) is None:
            raise
    else:
        error = getattr(state.data, "result", state.data)
    finally:
        _reports.reset(token)
    report = reports[-1] if reports else None
    fault = server_fault(error) if isinstance(error, Exception) else None
    if report is not None and (report.errors or fault is None):
        return report
    # The engine itself failed (its server went away, the run was cancelled): say so plainly.
    failure = fault or RuntimeError(state.message or state.name)
    failed = failure_report(told.name, failure, site=str(named.get("site")))
    if report is None:
        return failed
    return report.model_copy(update={"exit_code": failed.exit_code, "errors": failed.errors})


def _tell(
    command: str, side: Side | None, *, site: str, take_over: str | None, tale: Callable[[], None]
) -> CommandReport:
    try:
        context = open_run_context(
            site,
            command=command,
            side=side,
            clock=lambda: datetime.now(UTC),
            progress=ArtifactProgress(TerminalProgress()),
            take_over=take_over,
        )
    except (AirGapError, OSError, sqlite3.Error) as refusal:
        return _remember(failure_report(command, refusal, site=site))
    try:
        with context:
            report = _tell_within(context, tale)
    except (AirGapError, OSError, sqlite3.Error) as fault:
        # A lock could not be given back (it is free once we are gone), or a digest not remembered
        # (that file is read again): neither changes how the run ended.
        log.warning("%s", fault)
    _remember(report)
    if _was_stopped(report):
        return report  # its server may be going down as well: the state says it all
    _show_report(report)
    if report.outcome == "flagged":
        name_run(None, "flagged")
    return report


def _remember(report: CommandReport) -> CommandReport:
    """Keep a report for the command, also where Prefect's server does not take down the end."""
    _reports.get([]).append(report)
    return report


def _tell_within(context: RunContext, tale: Callable[[], None]) -> CommandReport:
    token = _workplace.set(context)
    error: Exception | None = None
    try:
        begin_run(context)
        name_run(None, context.site.name)
        tale()
    except (KeyboardInterrupt, TerminationSignal):
        error = stopped(context)
    except Exception as caught:  # noqa: BLE001  the edge: every end is reported, then shown
        error = server_fault(caught) or caught
    finally:
        _workplace.reset(token)
    return close_run(context, error)


def _show_report(report: CommandReport) -> None:
    """Put the report on the run's page, what matters most first.

    The page sorts artifacts by chance, but those of the run before those of its steps: so the
    first is the run's own, and a last step has the others.
    """
    first, *others = artifacts_of(report)
    first.show(show_text, show_table)
    if others:
        _show_details(cast("Any", opaque(others)))


@task(name="Show report", task_run_name="Show report", cache_policy=NO_CACHE, persist_result=False)
def _show_details(artifacts: list[Artifact]) -> None:
    for artifact in artifacts:
        artifact.show(show_text, show_table)


def _final_state(report: CommandReport) -> State[CommandReport]:
    if report.outcome == "done":
        return Completed(message="done", data=report)
    if report.outcome == "flagged":
        return Completed(name="Flagged", message="done, and something needs a look", data=report)
    error = report.errors[0]
    message = f"{error.message} Next: {error.next_step}"
    if _was_stopped(report) and _is_cancelling():
        return Cancelled(message=message, data=report)
    name = "Refused" if report.outcome == "refused" else "Failed"
    return Failed(name=name, message=message, data=report)


def _was_stopped(report: CommandReport) -> bool:
    return any(error.kind == StoppedError.kind for error in report.errors)


def _is_cancelling() -> bool:
    """Whether it was a person in the pages who stopped this run; no server, no person."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(context.flow_run.id).state
    except Exception:  # noqa: BLE001  whatever a server says that goes down too
        return False
    return state is not None and state.is_cancelling()


# --- steps -----------------------------------------------------------------------------------


def found_done() -> None:
    """Say, within a step, that its work was done before and has been proved to be there still."""
    _found_done.set(True)


def step(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a Prefect task of a function, under a name that a person understands.

    A foreseen error ends the task in a failed state that carries the sentence and no traceback,
    and is raised again in the flow. Only errors that may pass by themselves are retried.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def body(*arguments: P.args, **named: P.kwargs) -> R | State[R]:
            _found_done.set(False)
            log.info("%s", name)
            try:
                result = function(*arguments, **named)
            except AirGapError as error:
                return Failed(name=_state_name(error), message=error.message, data=error)
            if _found_done.get():
                return Completed(name="Found done", message="done before", data=result)
            return result

        made: Task[P, R | State[R]] = task(
            name=name,
            task_run_name=name,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=_RETRIES,
            retry_delay_seconds=list(_RETRY_DELAY_SECONDS),
            retry_condition_fn=_may_pass,
        )(body)

        @functools.wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> R:
            # Prefect follows which step's result went where, and need not look for more of them
            # in thousands of approvals, one by one and again at every step.
            hidden = {key: opaque(value) for key, value in named.items()}
            return _open(cast("R", cast("Any", made)(*map(opaque, arguments), **hidden)))

        return call

    return decorate


def _open(outcome: R | State[R]) -> R:
    """Take the result out of a task's outcome, or raise the error that it carries."""
    if not isinstance(outcome, State):
        return outcome
    content = getattr(outcome.data, "result", outcome.data)
    if isinstance(content, BaseException):
        raise content
    if outcome.is_failed():
        return cast("R", outcome.result())
    return cast("R", content)


def _may_pass(_task: object, _run: TaskRun, state: State[object]) -> bool:
    content = getattr(state.data, "result", state.data)
    return isinstance(content, AirGapError) and content.retryable


def _state_name(error: AirGapError) -> str:
    return "Refused" if isinstance(error, TrustError | SafetyError) else "Failed"


# --- what a run shows --------------------------------------------------------------------------


def name_run(name: str | None, *labels: str) -> None:
    """Rename the flow run we are in after the bundle (None keeps its name), and tag it."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with get_client(sync_client=True) as client:
        current = client.read_flow_run(context.flow_run.id)
        client.update_flow_run(
            context.flow_run.id,
            name=name or current.name,
            tags=sorted({*current.tags, *labels}),
        )


def show_text(key: str, markdown: str, description: str) -> None:
    """Put a Markdown artifact on the page of the run we are in."""
    create_markdown_artifact(key=key, markdown=markdown, description=description)


def show_table(key: str, rows: list[dict[str, object]], description: str) -> None:
    """Put a table on the page of the run we are in; callers keep it to a few hundred rows."""
    create_table_artifact(key=key, table=rows, description=description)


class ArtifactProgress:
    """Progress for two readers: the one given (a terminal), and a progress artifact in the UI."""

    def __init__(self, terminal: Progress) -> None:
        self._terminal = terminal
        self._lock = Lock()
        self._artifact: UUID | None = None
        self._total = 0
        self._done = 0
        self._shown = 0.0

    def start(self, step: str, *, total: int | None, unit: Unit) -> None:
        """Begin a step."""
        self._terminal.start(step, total=total, unit=unit)
        self._total, self._done, self._shown = total or 0, 0, time.monotonic()
        if total:
            self._artifact = cast("UUID", create_progress_artifact(progress=0.0, description=step))

    def advance(self, amount: int) -> None:
        """Count; tell the UI at most every few seconds."""
        self._terminal.advance(amount)
        with self._lock:
            self._done += amount
            moment = time.monotonic()
            if self._artifact is None or moment - self._shown < _ARTIFACT_SECONDS:
                return
            self._shown = moment
            share = min(100.0, 100.0 * self._done / self._total)
        # Outside the lock: other threads go on counting while the API answers.
        update_progress_artifact(artifact_id=self._artifact, progress=share)

    def finish(self) -> None:
        """End the step."""
        self._terminal.finish()
        if self._artifact is not None:
            share = min(100.0, 100.0 * self._done / self._total)
            update_progress_artifact(artifact_id=self._artifact, progress=share)
        self._artifact = None
