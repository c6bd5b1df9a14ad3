"""A step of a flow: a Prefect task under a name that a person understands.

Prefect caches no results: a cached "copied" says nothing about the disk that is plugged in now.
The ledger says whether a step is done, and the step proves it on the thing itself; a step that
finds its work done returns ``already_done``, so that the page shows the state ``Found done``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar, cast

from prefect import State, Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.states import Completed, Failed
from prefect.utilities.annotations import opaque

from tasks.errors import AirGapError
from tasks.flow_run import current_run
from tasks.logs import log
from tasks.refusals import SafetyError, TrustError

P = ParamSpec("P")
R = TypeVar("R")

_RETRIES = 2
_RETRY_DELAY_SECONDS: list[float] = [5, 30]


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
