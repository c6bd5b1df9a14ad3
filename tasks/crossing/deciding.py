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
from typing import Any, Literal

from tasks.approvals.apply import (
    ApplyOutcome,
    believe,
    next_applied,
    operations,
    read_outcomes,
    seen_only,
)
from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import Gathering, revision_set
from tasks.approvals.comparison import Facts, Situation
from tasks.approvals.model import ApprovalSet, approved_revisions, read_bounded
from tasks.approvals.outline import ApprovalPlan, Waiting
from tasks.approvals.plan import plan_approvals
from tasks.crossing.asking import (
    BATCH_SECONDS,
    ask,
    read_approvals,
    read_revisions,
    shape_known,
)
from tasks.crossing.beside import require_none
from tasks.crossing.workplace import Workplace
from tasks.errors import AirGapError, ScriptFailedError
from tasks.hosts.paths import HostPath
from tasks.ledger.imports import DecisionState, RememberedDecision
from tasks.ledger.work_id import WorkId
from tasks.metadata.audit import ContentLookup, ContentView, audit_revisions
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.refusals import ServerChangedError, TrustError
from tasks.reports.model import ApprovalOutcome, approval_lines
from tasks.revision import RevisionId


@dataclass(frozen=True, slots=True)
class Sources:
    """What a plan is made of besides the server: the bundle's decisions, its index, the content.

    ``begun``: an earlier run has begun to apply the same, and was not finished.
    """

    incoming: ApprovalSet
    index: Path
    choice: ContentChoice
    held: ContentLookup
    begun: bool = False


def read_decisions_file(path: Path) -> ApprovalSet:
    """Read an ``approvals.jsonl`` of ours: a copy that the seal vouched for.

    Raises:
        TrustError: Its lines break the format although they are sealed.
    """
    try:
        with path.open("rb") as lines:
            return ApprovalSet.from_lines(read_bounded(lines))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise TrustError(reason=f"approvals {path}: {said}") from error


def last_applied(place: Workplace) -> ApprovalSet:
    """What this site last applied on its server; empty before the first import."""
    return ApprovalSet.from_lines(
        json.loads(decision.body) for decision in place.imports.decisions("applied")
    )


def plan_ahead(place: Workplace, sources: Sources, present: ServerDecisions) -> ApprovalPlan:
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
        said = _Said(known.sorted(), expired.sorted(), licensed.sorted())
        return _plan(place, sources, present, index=index, said=said)


def plan_now(place: Workplace, sources: Sources, present: ServerDecisions) -> ApprovalPlan:
    """Plan from what the server itself says now of every update in question."""
    known, licensed = _gather(), _gather()
    for revision, line in read_revisions(place, sources.incoming.revisions()):
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
        said = _Said(there, expired, licensed.sorted())
        return _plan(place, sources, present, index=index, said=said)


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


def without_excess(place: Workplace, plan: ApprovalPlan) -> ApprovalPlan:
    """Leave out what takes away more than the site allows and no person has confirmed.

    It was not in the plan that was judged before the first change; the next import shows it.
    """
    if not plan.limits_exceeded:
        return plan
    place.alarm("left for the next import: " + "; ".join(plan.limits_exceeded))
    return plan.without_what_takes_away()


def apply_plan(
    place: Workplace, plan: ApprovalPlan, *, work: WorkId, incoming: ApprovalSet
) -> ApplyOutcome:
    """Apply a plan by one script run and remember what now counts as applied here.

    Killed and run again, the script finds in its own answers, and on the server, what is done.
    """
    last = last_applied(place)
    if plan.is_empty:
        outcome = ApplyOutcome((), 0, ())
    else:
        folder = place.run_folder(work.for_plan(plan.digest).text)
        place.server.make_private_folder(folder)
        try:
            said = _carry_out(place, plan, folder)
        except ScriptFailedError:
            _note_what_stands(place, plan)
            raise
        outcome = believe(said, read_approvals(place).decisions)
    place.imports.remember(_decisions(plan, next_applied(last, incoming, plan, outcome)))
    return outcome


def _carry_out(place: Workplace, plan: ApprovalPlan, folder: HostPath) -> ApplyOutcome:
    require_none(place)
    lines = islice(operations(plan), 1, None)  # settings, which ask writes itself
    answer = ask(
        place, "apply-approvals", items=lines, folder=folder, timeout_seconds=BATCH_SECONDS
    )
    with shape_known("apply-approvals"):
        return read_outcomes(plan, answer)


def _note_what_stands(place: Workplace, plan: ApprovalPlan) -> None:
    """Have the report of a failed run name what the server shows of the plan."""
    with suppress(AirGapError):
        seen = seen_only(plan, read_approvals(place).decisions)
        outcome = ApprovalOutcome(
            applied=approval_lines(each.as_json() for each in seen.applied),
            parked=approval_lines(waiting_of(place, "parked")),
            held=approval_lines(waiting_of(place, "held")),
        )
        place.note(approvals=outcome)


def waiting_of(place: Workplace, state: Literal["parked", "held"]) -> Iterator[dict[str, object]]:
    """Yield the parked or held decisions that are remembered, in the shape of the JSON output."""
    return (
        {**json.loads(decision.body), "reason": decision.reason}
        for decision in place.imports.decisions(state)
    )


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
class _Said:
    """What catalogue or server say of the revisions in question."""

    known: Collection[RevisionId]
    expired: Collection[RevisionId]
    licensed: Collection[RevisionId]


def _gather() -> Gathering[RevisionId]:
    return Gathering(RevisionId)


def _plan(
    place: Workplace,
    sources: Sources,
    present: ServerDecisions,
    *,
    index: PackageIndex,
    said: _Said,
) -> ApprovalPlan:
    facts = Facts(
        known=said.known,
        expired=said.expired,
        license_pending=said.licensed,
        content_missing=_incomplete(sources, index),
        superseded_by=lambda update_id: {
            record.update_id for record in index.superseders(update_id)
        },
    )
    situation = Situation(
        last=_last(place, sources, present),
        incoming=sources.incoming,
        present=present.decisions,
        facts=facts,
    )
    return plan_approvals(situation, place.site.policy, now=place.clock())


def _last(place: Workplace, sources: Sources, present: ServerDecisions) -> ApprovalSet:
    """What counts as last applied here.

    What an unfinished run has taken away already, since the bundle no longer has it, is not lost.
    """
    last = last_applied(place)
    if not sources.begun:
        return last
    incoming, here = sources.incoming, present.decisions
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


def _incomplete(sources: Sources, index: PackageIndex) -> Collection[RevisionId]:
    view = ContentView(choice=sources.choice, held=sources.held)
    return revision_set(
        each.key
        for each in audit_revisions(index, approved_revisions(sources.incoming), view)
        if not each.is_complete
    )
