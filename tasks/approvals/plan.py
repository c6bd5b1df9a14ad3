"""What an import changes of a server's decisions: pure, and decided before anything is touched.

Three sides are compared, for each update and group: what was last applied here, what the bundle
brings, what the server has now. Where the server stands as it was left, the bundle decides; where
somebody changed it, that person does. A newer revision with the same terms is no change: WSUS
moves approvals along by itself. On the first import nothing was applied yet, so all that is
present is a local decision, and the plan only adds where there is none.

A removal or a decline waits while the updates that supersede this one are parked, held or not
approved. Declined and expired ones do not count: nothing is to be waited for. A decline of an
update that is not approved here takes nothing away, so it waits only for parked or held ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from tasks.approvals.comparison import Comparison, Facts, Situation
from tasks.approvals.limits import broken_limits, count_changes, describe_loss
from tasks.approvals.model import (
    BUILT_IN_GROUPS,
    Action,
    Approval,
    Decline,
    GroupPath,
    Key,
    fold,
)
from tasks.approvals.plan_model import ApprovalPlan, Change, PlannedAction, Waiting
from tasks.approvals.policy import ApprovalPolicy
from tasks.approvals.reasons import Reason
from tasks.approvals.successors import Successors
from tasks.revision import RevisionId

__all__ = ["Facts", "Situation", "plan_approvals"]

# The traits of an update that a decline or removal of the one it supersedes depends on.
_TO_BE_HAD, _APPROVED, _WAITING = 1, 2, 4
_BUILT_IN = frozenset(fold(path) for path in BUILT_IN_GROUPS)


def plan_approvals(situation: Situation, policy: ApprovalPolicy, *, now: datetime) -> ApprovalPlan:
    """Decide what an import does with approvals and declines.

    Applying the plan and planning again gives an empty plan with the same parked, held and kept.

    Args:
        situation: What was applied, what comes, what is there.
        policy: The site's rules.
        now: The time at which it would be applied; aware.
    """
    draft = _Draft(Comparison(situation, policy, now))
    for key, wanted in draft.view.incoming.items():
        _judge_wanted(draft, key, wanted)
    _judge_declines(draft)
    _judge_removals(draft)
    return _finish(draft)


class _Draft:
    """The plan as it grows."""

    def __init__(self, view: Comparison) -> None:
        self.view = view
        self.licenses: dict[RevisionId, PlannedAction] = {}
        self.undeclines = [
            _of_decline(view.present_declined[update_id], "undecline")
            for update_id in sorted(view.undeclined)
        ]
        self.approves: list[PlannedAction] = []
        self.removes: list[PlannedAction] = []
        self.declines: list[PlannedAction] = []
        self.parked: list[Waiting] = []
        self.held: list[Waiting] = []
        self.kept: list[Waiting] = []
        self.in_place = 0
        self.declining: set[str] = set()

    @cached_property
    def approved(self) -> set[str]:
        """Updates approved to install once the approvals planned so far are applied.

        What is about to lose its approval counts as not approved. Asked only after all incoming
        approvals were judged.
        """
        view = self.view
        leaving = view.last.keys() - view.incoming.keys()
        changing = {(each.update_id, fold(each.group)) for each in self.approves}
        staying = {
            key[0]
            for key, approval in view.present.items()
            if approval.action is Action.INSTALL
            and key not in changing
            and (key not in leaving or not view.stands_as_left(key))
        }
        return staying | {each.update_id for each in self.approves if each.action is Action.INSTALL}

    @cached_property
    def waiting(self) -> set[str]:
        """Updates of which an approval is parked or held. Asked as late as ``approved``."""
        return {w.update_id for w in (*self.parked, *self.held) if w.subject == "approval"}

    @cached_property
    def successors(self) -> Successors:
        """Successors of updates that could still be had. Asked as late."""
        view, approved, waiting = self.view, self.approved, self.waiting

        def traits(update_id: str) -> int:
            if update_id in view.out_of_reach:
                return 0
            is_approved, is_waiting = update_id in approved, update_id in waiting
            return _TO_BE_HAD | is_approved * _APPROVED | is_waiting * _WAITING

        return Successors(view.facts.superseded_by, traits)


def _judge_wanted(draft: _Draft, key: Key, wanted: Approval) -> None:
    view = draft.view
    present = view.present.get(key)
    if present is not None and present.agrees_with(wanted):
        draft.in_place += 1
        return
    local = _find_local(view, key, wanted)
    if local is not None:
        draft.kept.append(Waiting.of_approval(wanted, local, "approval"))
        return
    obstacle = _find_obstacle(view, wanted)
    if obstacle is Reason.CONTENT_MISSING:
        draft.parked.append(Waiting.of_approval(wanted, obstacle, "approval"))
    elif obstacle is not None:
        draft.held.append(Waiting.of_approval(wanted, obstacle, "approval"))
    else:
        _approve(draft, wanted, present)


def _find_local(view: Comparison, key: Key, wanted: Approval) -> Reason | None:
    if key[0] in view.present_declined and key[0] not in view.undeclined:
        by_wsus = wanted.id in view.facts.expired  # it declines expired updates by itself
        return Reason.EXPIRED if by_wsus else Reason.LOCALLY_DECLINED
    if view.stands_as_left(key):
        return None
    if key not in view.present:
        return Reason.LOCALLY_REMOVED
    return Reason.LOCALLY_CHANGED


def _find_obstacle(view: Comparison, wanted: Approval) -> Reason | None:
    facts = view.facts
    blocks = wanted.action is Action.NOT_APPROVED  # needs no files and no licence terms
    asks_terms = wanted.id in facts.license_pending and view.policy.licence_terms == "hold"
    obstacles = (
        (fold(wanted.group) in _BUILT_IN, Reason.BUILT_IN_GROUP),
        (wanted.id not in facts.known, Reason.REVISION_UNKNOWN),
        (
            wanted.id in facts.expired and wanted.action is not Action.UNINSTALL,
            Reason.EXPIRED,
        ),
        (not blocks and wanted.id in facts.content_missing, Reason.CONTENT_MISSING),
        (not blocks and asks_terms, Reason.LICENCE_TERMS),
    )
    first = next((reason for stands_in_the_way, reason in obstacles if stands_in_the_way), None)
    return first or _find_deadline_obstacle(view, wanted)


def _find_deadline_obstacle(view: Comparison, wanted: Approval) -> Reason | None:
    _, deadline, _ = wanted.terms
    if deadline is None:
        return None
    if deadline <= view.now:
        return Reason.DEADLINE_PAST
    if (deadline - view.now) // timedelta(days=1) < view.policy.min_deadline_days:
        return Reason.DEADLINE_NEAR
    return None


def _approve(draft: _Draft, wanted: Approval, present: Approval | None) -> None:
    if wanted.id in draft.view.facts.license_pending and wanted.action is not Action.NOT_APPROVED:
        draft.licenses[wanted.id] = PlannedAction(
            operation="accept-license",
            change="license",
            update_id=wanted.update_id,
            revision=wanted.revision,
        )
    change: Change = "add" if present is None else "change"
    if wanted.action is Action.NOT_APPROVED:
        change = "block"
    draft.approves.append(PlannedAction.of_approval(wanted, "approve", change, replaces=present))


def _judge_declines(draft: _Draft) -> None:
    view = draft.view
    for update_id, decline in view.incoming_declined.items():
        if update_id in view.present_declined:
            draft.in_place += 1
        elif update_id in view.last_declined:
            draft.kept.append(_waiting_decline(decline, Reason.LOCALLY_UNDECLINED))
        elif update_id in view.approved_locally:
            draft.kept.append(_waiting_decline(decline, Reason.LOCALLY_APPROVED))
        elif decline.id not in view.facts.known:
            draft.held.append(_waiting_decline(decline, Reason.REVISION_UNKNOWN))
        elif _must_wait(draft, update_id, unapproved_too=update_id in view.approved_here):
            draft.held.append(_waiting_decline(decline, Reason.DECLINE_WAITS))
        else:
            draft.declining.add(update_id)
            draft.declines.append(_of_decline(decline, "decline"))


def _judge_removals(draft: _Draft) -> None:
    view = draft.view
    for key in sorted(view.last.keys() - view.incoming.keys()):
        present = view.present.get(key)
        if present is None or key[0] in draft.declining:
            continue  # gone already, or about to go with the decline
        if not view.stands_as_left(key):
            draft.kept.append(Waiting.of_approval(present, Reason.LOCALLY_CHANGED, "removal"))
        elif present.action is Action.INSTALL and _must_wait(draft, key[0], unapproved_too=True):
            draft.held.append(Waiting.of_approval(present, Reason.REMOVAL_WAITS, "removal"))
        else:
            draft.removes.append(
                PlannedAction.of_approval(present, "remove", "remove", replaces=present)
            )


def _must_wait(draft: _Draft, update_id: str, *, unapproved_too: bool) -> bool:
    traits = draft.successors.traits(update_id)
    if not traits & _TO_BE_HAD or traits & _APPROVED:
        return False
    return unapproved_too or bool(traits & _WAITING)


def _of_decline(decline: Decline, what: Literal["decline", "undecline"]) -> PlannedAction:
    return PlannedAction(what, what, decline.update_id, decline.revision)


def _waiting_decline(decline: Decline, reason: Reason) -> Waiting:
    return Waiting("decline", reason, decline.update_id, decline.revision)


def _missing_groups(present: Iterable[GroupPath], needed: Iterable[GroupPath]) -> list[GroupPath]:
    there = {fold(path) for path in present} | _BUILT_IN
    missing: dict[GroupPath, GroupPath] = {}
    for path in needed:
        for depth in range(2, len(path) + 1):
            if fold(path[:depth]) not in there:
                missing.setdefault(fold(path[:depth]), path[:depth])
    return sorted(missing.values(), key=lambda path: (len(path), path))


def _finish(draft: _Draft) -> ApprovalPlan:
    view = draft.view
    blocks = [action for action in draft.approves if action.change == "block"]
    approvals = [action for action in draft.approves if action.change != "block"]
    actions = (
        *[draft.licenses[revision] for revision in sorted(draft.licenses)],
        *draft.undeclines,
        *blocks,
        *approvals,
        *draft.removes,
        *draft.declines,
    )
    counts = count_changes(actions, view.situation.last, view.situation.present)
    groups = _missing_groups(view.situation.present.groups, (a.group for a in draft.approves))
    return ApprovalPlan(
        groups=tuple(groups),
        actions=actions,
        parked=tuple(draft.parked),
        held=tuple(draft.held),
        kept=tuple(draft.kept),
        in_place=draft.in_place,
        counts=counts,
        limits_exceeded=broken_limits(
            counts, view.policy, view.situation.present, view.situation.incoming
        ),
        loss=describe_loss(counts, view.policy),
    )
