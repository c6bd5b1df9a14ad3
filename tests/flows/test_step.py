"""A step on a real Prefect server: how it ends, what is tried again, and what its page shows."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from prefect import State, flow
from prefect.client.schemas.objects import TaskRun
from prefect.exceptions import TerminationSignal

from tasks.errors import (
    AirGapError,
    ConnectionLostError,
    ConnectionStalledError,
    HostFileError,
    UsageError,
)
from tasks.flow_run import current_run, open_run
from tasks.refusals import PlanUnconfirmedError, TamperError
from tasks.reports.model import CommandReport
from tasks.step import Step, already_done, step
from tests.support.prefect_api import newest_run, steps, task_runs

Result = TypeVar("Result")
FOREIGN = "no-such-site"


def in_a_run(site: str, story: Callable[[], object]) -> State[Any]:
    """Run steps in a flow of ours, as the flows of the product do."""

    @flow(name="check", flow_run_name="{site} check", persist_result=False)
    def told(site: str) -> State[CommandReport]:
        with open_run("check", site) as run:
            story()
        return run.final_state()

    state: State[Any] = told(site, return_state=True)
    return state


def report_of_run(state: State[Any]) -> CommandReport:
    """The report that the state of a flow run carries."""
    report: object = state.result(raise_on_failure=False)
    assert isinstance(report, CommandReport)
    return report


def outcome_of(call: Callable[[], Result]) -> Result | Exception:
    """What a call gives, or the error that it raises, so that the flow goes on."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001  the test looks at it
        return error


def only_task_run(api_url: str) -> TaskRun:
    """The one task run of the newest flow run, besides that of the report."""
    (run,) = runs_of_steps(api_url)
    return run


def runs_of_steps(api_url: str) -> list[TaskRun]:
    """The task runs of the newest flow run, besides that of the report."""
    runs = task_runs(api_url, newest_run(api_url).id)
    return [run for run in runs if run.name != "Show report"]


def failing(error: BaseException, *, times: int = 99) -> tuple[Step[[], str], list[int]]:
    """A step that raises an error so many times before it succeeds; and its calls."""
    calls: list[int] = []

    @step("Try")
    def attempt() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise error
        return "done"

    return attempt.with_options(retry_delay_seconds=0), calls


FORESEEN = {
    "trust": (TamperError(path="x", expected="a", found="b"), "Refused"),
    "safety": (PlanUnconfirmedError(summary="much", plan_digest="ab"), "Refused"),
    "usage": (UsageError(reason="no such option"), "Failed"),
    "failed": (HostFileError(operation="read", path="x", reason="it is gone"), "Failed"),
}


