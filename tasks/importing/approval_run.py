"""Run of approvals on the disconnected server: plan and apply, for import and audit alike.

An import plans twice. The first plan, before any change, is made of the state that the import will
produce, so that limits and losses stop the import while nothing has changed. The second plan, after
the metadata are loaded, is made of the server's own answers, which show licence terms and unknown
revisions as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tasks.approvals.apply import (
    ApplyOutcome,
    applied_on_server,
    keep_what_server_shows,
    next_applied,
    operations,
    read_outcomes,
    with_earlier_tries,
)
from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import Gathering, revision_set
from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.losses import RebuiltChoice, as_reapplied, find_losses
from tasks.approvals.model import ApprovalSet, approved_revisions
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan
from tasks.approvals.rulings import Rulings
from tasks.approvals.translation import NOTHING_WITHHELD, Translation, Withheld, translate
from tasks.bundle.layout import APPROVALS
from tasks.content.content_listing import ContentLookup
from tasks.errors import AirGapError, ScriptFailedError
from tasks.hosts.paths import HostPath
from tasks.importing.group_report import report_empty_groups, report_groups
from tasks.importing.remembered import remembered
from tasks.importing.taken_back import remember_taken_back
from tasks.ledger.imports import Imports
from tasks.ledger.rulings import StoredRulings
from tasks.ledger.work_id import WorkId
from tasks.metadata.audit import ContentView, ProvenanceLookup, audit_revisions
from tasks.metadata.catalogue import PackageIndex, read_titles
from tasks.metadata.closure import ContentChoice
from tasks.refusals import REBUILT_REMEDY, ServerChangedError
from tasks.reports.model import ApprovalOutcome, approval_lines
from tasks.reports.sections import MOST_ROWS
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import read_decisions_file
from tasks.run.waiting_decisions import waiting_decisions
from tasks.server.cleanup import wait_for_changes
from tasks.server.queries import (
    BATCH_SECONDS,
    answer_errors,
    read_approvals,
    read_revisions,
    run_query,
)
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.site.settings import Site


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """Inputs of a plan besides the server's state.

    Attributes:
        incoming: The bundle's decisions, for the groups of this site.
        index: Index of the metadata package.
        choice: Rule by which the server's settings choose the files that it keeps.
        find_content: Looks up a content file by digest.
        provenance: Looks up the last trace of a file, as the audit of the content does.
        begun: True if an earlier run began to apply the same bundle and did not finish.
        withheld: The approvals that the site's rules for groups hold.
        rebuilt: A person's choice for a rebuilt server, until it is recorded; None without one.
        revived: Decisions that count as ours with ``reapply``, because staging took them back.
    """

    incoming: ApprovalSet
    index: Path
    choice: ContentChoice
    find_content: ContentLookup
    provenance: ProvenanceLookup
    begun: bool = False
    withheld: Withheld = NOTHING_WITHHELD
    rebuilt: RebuiltChoice | None = None
    revived: ApprovalSet = ApprovalSet()  # noqa: RUF009  it is frozen


def take_decisions(site: Site, report: ReportDraft, folder: Path) -> Translation:
    """Read a bundle's decisions, in the terms of this site; report rules that fit no group.

    Args:
        site: The site file.
        report: The report.
        folder: Our folder of the bundle.
    """
    decisions = read_decisions_file(folder / APPROVALS)
    translation = translate(decisions, site.groups, site.policy.deadlines)
    for key in translation.unused:
        report.lines.append(f"[groups.map] {key}: the staging server has no such group")
    return translation


def last_applied(imports: Imports) -> ApprovalSet:
    """Return the decisions that this site applied last; empty before the first import.

    Raises:
        HostFileError: The ledger is damaged.
    """
    with imports.reading():
        return ApprovalSet.from_lines(
            decision.document for decision in imports.decisions("applied")
        )


def plan_ahead(run: RunContext, inputs: PlanInputs, present: ServerDecisions) -> ApprovalPlan:
    """Plan before the first change: the package's revisions count as present on the server.

    Licence terms count as pending unless the server has accepted them already.
    """
    with PackageIndex(inputs.index) as index:
        loaded, expired, licensed = _gather(), _gather(), _gather()
        for revision in inputs.incoming.revisions():
            record = index.revision(revision.update_id, revision.revision)
            if record is None:
                continue
            loaded.add(revision)
            if record.publication == "Expired":
                expired.add(revision)
            update = present.updates.get(revision)
            if record.license_id and not (update and update.license_accepted):
                licensed.add(revision)
        states = _RevisionStates(loaded.sorted(), expired.sorted(), licensed.sorted())
        return _plan(run, inputs, present, index=index, states=states)


def plan_now(run: RunContext, inputs: PlanInputs) -> ApprovalPlan:
    """Plan from the server's own answers: its decisions, and every revision with an incoming one.

    The answers are those of a server at rest: an earlier try of the step may have left its script
    at work.
    """
    wait_for_changes(run)
    present = read_approvals(run)
    report_empty_groups(run.report, inputs.incoming, present.empty_groups)
    loaded, licensed = _gather(), _gather()
    for revision, line in read_revisions(run, inputs.incoming.revisions()):
        loaded.add(revision)
        if line.get("license_required") and not line.get("license_accepted"):
            licensed.add(revision)
    on_server = loaded.sorted()
    with PackageIndex(inputs.index) as index:
        expired = revision_set(
            revision
            for revision in on_server
            if (record := index.revision(revision.update_id, revision.revision))
            and record.publication == "Expired"
        )
        states = _RevisionStates(on_server, expired, licensed.sorted())
        return _plan(run, inputs, present, index=index, states=states)


def require_no_loss(plan: ApprovalPlan) -> None:
    """Require that the server still has the decisions that were applied last.

    Raises:
        ServerChangedError: It lacks more of them than the site allows.
    """
    if plan.loss is not None:
        raise ServerChangedError(
            reason=plan.loss,
            remedy=f"Find out what happened to the server. {REBUILT_REMEDY}",
        )


def without_excess(report: ReportDraft, plan: ApprovalPlan) -> ApprovalPlan:
    """Leave out the actions that take away more than the site allows, with a notice.

    They were not in the plan that was judged before the first change, so no person has confirmed
    them; the next import plans them again.
    """
    if not plan.limits_exceeded:
        return plan
    report.notice("left for the next import: " + "; ".join(plan.limits_exceeded))
    return plan.without_what_takes_away()


def apply_plan(
    run: RunContext, plan: ApprovalPlan, *, work: WorkId, incoming: ApprovalSet
) -> ApplyOutcome:
    """Apply a plan by one script run and record in the ledger what is applied now.

    After a kill the script is run again; it skips what its own answers, or the server, show as
    done.

    Returns:
        The outcome, with the actions of earlier tries of the step that the server shows.

    Raises:
        WsusutilRunningError: A wsusutil is at work.
        ScriptFailedError: The script ended without its answer; the report lists what it applied.
    """
    earlier = tuple(run.report.tried_plans)
    run.report.tried_plans.append(plan)
    last = last_applied(run.imports)
    shown = None
    if plan.is_empty:
        outcome = ApplyOutcome((), 0, ())
    else:
        folder = run.folders.work_folder(work.for_plan(plan.digest).text)
        run.server.make_private_folder(folder)
        try:
            claimed = _carry_out(run, plan, folder)
        except ScriptFailedError:
            _report_applied(run, plan)
            raise
        shown = read_approvals(run).approval_set
        outcome = keep_what_server_shows(claimed, shown)
    applied = next_applied(last, incoming, plan, outcome)
    remember_taken_back(run, last=last, incoming=incoming, applied=applied, shown=shown)
    run.imports.remember(remembered(plan, applied), now=run.clock())
    rulings = StoredRulings(run.ledger).look_up(run.clock())
    report_groups(run.report, plan, outcome, rulings)
    if not earlier:
        return outcome
    return with_earlier_tries(outcome, plan, earlier, read_approvals(run).approval_set)


def _carry_out(run: RunContext, plan: ApprovalPlan, folder: HostPath) -> ApplyOutcome:
    require_no_wsusutil(run)
    lines = islice(operations(plan), 1, None)  # without the settings, which run_query writes
    answer = run_query(
        run, "apply-approvals", items=lines, folder=folder, timeout_seconds=BATCH_SECONDS
    )
    with answer_errors("apply-approvals"):
        return read_outcomes(plan, answer)


def _report_applied(run: RunContext, plan: ApprovalPlan) -> None:
    """Add to the report of a failed run the actions of its plan that the server shows."""
    with suppress(AirGapError):
        outcome = applied_on_server(plan, read_approvals(run).approval_set)
        rulings = StoredRulings(run.ledger).look_up(run.clock())
        run.report.note(approvals=_report_lines(run.imports, outcome, rulings))


@dataclass(frozen=True, slots=True)
class _RevisionStates:
    """States of the revisions with an incoming decision, from catalogue or server.

    Attributes:
        loaded: Revisions whose metadata the server has, or will have.
        expired: Revisions that Microsoft has expired.
        licensed: Revisions whose licence terms are not accepted yet.
    """

    loaded: Collection[RevisionId]
    expired: Collection[RevisionId]
    licensed: Collection[RevisionId]


def _gather() -> Gathering[RevisionId]:
    return Gathering(RevisionId)


def _plan(
    run: RunContext,
    inputs: PlanInputs,
    present: ServerDecisions,
    *,
    index: PackageIndex,
    states: _RevisionStates,
) -> ApprovalPlan:
    update_states = UpdateStates(
        on_server=states.loaded,
        expired=states.expired,
        license_pending=states.licensed,
        content_missing=_incomplete(inputs, index),
        superseded_by=lambda update_id: {
            record.update_id for record in index.superseders(update_id)
        },
        is_expired=lambda update_id: _is_expired(index, update_id),
    )
    last, accepted = _last(run.imports, inputs, present), run.imports.accepted_losses()
    if inputs.rebuilt == "reapply":
        last = as_reapplied(last, present.approval_set, inputs.revived)
    elif inputs.rebuilt == "adopt":
        accepted = find_losses(last, present.approval_set)
    situation = Situation(
        last=last,
        incoming=inputs.incoming,
        present=present.approval_set,
        states=update_states,
        withheld=inputs.withheld,
        rulings=StoredRulings(run.ledger).look_up(run.clock()),
        accepted_losses=accepted,
    )
    return plan_approvals(situation, run.site.policy, now=run.clock())


def _is_expired(index: PackageIndex, update_id: str) -> bool:
    newest = index.latest(update_id)
    return newest is not None and newest.publication == "Expired"


def _last(imports: Imports, inputs: PlanInputs, present: ServerDecisions) -> ApprovalSet:
    """Return the decisions that count as applied last.

    A decision that is neither in the bundle nor on the server was taken away by the unfinished run
    itself, so it does not count as a loss of the server.
    """
    last = last_applied(imports)
    if not inputs.begun:
        return last
    incoming, on_server = inputs.incoming, present.approval_set
    # Two look-ups each instead of a union: a union would copy all keys into one set.
    approved, approved_there = incoming.by_key(), on_server.by_key()
    declined, declined_there = incoming.declined_ids(), on_server.declined_ids()
    return ApprovalSet.collect(
        groups=last.groups,
        approvals=(
            approval
            for key, approval in last.by_key().items()
            if key in approved or key in approved_there
        ),
        declines=(
            decline
            for decline in last.declines
            if decline.update_id in declined or decline.update_id in declined_there
        ),
        licenses=last.licenses,
    )


def _incomplete(inputs: PlanInputs, index: PackageIndex) -> Collection[RevisionId]:
    view = ContentView(inputs.choice, inputs.find_content, inputs.provenance)
    return revision_set(
        audited.key
        for audited in audit_revisions(index, approved_revisions(inputs.incoming), view)
        if not audited.is_complete
    )


def report_approvals(run: RunContext, outcome: ApplyOutcome, index_path: Path) -> ApprovalOutcome:
    """Report the applied, failed and waiting decisions, with the titles of their updates."""
    rulings = StoredRulings(run.ledger).look_up(run.clock())
    approvals = _report_lines(run.imports, outcome, rulings)
    lists = (approvals.applied, approvals.parked, approvals.held, approvals.failed)
    update_ids = (line.update_id for lines in lists for line in lines[:MOST_ROWS] if line.update_id)
    run.report.note(approvals=approvals, titles=read_titles(index_path, update_ids))
    return approvals


def report_waiting(run: RunContext) -> None:
    """Report what waits, for a run that applies nothing."""
    rulings = StoredRulings(run.ledger).look_up(run.clock())
    run.report.note(approvals=_report_lines(run.imports, ApplyOutcome((), 0, ()), rulings))


def _report_lines(imports: Imports, outcome: ApplyOutcome, rulings: Rulings) -> ApprovalOutcome:
    """Return the outcome as the report has it, with the decisions that wait in the ledger."""
    return ApprovalOutcome(
        applied=approval_lines(action.as_json() for action in outcome.applied),
        parked=waiting_decisions(imports, "parked", rulings),
        held=waiting_decisions(imports, "held", rulings),
        failed=approval_lines(failure.as_json() for failure in outcome.failed),
    )
