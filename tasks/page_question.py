"""A question to a person in Prefect's page: the run is suspended, and its page shows a form.

When somebody answers, Prefect starts the run again, which then reads the answer. What is asked is
for ``plan_gate`` (a plan) and ``volume_gate`` (the next volume) to say.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, Pause
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, keyset_from_base_key
from prefect.states import Failed

from tasks.ledger.questions import VOLUME, Question, Questions
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.logs import log
from tasks.reports.model import CommandReport
from tasks.run.context import RunContext
from tasks.site.settings import Site

Form = TypeVar("Form", bound=RunInput)

_SUSPENDED = "suspended"  # Prefect begins the keys of an answer with the state's name


def may_be_suspended(run: RunContext) -> bool:
    """Return True if a question of this run goes to Prefect's page: a deployment began it."""
    return run.by_api and not run.rehearses and run.site.policy.answer_hours > 0


def suspend_with_form(
    site: Site,
    report: CommandReport,
    *,
    digest: str,
    form: type[RunInput],
    text: Callable[[datetime], str],
    now: datetime,
) -> None:
    """Suspend the current run until somebody answers; Prefect's signal ends its process.

    Returns only if the run could not be suspended.

    Args:
        site: The site file; its ``answer_hours`` say how long the run waits.
        report: The report of the run so far.
        digest: Digest of the plan, or ``VOLUME``.
        form: The fields that the page shows.
        text: Gives the words above them, for the time until which the run waits.
        now: The time now.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    flow_run, until = context.flow_run.id, now + timedelta(hours=site.policy.answer_hours)
    with Ledger(site.state_dir) as ledger:
        questions = Questions(ledger)
        asked = questions.count(flow_run, digest)
        key = digest if asked == 0 else f"{digest}-{asked + 1}"  # Prefect takes a key once
        question = Question(flow_run, key, digest, report.run or "", until)
        questions.ask(question)
        _set_outcome(ledger, question.run, "waiting")
    log.info("waits for an answer in Prefect's page until %s", f"{until:%Y-%m-%d %H:%M} UTC")
    try:
        suspend_flow_run(
            wait_for_input=form.with_initial_data(description=text(until)),
            key=key,
            timeout=round(site.policy.answer_hours * 3_600),
        )
    except Pause:
        # It is suspended. A stop of the worker before this process has ended is no crash of it.
        with suppress(ValueError):  # outside the main thread nothing can be set
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise
    except Exception as error:  # noqa: BLE001  then the run ends as a typed one does
        log.warning("the run could not be suspended: %s", error)
        with Ledger(site.state_dir) as ledger:
            Questions(ledger).close(question, {"not asked": str(error)})
            _set_outcome(ledger, question.run, report.outcome)


def read_answer(
    ledger: Ledger, form: type[Form], *, of_volume: bool
) -> tuple[Question | None, Form | None]:
    """Return the open question of the current run and its answer, and close the question.

    Args:
        ledger: The ledger, which remembers the question.
        form: The fields of the answer.
        of_volume: Look for a question about a volume, else for one about a plan.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None, None
    questions = Questions(ledger)
    question = questions.open_of(context.flow_run.id)
    if question is None or (question.digest == VOLUME) is not of_volume:
        return None, None
    _set_outcome(ledger, question.run, "failed" if of_volume else "refused")  # this run goes on
    try:
        keys = keyset_from_base_key(f"{_SUSPENDED}-{question.key}")
        answer = cast("Form", form.load(keys))  # awaitable only in an event loop
    except Exception:  # noqa: BLE001  Prefect has several errors for an answer that is not there
        questions.close(question, {"none": "the run was started again without an answer"})
        return question, None
    record = answer.model_dump(include=set(form.__annotations__))
    questions.close(question, record | {"given by": "somebody with access to the API"})
    return question, answer


def close_unanswered(ledger: Ledger, client: SyncPrefectClient) -> int:
    """Close questions whose run has ended without an answer, and say so on its page.

    Prefect itself ends a run as failed whose time to answer is over.

    Returns:
        The number of questions that were closed.
    """
    closed = 0
    questions = Questions(ledger)
    for question in questions.open():
        try:
            state = client.read_flow_run(question.flow_run).state
        except ObjectNotFound:
            continue  # a run of another server
        if state is None or not state.is_final():
            continue
        if state.type is StateType.FAILED:
            client.set_flow_run_state(question.flow_run, _unanswered(question), force=True)
        is_cancelled = state.type is StateType.CANCELLED
        _set_outcome(ledger, question.run, "cancelled" if is_cancelled else _outcome(question))
        questions.close(question, {"none": f"the run ended: {state.name}"})
        closed += 1
    return closed


def _outcome(question: Question) -> str:
    return "failed" if question.digest == VOLUME else "refused"


def _unanswered(question: Question) -> State[Any]:
    until = f"{question.until:%Y-%m-%d %H:%M} UTC"
    if question.digest == VOLUME:
        return Failed(
            message=f"Nobody put the next medium in until {until}. What came stays. Next: put one "
            "in and start the same run again; it goes on with the media that are missing."
        )
    return Failed(
        name="Refused",
        message=f"Nobody confirmed the plan until {until}. Next: read the plan, then run the "
        f"command with --confirm {question.digest}, or retry.",
    )


def _set_outcome(ledger: Ledger, run: str, outcome: str) -> None:
    runs = Runs(ledger)
    record = runs.read(run)
    if record is not None:
        runs.write(record.model_copy(update={"outcome": outcome}))
