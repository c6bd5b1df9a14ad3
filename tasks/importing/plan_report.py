"""The plan of approvals in the report, so that a person can read it before confirming it."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

from pydantic import JsonValue

from tasks.approvals.numbers import PlanNumbers
from tasks.approvals.plan_model import ApprovalPlan
from tasks.metadata.catalogue import read_titles
from tasks.reports.conflicts import conflict_lines
from tasks.reports.model import Fact, Section
from tasks.reports.sections import (
    MOST_ROWS,
    plan_section,
    shown_actions,
    waiting_section,
)
from tasks.run.report import ReportDraft


def report_plan(
    report: ReportDraft,
    plan: ApprovalPlan,
    index_path: Path,
    *,
    digest: str | None = None,
    is_applied: bool = True,
) -> None:
    """Add a plan to the report.

    Args:
        report: The report.
        plan: The plan.
        index_path: Index of the metadata package, for the titles.
        digest: Digest by which a person confirms the plan; None if nobody has to.
        is_applied: False if the plan is shown only; what would wait is shown with it then, because
            no list of the report has it.
    """
    waiting = () if is_applied else tuple(islice(chain(plan.parked, plan.held), MOST_ROWS))
    update_ids = {action.update_id for action in shown_actions(plan)}
    update_ids |= {decision.update_id for decision in waiting}
    titles = read_titles(index_path, update_ids)
    report.sections.append(plan_section(plan, titles, digest=digest))
    if waiting:
        report.sections.append(waiting_section((*plan.parked, *plan.held), titles))
    report_conflicts(report, plan, index_path)


def report_conflicts(report: ReportDraft, plan: ApprovalPlan, index_path: Path) -> None:
    """Put the three sides of what was decided otherwise here into the report."""
    if plan.conflicts:
        update_ids = {conflict.overruled.update_id for conflict in plan.conflicts}
        titles = read_titles(index_path, update_ids)
        report.note(conflicts=conflict_lines(plan.conflicts, titles))


def report_numbers(report: ReportDraft, numbers: PlanNumbers) -> None:
    """Report what became of a plan: each number under one name, in tables and for programs."""
    report.details["numbers"] = dict[str, JsonValue](numbers.as_json())
    report.sections.append(
        Section(
            key="numbers",
            title="What became of the plan",
            note="Planned = applied + already so + void + failed. A step is one change of a "
            "decision or one target group to make. Void: not needed any more once the metadata "
            "were loaded, waiting now, or left to a later import because it is beyond the site's "
            "limits.",
            facts=(
                Fact(label="Planned", value=numbers.planned, kind="count"),
                Fact(label="Applied", value=numbers.applied, kind="count"),
                Fact(label="Already so", value=numbers.already, kind="count"),
                Fact(label="Void", value=numbers.void, kind="count"),
                Fact(label="Failed", value=numbers.failed, kind="count"),
            ),
        )
    )
