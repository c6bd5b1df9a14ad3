"""The next volume of a bundle, asked for in Prefect's page.

A run of a deployment that has taken the volume in the drive, and needs others, ends with
``bundle-incomplete``; then it is suspended, and its page shows a form. When somebody has put the
next medium in and answers, Prefect starts the run again: it takes that volume, and asks for the
next until all have come. A command that was typed asks on its terminal instead.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from prefect.input import RunInput
from pydantic import Field

from tasks.errors import AirGapError, BundleIncompleteError
from tasks.ledger.questions import VOLUME
from tasks.page_question import may_be_suspended, read_answer, suspend_with_form
from tasks.reports.model import CommandReport
from tasks.run.context import RunContext
from tasks.run_page import deployment_name
from tasks.site.settings import Site

# Prefect's page begins a paragraph at each end of a line.
_FORM = (
    "**Site {site} waits for the next medium.** To come, in any order: volume {numbers}. Put one "
    "in, mounted where the last one was, then answer `go-on`.\n\n"
    "What came lies proved on the disk of the orchestrator and stays there if you answer `stop`, "
    "or nobody answers until {until:%Y-%m-%d %H:%M} UTC: the same run goes on with the media that "
    "are missing."
)


class VolumeAnswer(RunInput):
    """The form; no field has a default, so that an empty answer is refused."""

    decision: Literal["go-on", "stop"]
    name: Annotated[str, Field(min_length=1, description="Your name")]


def may_ask(run: RunContext) -> bool:
    """Return True if this run may be suspended for a volume; read the answer of one that was.

    Somebody who answered ``stop`` is not asked again.
    """
    if deployment_name() is None or run.site.policy.answer_hours <= 0:
        return False
    question, answer = read_answer(run.ledger, VolumeAnswer, of_volume=True)
    if question is None:
        return True
    decision = "nobody answered" if answer is None else f"{answer.name} answered {answer.decision}"
    run.report.lines.append(f"asked for the next volume in Prefect's page: {decision}")
    return answer is not None and answer.decision == "go-on"


def asks_for_volume(run: RunContext, error: AirGapError) -> bool:
    """Return True if a step's error is the question for which its run is going to be suspended."""
    is_asked = isinstance(error, BundleIncompleteError) and "volumes_to_come" in run.report.details
    return is_asked and may_be_suspended(run)


def waits_for_volume(report: CommandReport, site: Site) -> bool:
    """Return True if a run with this report is to be suspended until the next volume is there."""
    kinds = [error.kind for error in report.errors]
    is_asked = kinds == [BundleIncompleteError.kind] and "volumes_to_come" in report.details
    return is_asked and deployment_name() is not None and site.policy.answer_hours > 0


def suspend_for_volume(report: CommandReport, site: Site, *, now: datetime) -> None:
    """Suspend the current run until somebody answers; Prefect's signal ends its process.

    Returns only if the run could not be suspended.
    """
    numbers = report.details["volumes_to_come"]
    shown = ", ".join(map(str, numbers)) if isinstance(numbers, list) else ""
    suspend_with_form(
        site,
        report,
        digest=VOLUME,
        form=VolumeAnswer,
        text=lambda until: _FORM.format(site=site.name, numbers=shown, until=until),
        now=now,
    )
