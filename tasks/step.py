"""Step of a flow: a Prefect task under a name that a person understands.

Prefect caches no results, because a cached result says nothing about the disk that is plugged in
now. Open draft, Export metadata and Load metadata check in the ledger, and on server or disk, that
their result of an earlier run is still there; then they return ``already_done``, and the page shows
the state ``Found done``. A step after which its run is suspended, because a person is asked, shows
``Asked a person``; one during which somebody stopped the run shows ``Stopped``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import State, Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.annotations import opaque

from tasks.errors import AirGapError
from tasks.flow_run import current_run, find_run
from tasks.logs import log
from tasks.plan_gate import asks_about_plan
from tasks.refusals import SafetyError, TrustError
from tasks.turn import in_turn
from tasks.volume_gate import asks_for_volume

P = ParamSpec("P")
R = TypeVar("R")

_RETRIES = 2
_RETRY_DELAY_SECONDS: list[float] = [5, 30]


class _Stop(Exception):  # noqa: N818  no error
    """A stop by a person; Prefect hands results on in a thread that a ``BaseException`` would end.

    Attributes:
        signal: What was raised.
    """

    def __init__(self, signal: BaseException) -> None:
        super().__init__()
        self.signal = signal


class Step(Task[P, R]):
    """Prefect task that turns a foreseen error into a failed state without a traceback.

    Prefect logs a raised error with its traceback. Therefore the task returns a failed state that
    carries the error, and the call raises the error again, in the flow.
    """

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> R:  # type: ignore[override]
        """Run the step and return its result.

        Raises:
            Exception: The error of the step, or the error that kept the run from opening.
        """
        current_run()
        # Prefect would search every argument for results of other tasks, through thousands of
        # approvals at every step; ``opaque`` keeps it from that. It still links the steps.
        opaque_arguments = [opaque(value) for value in arguments]
        opaque_options = {key: opaque(value) for key, value in options.items()}
        call = cast("Callable[..., State[R]]", super().__call__)
        try:
            return call(*opaque_arguments, **opaque_options, return_state=True).result()
        except _Stop as stop:
            raise stop.signal from None

    def with_options(self, **options: Any) -> Step[P, R]:  # noqa: ANN401  as Task has them
        """Return a copy of the step with other options."""
        changed = super().with_options(**options)
        changed.__class__ = Step  # Prefect makes a plain Task
        return cast("Step[P, R]", changed)


def step(name: str) -> Callable[[Callable[P, R | State[R]]], Step[P, R]]:
    """Make a step of a function, under a name that a person understands.

    Only errors that may pass by themselves (``AirGapError.retryable``) are retried: today
    ``ConnectionLostError`` alone, not its subclass ``ConnectionStalledError``.
    """

    def decorate(function: Callable[P, R | State[R]]) -> Step[P, R]:
        @functools.wraps(function)
        def body(*arguments: P.args, **options: P.kwargs) -> R | State[R]:
            log.info("%s", name)
            try:
                return in_turn(find_run(), lambda: function(*arguments, **options))
            except AirGapError as error:
                return _unfinished(error)
            except (KeyboardInterrupt, TerminationSignal) as stop:
                # Else Prefect would show the step as crashed, and log that it detected a crash.
                return Cancelled(name="Stopped", message="the run was stopped", data=_Stop(stop))

        return Step(
            cast("Callable[P, R]", body),
            name=name,
            task_run_name=name,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=_RETRIES,
            retry_delay_seconds=_RETRY_DELAY_SECONDS,
            retry_condition_fn=_is_retryable,
        )

    return decorate


def already_done(result: R) -> State[R]:
    """Return the result of an earlier run, after the step checked that it is still there."""
    return Completed(name="Found done", message="done before", data=result)


def _is_retryable(_task: object, _run: TaskRun, state: State[object]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, AirGapError) and error.retryable


def _unfinished(error: AirGapError) -> State[Any]:
    """Return the state of a step that did not do its work; its result raises the error.

    A step whose run is suspended next, because a person is asked, has not failed. Of Prefect's
    types of an end, only that of a cancelled step is drawn neither as done nor as failed.
    """
    run = find_run()
    if run is not None and (asks_about_plan(run, error) or asks_for_volume(run, error)):
        return Cancelled(name="Asked a person", message=error.message, data=error)
    is_refusal = isinstance(error, TrustError | SafetyError)
    return Failed(name="Refused" if is_refusal else "Failed", message=error.message, data=error)
