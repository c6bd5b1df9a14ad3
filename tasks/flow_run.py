"""One run of a flow: how it opens, how its steps run, how it ends, and what its page shows.

A flow opens its run with ``open_run`` and asks ``final_state`` of it at the end; the modules
staging, media and disconnected make their tasks with ``step``. Nothing else decides on retries,
caching, states or artifacts.

Prefect caches no results: a cached "copied" says nothing about the disk that is plugged in now.
The ledger says whether a step is done, and the step proves it on the thing itself; a step that
finds its work done returns ``already_done``, so that the page shows the state ``Found done``.
"""

from __future__ import annotations

import functools
import logging
import sqlite3
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from threading import Lock
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar, cast
from uuid import UUID

from prefect import Flow, State, Task, get_client, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from prefect.utilities.annotations import opaque

from tasks.errors import AirGapError, SafetyError, TrustError
from tasks.progress import Progress, Unit
from tasks.reports.markdown import Artifact, artifacts_of
from tasks.reports.model import CommandReport, failure_report
from tasks.reports.terminal import TerminalProgress
from tasks.run.context import RunContext, open_run_context
from tasks.run.ending import begin_run, close_run
from tasks.site.settings import Side

P = ParamSpec("P")
R = TypeVar("R")

# Lines of this logger reach the terminal, the log file and the run's page, whoever runs the flow.
log = logging.getLogger("wsus_airgap")
log.setLevel(logging.INFO)

# A progress update costs the API tens of milliseconds; the UI needs no more than this.
_ARTIFACT_SECONDS = 3.0
_RETRIES = 2
_RETRY_DELAY_SECONDS: list[float] = [5, 30]

_current: ContextVar[FlowRun] = ContextVar("flow_run")


# --- flows -----------------------------------------------------------------------------------


class FlowRun:
    """The run of a command inside a flow, from the site file to the report. See ``open_run``.

    Attributes:
        report: The report, once the run has ended.
    """

    report: CommandReport
    _token: Token[FlowRun]

    def __init__(
        self, command: str, site: str, *, side: Side | None, take_over: str | None
    ) -> None:
        self._command = command
        self._site = site
        self._side = side
        self._take_over = take_over
        self._context: RunContext | None = None
        self._refusal: Exception | None = None

    @property
    def context(self) -> RunContext:
        """The resources of the run.

        Raises:
            Exception: Whatever kept the run from being opened.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._context is None:
            raise LookupError("the run is not open")
        return self._context

    def __enter__(self) -> Self:
        """Open the run. A refusal is raised by the first step, before Prefect starts it."""
        self._token = _current.set(self)
        try:
            self._context = open_run_context(
                self._site,
                command=self._command,
                side=self._side,
                clock=lambda: datetime.now(UTC),
                progress=ArtifactProgress(TerminalProgress()),
                take_over=self._take_over,
            )
        except (AirGapError, OSError, sqlite3.Error) as refusal:
            self._refusal = refusal
            return self
        try:
            begin_run(self._context)
            name_run(None, self._context.site.name)
        except Exception as fault:  # noqa: BLE001  reported by __exit__, as what a step raises
            self._refusal = fault
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Report any end, show the report, and let the flow go on to ``final_state``.

        Only what is no ``Exception`` (an interrupt, a cancellation) passes on.
        """
        _current.reset(self._token)
        if error is not None and not isinstance(error, Exception):
            self._close()
            return False
        self.report = self._end(error or self._refusal)
        _show_report(self.report)
        if self.report.outcome == "flagged":
            name_run(None, "flagged")
        return True

    def final_state(self) -> State[CommandReport]:
        """Return the state in which the flow ends; it carries the report.

        A flagged run ends COMPLETED under the name ``Flagged``. A failed state carries the error's
        sentence and no traceback.
        """
        report = self.report
        if report.outcome == "done":
            return Completed(message="done", data=report)
        if report.outcome == "flagged":
            return Completed(
                name="Flagged", message="done, and something needs a look", data=report
            )
        error = report.errors[0]
        name = "Refused" if report.outcome == "refused" else "Failed"
        return Failed(name=name, message=f"{error.message} Next: {error.next_step}", data=report)

    def _end(self, error: Exception | None) -> CommandReport:
        if self._context is None:
            refusal = error or self._refusal or RuntimeError("the run was never opened")
            return failure_report(self._command, refusal, site=self._site)
        report = close_run(self._context, error)
        self._close()
        return report

    def _close(self) -> None:
        if self._context is None:
            return
        try:
            self._context.close()
        except (AirGapError, OSError, sqlite3.Error) as fault:
            # A lock could not be given back (it is free once we are gone), or a digest not
            # cached (that file is read again): neither changes how the run ended.
            log.warning("%s", fault)


