"""Decide and apply approvals on the disconnected server: one way for import and audit alike.

The plan is made twice. Before the first change it is made of what will be there, so that limits and
losses stop the import while nothing has happened; after metadata are loaded it is made of what the
server then says, so that licence terms and unknown revisions are seen as they are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.approvals.apply import (
    ApplyOutcome,
    applied_on_server,
    keep_what_server_shows,
    next_applied,
    operations,
    read_outcomes,
)
from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import Gathering, revision_set
from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.model import ApprovalSet, approved_revisions
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan, Waiting
from tasks.bundle.layout import APPROVALS
from tasks.content.content_listing import ContentListing, ContentLookup
from tasks.errors import AirGapError, ScriptFailedError
from tasks.hosts.paths import HostPath
from tasks.ledger.imports import DecisionState, RememberedDecision
from tasks.ledger.work_id import WorkId
from tasks.metadata.audit import ContentView, audit_revisions
from tasks.metadata.catalogue import PackageIndex, read_titles
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.refusals import ServerChangedError
from tasks.reports.model import ApprovalOutcome, approval_lines
from tasks.reports.sections import MOST_ROWS
from tasks.revision import RevisionId
from tasks.run import stored_documents, waiting_decisions
from tasks.run.context import RunContext
from tasks.run.stored_documents import require_newest_import
from tasks.run.waiting_decisions import waiting_of
from tasks.server import queries
from tasks.server.cleanup import remove_work
from tasks.server.queries import (
    BATCH_SECONDS,
    answer_errors,
    ask,
    read_approvals,
    read_revisions,
)
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.server.snapshot import content_choice


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What a plan is made of besides the server: the bundle's decisions, its index, the content.

    ``begun``: an earlier run has begun to apply the same, and was not finished.
    """

    incoming: ApprovalSet
    index: Path
    choice: ContentChoice
    find_content: ContentLookup
    begun: bool = False


def last_applied(run: RunContext) -> ApprovalSet:
    """What this site last applied on its server; empty before the first import."""
    with run.ledger.reading():
        return ApprovalSet.from_lines(
            decision.document for decision in run.imports.decisions("applied")
        )


def plan_ahead(run: RunContext, sources: PlanInputs, present: ServerDecisions) -> ApprovalPlan:
    """Plan before the first change: what the package holds counts as known to the server.

    Licence terms count as pending unless the server has already accepted them.
    """
    with PackageIndex(sources.index) as index:
        known, expired, licensed = _gather(), _gather(), _gather()
        for revision in sources.incoming.revisions():
            record = index.revision(revision.update_id, revision.revision)
            if record is None:
                continue
            known.add(revision)
            if record.publication == "Expired":
                expired.add(revision)
            standing = present.updates.get(revision)
            if record.license_id and not (standing and standing.license_accepted):
                licensed.add(revision)
        said = _RevisionStates(known.sorted(), expired.sorted(), licensed.sorted())
        return _plan(run, sources, present, index=index, said=said)


def plan_now(run: RunContext, sources: PlanInputs, present: ServerDecisions) -> ApprovalPlan:
    """Plan from what the server itself says now of every update in question."""
    known, licensed = _gather(), _gather()
    for revision, line in read_revisions(run, sources.incoming.revisions()):
        known.add(revision)
        if line.get("license_required") and not line.get("license_accepted"):
            licensed.add(revision)
    there = known.sorted()
    with PackageIndex(sources.index) as index:
        expired = revision_set(
            revision
            for revision in there
            if (record := index.revision(revision.update_id, revision.revision))
            and record.publication == "Expired"
        )
        said = _RevisionStates(there, expired, licensed.sorted())
        return _plan(run, sources, present, index=index, said=said)


def require_no_loss(plan: ApprovalPlan) -> None:
    """See that the server still has what was last applied there, before anything more is.

    Raises:
        ServerChangedError: It lacks more than the site allows.
    """
    if plan.loss is not None:
        raise ServerChangedError(
            reason=plan.loss,
            remedy="Find out what happened to the server. If it was restored or rebuilt on "
            "purpose, raise policy.max_lost_share for one import.",
        )


def without_excess(run: RunContext, plan: ApprovalPlan) -> ApprovalPlan:
    """Leave out what takes away more than the site allows and no person has confirmed.

    It was not in the plan that was judged before the first change; the next import shows it.
    """
    if not plan.limits_exceeded:
        return plan
    run.report.notice("left for the next import: " + "; ".join(plan.limits_exceeded))
    return plan.without_what_takes_away()


def apply_plan(
    run: RunContext, plan: ApprovalPlan, *, work: WorkId, incoming: ApprovalSet
) -> ApplyOutcome:
    """Apply a plan by one script run and remember what now counts as applied here.

    Killed and run again, the script finds in its own answers, and on the server, what is done.
    """
    last = last_applied(run)
    if plan.is_empty:
        outcome = ApplyOutcome((), 0, ())
    else:
        folder = run.folders.work_folder(work.for_plan(plan.digest).text)
        run.server.make_private_folder(folder)
        try:
            said = _carry_out(run, plan, folder)
        except ScriptFailedError:
            _note_what_stands(run, plan)
            raise
        outcome = keep_what_server_shows(said, read_approvals(run).approval_set)
    run.imports.remember(_decisions(plan, next_applied(last, incoming, plan, outcome)))
    return outcome


