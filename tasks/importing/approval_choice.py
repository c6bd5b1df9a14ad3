"""The site's choice about the approvals of a bundle: applied, only listed, or left alone.

A site that approves by its own rules, or by ConfigMgr, takes metadata and content only
(``[policy] approvals``, values ``list`` and ``none``). Nothing of the bundle's decisions waits
there then, and the audit looks at the content of what the site itself approves. The ledger keeps
what was applied earlier, so that a later change to ``apply`` still knows our decisions from those
that were made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tasks.approvals.apply import ApplyOutcome
from tasks.approvals.capture import ServerDecisions
from tasks.approvals.numbers import count_plan
from tasks.approvals.plan_model import NOTHING_PLANNED, ApprovalPlan, Conflict
from tasks.bundle.layout import MANIFEST
from tasks.content.content_listing import ContentListing
from tasks.importing.approval_run import (
    PlanInputs,
    apply_plan,
    plan_ahead,
    plan_now,
    report_approvals,
    require_no_loss,
    take_decisions,
    without_excess,
)
from tasks.importing.content_trace import provenance_lookup
from tasks.importing.plan_report import report_conflicts, report_numbers, report_plan
from tasks.ledger.imports import Imports
from tasks.ledger.work_id import WorkId
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.quantities import count
from tasks.reports.model import ApprovalOutcome
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import require_newest_import
from tasks.server.cleanup import remove_work
from tasks.server.snapshot import content_choice
from tasks.site.settings import Site

_LEFT_ALONE = (
    'approvals were neither planned nor applied ([policy] approvals = "none"): the site approves '
    "by its own rules"
)


@dataclass(frozen=True, slots=True)
class ParkedPlan:
    """Plan of an audit: the decisions of the last import that wait no longer."""

    work: WorkId
    inputs: PlanInputs
    approvals: ApprovalPlan


def are_applied(site: Site) -> bool:
    """Return True if the site takes the approvals of its bundles."""
    return site.policy.approvals == "apply"


def plan_first(run: RunContext, inputs: PlanInputs, present: ServerDecisions) -> ApprovalPlan:
    """Plan before the first change; a plan that is only listed comes back as an empty one.

    Raises:
        ServerChangedError: The server lacks too many of the decisions that were applied last.
    """
    if run.site.policy.approvals == "none":
        run.report.lines.append(_LEFT_ALONE)
        return NOTHING_PLANNED
    plan = plan_ahead(run, inputs, present)
    if run.site.policy.approvals == "list":
        _list(run.report, plan, inputs)
        return NOTHING_PLANNED
    require_no_loss(plan)
    return plan


def apply_choice(
    run: RunContext,
    plan: ApprovalPlan,
    *,
    work: WorkId,
    inputs: PlanInputs,
    first: ApprovalPlan | None = None,
) -> ApprovalOutcome:
    """Apply a plan if the site takes approvals; else nothing waits any more.

    ``first`` is the plan that was shown before the first change, if there was one.
    """
    if not are_applied(run.site):
        _forget_waiting(run.imports, now=run.clock())
        outcome = ApplyOutcome((), 0, ())
    else:
        outcome = apply_plan(run, plan, work=work, incoming=inputs.incoming)
        report_conflicts(run.report, plan, inputs.index)
        report_numbers(run.report, count_plan(first or plan, plan, outcome))
    approvals = report_approvals(run, outcome, inputs.index)
    return approvals.model_copy(update={"overruled": sum(map(_is_overruled, plan.conflicts))})


def _is_overruled(conflict: Conflict) -> bool:
    """Return True if it is about an approval of ours that does not stand any more."""
    is_ours = conflict.overruled.subject == "approval" and bool(conflict.last)
    return is_ours and not set(conflict.last) & set(conflict.present)


def plan_parked(run: RunContext, facts: ServerFacts, listing: ContentListing) -> ParkedPlan:
    """Plan the parked and held decisions of the last import whose obstacle is gone.

    Raises:
        UsageError: Nothing was imported yet.
        ServerChangedError: The server lacks too much of what was last applied there.
    """
    record = require_newest_import(run.imports)
    translation = take_decisions(run.site, run.report, record.folder)
    inputs = PlanInputs(
        incoming=translation.incoming,
        index=record.folder / INDEX,
        choice=content_choice(facts),
        find_content=listing.find,
        provenance=provenance_lookup(
            run.imports,
            run.hash_cache,
            folder=record.folder,
            manifest=run.look_up_in(record.folder / MANIFEST),
        ),
        withheld=translation.withheld,
    )
    return ParkedPlan(WorkId("audit", record.sequence), inputs, _plan_again(run, inputs))


def apply_parked(run: RunContext, plan: ParkedPlan) -> None:
    """Apply the plan of an audit."""
    apply_choice(run, plan.approvals, work=plan.work, inputs=plan.inputs)
    remove_work(run, plan.work)


def _plan_again(run: RunContext, inputs: PlanInputs) -> ApprovalPlan:
    if run.site.policy.approvals == "none":
        run.report.lines.append(_LEFT_ALONE)
        return NOTHING_PLANNED
    plan = plan_now(run, inputs)
    if run.site.policy.approvals == "list":
        _list(run.report, plan, inputs)
        return NOTHING_PLANNED
    require_no_loss(plan)
    return without_excess(run.report, plan)


def _list(report: ReportDraft, plan: ApprovalPlan, inputs: PlanInputs) -> None:
    changes = count(len(plan.actions), "change")
    waiting = count(len(plan.parked) + len(plan.held), "decision")
    report.lines.append(
        f'{changes} are listed and not made ([policy] approvals = "list"); {waiting} would wait'
    )
    report_plan(report, plan, inputs.index, is_applied=False)


def _forget_waiting(imports: Imports, *, now: datetime) -> None:
    with imports.reading():
        applied = list(imports.decisions("applied"))
    imports.remember(applied, now=now)