def open_run(
    command: str, site: str, *, side: Side | None = None, take_over: str | None = None
) -> FlowRun:
    """Open the run of a command; a context manager around the steps of a flow.

    Args:
        command: Name of the command.
        site: Name of the site; its file is looked up by the worker.
        side: Side that the command is for; None: either.
        take_over: Reason for which a lock may be taken over.
    """
    return FlowRun(command, site, side=side, take_over=take_over)


def current_run() -> RunContext:
    """Return the resources of the run that we are in.

    Raises:
        LookupError: No run is open.
        Exception: Whatever kept the run from being opened.
    """
    return _current.get().context


def report_of(
    flow: Flow[P, State[CommandReport]], *arguments: P.args, **named: P.kwargs
) -> CommandReport:
    """Run a flow in this process and return its report, however it ended."""
    state: State[Any] = cast("Any", flow)(*arguments, **named, return_state=True)
    result = state.result(raise_on_failure=False)
    if isinstance(result, CommandReport):
        return result
    # The engine itself failed (its server went away, the run was cancelled): say so plainly.
    fault = RuntimeError(state.message or state.name)
    return failure_report(flow.name, fault, site=str(named.get("site")))


# --- steps -----------------------------------------------------------------------------------


class Step(Task[P, R]):
    """A Prefect task that ends a foreseen error in a state without a traceback.

    Prefect logs a raised error with its traceback. So the task returns a failed state that carries
    the error, and the call raises the error again, in the flow.
    """

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:  # type: ignore[override]
        """Run the step; gives its result.

        Raises:
            Exception: Whatever the step raised, or kept the run from being opened.
        """
        current_run()
        # Prefect follows which step's result went where, and need not look for more of them in
        # thousands of approvals, one by one and again at every step.
        opaque_arguments = [opaque(value) for value in arguments]
        opaque_named = {key: opaque(value) for key, value in named.items()}
        call = cast("Callable[..., State[R]]", super().__call__)
        return call(*opaque_arguments, **opaque_named, return_state=True).result()

    def with_options(self, **options: Any) -> Step[P, R]:  # noqa: ANN401  as Task has them
        """Return a copy of the step with other options."""
        changed = super().with_options(**options)
        changed.__class__ = Step  # Prefect makes a plain Task
        return cast("Step[P, R]", changed)


def step(name: str) -> Callable[[Callable[P, R | State[R]]], Step[P, R]]:
    """Make a step of a function, under a name that a person understands.

    Only errors that may pass by themselves are retried.
    """

    def decorate(function: Callable[P, R | State[R]]) -> Step[P, R]:
        @functools.wraps(function)
        def body(*arguments: P.args, **named: P.kwargs) -> R | State[R]:
            log.info("%s", name)
            try:
                return function(*arguments, **named)
            except AirGapError as error:
                return Failed(name=_state_name(error), message=error.message, data=error)

        return Step(
            cast("Callable[P, R]", body),
            name=name,
            task_run_name=name,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=_RETRIES,
            retry_delay_seconds=_RETRY_DELAY_SECONDS,
            retry_condition_fn=_may_pass,
        )

    return decorate


def already_done(result: R) -> State[R]:
    """Return a step's result that an earlier run made and that was proved to be there still."""
    return Completed(name="Found done", message="done before", data=result)


def _may_pass(_task: object, _run: TaskRun, state: State[object]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, AirGapError) and error.retryable


def _state_name(error: AirGapError) -> Literal["Refused", "Failed"]:
    return "Refused" if isinstance(error, TrustError | SafetyError) else "Failed"


# --- what the page of a run shows ----------------------------------------------------------------


def _show_report(report: CommandReport) -> None:
    """Put the report on the run's page, what matters most first.

    The page orders artifacts arbitrarily, but those of the flow run before those of its tasks: so
    the first is the flow run's own, and a last task has the others.
    """
    first, *others = artifacts_of(report)
    first.show(show_text, show_table)
    if others:
        _show_details(cast("Any", opaque(others)))


@task(name="Show report", task_run_name="Show report", cache_policy=NO_CACHE, persist_result=False)
def _show_details(artifacts: list[Artifact]) -> None:
    for artifact in artifacts:
        artifact.show(show_text, show_table)


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