@pytest.mark.parametrize("kind", FORESEEN)
def test_a_foreseen_error_ends_the_step_in_a_state_without_a_traceback_and_goes_on_in_the_flow(
    api_url: str, site: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    error, name = FORESEEN[kind]
    attempt, calls = failing(error)
    raised: list[object] = []

    in_a_run(site, lambda: raised.append(outcome_of(attempt)))

    assert raised == [error]
    assert calls == [0]
    run = only_task_run(api_url)
    assert run.state is not None
    assert (run.state.type.value, run.state.name) == ("FAILED", name)
    assert run.state.message == error.message
    assert f"Finished in state {name}(" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_step_after_which_the_run_is_suspended_has_asked_and_is_not_shown_as_failed(
    api_url: str, site: str
) -> None:
    error = FORESEEN["safety"][0]
    attempt, _ = failing(error)
    raised: list[object] = []

    def story() -> None:
        current_run().by_api = True
        raised.append(outcome_of(attempt))

    in_a_run(site, story)

    assert raised == [error]
    run = only_task_run(api_url)
    assert run.state is not None
    assert (run.state.type.value, run.state.name) == ("CANCELLED", "Asked a person")
    assert run.state.message == error.message


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), TerminationSignal(signal.SIGTERM)])
def test_a_step_that_somebody_stops_is_not_shown_as_crashed(
    api_url: str, site: str, stop: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    attempt, _ = failing(stop)

    report = report_of_run(in_a_run(site, attempt))

    assert [error.kind for error in report.errors] == ["interrupted"]
    run = only_task_run(api_url)
    assert run.state is not None
    assert (run.state.type.value, run.state.name) == ("CANCELLED", "Stopped")
    assert "Crash detected" not in caplog.text


RETRIED = {
    "connection lost": (ConnectionLostError(address="wsus", reason="reset"), 3),
    "stalled": (ConnectionStalledError(address="wsus", limit_seconds=120, stalls=3), 1),
    "tampered": (FORESEEN["trust"][0], 1),
    "unforeseen": (KeyError("surprise"), 1),
}


@pytest.mark.parametrize("kind", RETRIED)
def test_only_an_error_that_may_pass_by_itself_is_tried_again(
    api_url: str, site: str, kind: str
) -> None:
    error, most_calls = RETRIED[kind]
    attempt, calls = failing(error)
    raised: list[object] = []

    in_a_run(site, lambda: raised.append(outcome_of(attempt)))

    assert len(calls) == most_calls
    assert [repr(each) for each in raised] == [repr(error)]
    assert only_task_run(api_url).run_count == most_calls


def test_a_step_that_succeeds_when_it_is_tried_again_gives_its_result(
    api_url: str, site: str
) -> None:
    attempt, calls = failing(ConnectionLostError(address="wsus", reason="reset"), times=2)
    results: list[str] = []

    state = in_a_run(site, lambda: results.append(attempt()))

    assert (results, len(calls)) == (["done"], 3)
    assert state.is_completed()
    run = only_task_run(api_url)
    assert run.state is not None
    assert (run.state.name, run.run_count) == ("Completed", 3)


def test_what_nobody_foresaw_fails_the_step_and_the_run_names_the_log_of_it(
    api_url: str, site: str
) -> None:
    attempt, _ = failing(KeyError("surprise"))

    report = report_of_run(in_a_run(site, attempt))

    run = only_task_run(api_url)
    assert run.state is not None
    assert (run.state.type.value, run.state.name) == ("FAILED", "Failed")
    assert [error.kind for error in report.errors] == ["unexpected"]
    assert "unexpected.log" in report.errors[0].next_step


def test_work_that_is_found_done_is_shown_so_and_its_result_travels_on(
    api_url: str, site: str
) -> None:
    @step("Find")
    def find() -> list[int] | State[list[int]]:
        return already_done([1, 2])

    @step("Use")
    def use(numbers: list[int]) -> int:
        return sum(numbers)

    results: list[int] = []
    state = in_a_run(site, lambda: results.append(use(find())))

    assert results == [3]
    assert state.is_completed()
    states = {run.name: run.state_name for run in runs_of_steps(api_url)}
    assert states == {"Find": "Found done", "Use": "Completed"}


# --- a step is a task --------------------------------------------------------------------------


@step("Double")
def double(number: int, *, plus: int = 0) -> int:
    """Twice a number."""
    return 2 * number + plus


def test_the_function_of_a_step_runs_without_prefect() -> None:
    assert double.fn(4, plus=1) == 9
    assert double.__doc__ == "Twice a number."
    assert (double.name, double.retries) == ("Double", 2)


def test_a_step_can_be_submitted_and_mapped(api_url: str, site: str) -> None:
    results: list[Any] = []

    def story() -> None:
        results.append(double.submit(3).result())
        results.append(double.map([1, 2], plus=1).result())

    assert in_a_run(site, story).is_completed()
    assert results == [6, [3, 5]]
    assert [run.name for run in runs_of_steps(api_url)] == ["Double"] * 3


def test_an_error_of_a_submitted_step_is_raised_where_its_result_is_asked_for(
    api_url: str, site: str
) -> None:
    error = FORESEEN["trust"][0]
    attempt, _ = failing(error)
    raised: list[object] = []

    def story() -> None:
        future = attempt.submit()
        future.wait()
        raised.append(future.state.name)
        raised.append(outcome_of(future.result))

    in_a_run(site, story)

    assert raised == ["Refused", error]


def test_a_step_with_other_options_is_a_step(api_url: str, site: str) -> None:
    error = FORESEEN["trust"][0]
    attempt, _ = failing(error)
    other = attempt.with_options(name="Other", task_run_name="Other")
    assert isinstance(other, Step)
    raised: list[object] = []

    in_a_run(site, lambda: raised.append(outcome_of(other)))

    assert raised == [error]
    assert only_task_run(api_url).name == "Other"
    assert other.retries == attempt.retries


# --- a run that cannot be opened -----------------------------------------------------------------


def test_a_run_that_cannot_be_opened_starts_no_step(api_url: str, site: str) -> None:
    calls: list[int] = []

    @step("Never")
    def never() -> None:
        calls.append(1)

    state = in_a_run(FOREIGN, never)

    assert calls == []
    assert set(steps(api_url, newest_run(api_url).id)) <= {"Show report"}
    report = report_of_run(state)
    assert (report.exit_code, [error.kind for error in report.errors]) == (64, ["path-missing"])


def test_outside_a_run_there_is_nothing_that_a_step_could_use(api_url: str) -> None:
    with pytest.raises(LookupError):
        current_run()
    with pytest.raises(LookupError):
        double(1)


def test_every_error_that_may_pass_is_a_failure_and_no_refusal() -> None:
    errors = {AirGapError}
    while more := {sub for each in errors for sub in each.__subclasses__()} - errors:
        errors |= more
    assert {error.exit_code for error in errors if error.retryable} == {1}
