"""A plan that a person has to confirm, asked about in Prefect's page.

A run of a deployment that ends with an unconfirmed plan has written its report and let its locks
go; then it is suspended, and its page shows a form. When somebody answers, Prefect starts the run
again: it plans anew, and the answer counts for the very digest that it names. Another plan asks
again. A command that was typed never waits; it ends with 4 and the digest.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, cast

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, keyset_from_base_key
from prefect.states import Failed
from pydantic import Field

from tasks.ledger.questions import Question, Questions
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.logs import log
from tasks.refusals import PlanUnconfirmedError, SafetyError
from tasks.reports.model import CommandReport
from tasks.run.report import ReportDraft
from tasks.site.settings import Site

_SUSPENDED = "suspended"  # Prefect begins the keys of an answer with the state's name
_FORM = """\
**The plan of {command} for site {site} needs a person.** Read it under *Artifacts*, or in the
report: `{report}`. Its digest is

`{digest}`

`confirm` carries it out if it is still the same plan when the run goes on; `refuse` ends the run
and changes nothing. Without an answer until {until:%Y-%m-%d %H:%M} UTC it ends as refused. The
answer is recorded as given by somebody with access to this page.
"""


class PlanAnswer(RunInput):
    """The form; no field has a default, so that an empty answer is refused."""

    decision: Literal["confirm", "refuse"]
    digest: Annotated[str, Field(min_length=1, description="The digest of the plan, copied")]
    reason: Annotated[str, Field(min_length=1, description="The reason of your decision")]
    name: Annotated[str, Field(min_length=1, description="Your name")]


def waits_for_answer(report: CommandReport, site: Site) -> bool:
    """Return True if a run with this report is to be suspended instead of ended."""
    kinds = [error.kind for error in report.errors]
    is_asked = kinds == [PlanUnconfirmedError.kind] and report.plan_digest is not None
    return is_asked and runtime.deployment.name is not None and site.policy.answer_hours > 0


def suspend_for_answer(report: CommandReport, site: Site, *, now: datetime) -> None:
    """Suspend the current run until somebody answers; Prefect's signal ends its process.

    Returns only if the run could not be suspended.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or report.plan_digest is None:
        return
    flow_run, digest = context.flow_run.id, report.plan_digest
    hours = site.policy.answer_hours
    until = now + timedelta(hours=hours)
    with Ledger(site.state_dir) as ledger:
        questions = Questions(ledger)
        asked = questions.count(flow_run, digest)
        key = digest if asked == 0 else f"{digest}-{asked + 1}"  # Prefect takes a key once
        question = Question(flow_run, key, digest, report.run or "", until)
        questions.ask(question)
        _set_outcome(ledger, question.run, "waiting")
    text = _FORM.format(
        command=report.command, site=site.name, report=report.report, digest=digest, until=until
    )
    log.info("waits for an answer in Prefect's page until %s", f"{until:%Y-%m-%d %H:%M} UTC")
    try:
        suspend_flow_run(
            wait_for_input=PlanAnswer.with_initial_data(description=text),
            key=key,
            timeout=round(hours * 3_600),
        )
    except Exception as error:  # noqa: BLE001  then the run ends as a typed one does
        log.warning("the run could not be suspended: %s", error)
        with Ledger(site.state_dir) as ledger:
            Questions(ledger).close(question, {"not asked": str(error)})
            _set_outcome(ledger, question.run, "refused")


def confirmed_digest(ledger: Ledger, report: ReportDraft) -> str | None:
    """Return the digest that somebody confirmed in the page for this run; None without an answer.

    Raises:
        SafetyError: Somebody refused the plan, or confirmed another digest than the plan's.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    questions = Questions(ledger)
    question = questions.open_of(context.flow_run.id)
    if question is None:
        return None
    _set_outcome(ledger, question.run, "refused")  # this run goes on from it
    try:
        keys = keyset_from_base_key(f"{_SUSPENDED}-{question.key}")
        answer = cast("PlanAnswer", PlanAnswer.load(keys))  # awaitable only in an event loop
    except Exception:  # noqa: BLE001  Prefect has several errors for an answer that is not there
        questions.close(question, {"none": "the run was started again without an answer"})
        return None
    record = answer.model_dump(include={"decision", "digest", "reason", "name"})
    questions.close(question, record | {"given by": "somebody with access to the API"})
    sentence = (
        f"plan {question.digest}: {answer.decision} in Prefect's page by somebody with access to "
        f"it, who gave the name {answer.name}: {answer.reason}"
    )
    report.lines.append(sentence)
    if answer.decision == "refuse" or answer.digest.strip().lower() != question.digest:
        wrong = "" if answer.decision == "refuse" else "; the digest that was given is another one"
        raise SafetyError(
            reason=f"{sentence}{wrong}",
            remedy="Nothing was changed. Retry the run to be asked again.",
        )
    return question.digest


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
            message = (
                f"Nobody confirmed the plan until {question.until:%Y-%m-%d %H:%M} UTC. Next: read "
                f"the plan, then run the command with --confirm {question.digest}, or retry."
            )
            refused: State[Any] = Failed(name="Refused", message=message)
            client.set_flow_run_state(question.flow_run, refused, force=True)
        is_cancelled = state.type is StateType.CANCELLED
        _set_outcome(ledger, question.run, "cancelled" if is_cancelled else "refused")
        questions.close(question, {"none": f"the run ended: {state.name}"})
        closed += 1
    return closed


def _set_outcome(ledger: Ledger, run: str, outcome: str) -> None:
    runs = Runs(ledger)
    record = runs.read(run)
    if record is not None:
        runs.write(record.model_copy(update={"outcome": outcome}))
