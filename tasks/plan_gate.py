"""A plan that a person has to confirm, asked about in Prefect's page.

A run of a deployment that ends with an unconfirmed plan has written its report and let its locks
go; then it is suspended, and its page shows a form. When somebody answers, Prefect starts the run
again: it plans anew, and the answer counts for the very digest that it names. Another plan asks
again. A command that was typed never waits; it ends with 4 and the digest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from prefect.input import RunInput
from pydantic import Field

from tasks.errors import AirGapError
from tasks.ledger.store import Ledger
from tasks.page_question import may_be_suspended, read_answer, suspend_with_form
from tasks.refusals import PlanUnconfirmedError, SafetyError
from tasks.reports.model import CommandReport
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.run_page import deployment_name
from tasks.site.settings import Site

# Prefect's page begins a paragraph at each end of a line.
_FORM = (
    "**The plan of {command} for site {site} needs a person.** Read it under *Artifacts*, or in "
    "the report {report}. Its digest, for the form below:\n\n"
    "`{digest}`\n\n"
    "`confirm` carries it out if it is still the same plan when the run goes on; `refuse` ends "
    "the run and changes nothing. Without an answer until {until:%Y-%m-%d %H:%M} UTC it ends as "
    "refused. The answer is recorded as given by somebody with access to this page."
)


class PlanAnswer(RunInput):
    """The form; no field has a default, so that an empty answer is refused."""

    decision: Literal["confirm", "refuse"]
    digest: Annotated[str, Field(min_length=1, description="The digest of the plan, copied")]
    reason: Annotated[str, Field(min_length=1, description="The reason of your decision")]
    name: Annotated[str, Field(min_length=1, description="Your name")]


def asks_about_plan(run: RunContext, error: AirGapError) -> bool:
    """Return True if a step's error is the question for which its run is going to be suspended."""
    return isinstance(error, PlanUnconfirmedError) and may_be_suspended(run)


def waits_for_answer(report: CommandReport, site: Site) -> bool:
    """Return True if a run with this report is to be suspended instead of ended."""
    kinds = [error.kind for error in report.errors]
    is_asked = kinds == [PlanUnconfirmedError.kind] and report.plan_digest is not None
    return is_asked and deployment_name() is not None and site.policy.answer_hours > 0


def suspend_for_answer(report: CommandReport, site: Site, *, now: datetime) -> None:
    """Suspend the current run until somebody answers; Prefect's signal ends its process.

    Returns only if the run could not be suspended.
    """
    digest = report.plan_digest
    if digest is None:
        return

    def form(until: datetime) -> str:
        return _FORM.format(
            command=report.command, site=site.name, report=report.report, digest=digest, until=until
        )

    suspend_with_form(site, report, digest=digest, form=PlanAnswer, text=form, now=now)


def confirmed_digest(ledger: Ledger, report: ReportDraft) -> str | None:
    """Return the digest that somebody confirmed in the page for this run; None without an answer.

    Raises:
        SafetyError: Somebody refused the plan, or confirmed another digest than the plan's.
    """
    question, answer = read_answer(ledger, PlanAnswer, of_volume=False)
    if question is None or answer is None:
        return None
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