def _carry_out(run: RunContext, plan: ApprovalPlan, folder: HostPath) -> ApplyOutcome:
    require_no_wsusutil(run)
    lines = islice(operations(plan), 1, None)  # settings, which ask writes itself
    answer = ask(run, "apply-approvals", items=lines, folder=folder, timeout_seconds=BATCH_SECONDS)
    with answer_errors("apply-approvals"):
        return read_outcomes(plan, answer)


def _note_what_stands(run: RunContext, plan: ApprovalPlan) -> None:
    """Have the report of a failed run name what the server shows of the plan."""
    with suppress(AirGapError):
        seen = applied_on_server(plan, read_approvals(run).approval_set)
        outcome = ApprovalOutcome(
            applied=approval_lines(each.as_json() for each in seen.applied),
            parked=waiting_of(run, "parked"),
            held=waiting_of(run, "held"),
        )
        run.report.note(approvals=outcome)


def _decisions(plan: ApprovalPlan, applied: ApprovalSet) -> Iterator[RememberedDecision]:
    for line in applied.lines():
        yield _decision("applied", line, str(line.get("update_id", "")), "")
    for waiting in plan.parked:
        yield _waiting("parked", waiting)
    for waiting in plan.held:
        yield _waiting("held", waiting)


def _waiting(state: DecisionState, waiting: Waiting) -> RememberedDecision:
    body = waiting.as_json()
    reason = str(body.pop("reason"))
    return _decision(state, body, waiting.update_id, reason)


def _decision(
    state: DecisionState, body: Mapping[str, Any], update_id: str, reason: str
) -> RememberedDecision:
    return RememberedDecision(
        state=state,
        update_id=update_id,
        revision=body.get("revision") or 0,
        group_path=json.dumps(body.get("group") or body.get("path") or []),
        body=json.dumps(body, ensure_ascii=False, sort_keys=True),
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class _RevisionStates:
    """What catalogue or server say of the revisions in question."""

    known: Collection[RevisionId]
    expired: Collection[RevisionId]
    licensed: Collection[RevisionId]


def _gather() -> Gathering[RevisionId]:
    return Gathering(RevisionId)


def _plan(
    run: RunContext,
    sources: PlanInputs,
    present: ServerDecisions,
    *,
    index: PackageIndex,
    said: _RevisionStates,
) -> ApprovalPlan:
    states = UpdateStates(
        on_server=said.known,
        expired=said.expired,
        license_pending=said.licensed,
        content_missing=_incomplete(sources, index),
        superseded_by=lambda update_id: {
            record.update_id for record in index.superseders(update_id)
        },
    )
    situation = Situation(
        last=_last(run, sources, present),
        incoming=sources.incoming,
        present=present.approval_set,
        states=states,
    )
    return plan_approvals(situation, run.site.policy, now=run.clock())


def _last(run: RunContext, sources: PlanInputs, present: ServerDecisions) -> ApprovalSet:
    """What counts as last applied here.

    What an unfinished run has taken away already, since the bundle no longer has it, is not lost.
    """
    last = last_applied(run)
    if not sources.begun:
        return last
    incoming, here = sources.incoming, present.approval_set
    named, present_now = incoming.by_key(), here.by_key()
    declined, declined_now = incoming.declined_ids(), here.declined_ids()
    return ApprovalSet.collect(
        groups=last.groups,
        approvals=(
            each for key, each in last.by_key().items() if key in named or key in present_now
        ),
        declines=(
            each
            for each in last.declines
            if each.update_id in declined or each.update_id in declined_now
        ),
        licenses=last.licenses,
    )


def _incomplete(sources: PlanInputs, index: PackageIndex) -> Collection[RevisionId]:
    view = ContentView(choice=sources.choice, find=sources.find_content)
    return revision_set(
        each.key
        for each in audit_revisions(index, approved_revisions(sources.incoming), view)
        if not each.is_complete
    )


def report_approvals(run: RunContext, outcome: ApplyOutcome, index_path: Path) -> ApprovalOutcome:
    """Report what was applied now and all that waits, with the titles of these updates."""
    approvals = ApprovalOutcome(
        applied=approval_lines(each.as_json() for each in outcome.applied),
        parked=waiting_decisions.waiting_of(run, "parked"),
        held=waiting_decisions.waiting_of(run, "held"),
        failed=approval_lines(each.as_json() for each in outcome.failed),
    )
    lists = (approvals.applied, approvals.parked, approvals.held, approvals.failed)
    named = (line.update_id for lines in lists for line in lines[:MOST_ROWS] if line.update_id)
    titles = read_titles(index_path, named)
    run.report.note(approvals=approvals, titles=titles)
    return approvals


def apply_parked(run: RunContext, facts: ServerFacts, listing: ContentListing) -> None:
    """Apply parked and held decisions of the last import that may go ahead now.

    Raises:
        UsageError: Nothing was imported yet.
        ServerChangedError: The server lacks too much of what was last applied there.
    """
    record = require_newest_import(run)
    sources = PlanInputs(
        incoming=stored_documents.read_decisions_file(record.folder / APPROVALS),
        index=record.folder / INDEX,
        choice=content_choice(facts),
        find_content=listing.find,
    )
    plan = plan_now(run, sources, queries.read_approvals(run))
    require_no_loss(plan)
    plan = without_excess(run, plan)
    work = WorkId("audit", record.sequence)
    outcome = apply_plan(run, plan, work=work, incoming=sources.incoming)
    report_approvals(run, outcome, sources.index)
    remove_work(run, work)
