"""The changes that an import makes to a server's decisions. Pure; nothing is touched here.

For each update and group three sides are compared: the approval that we applied last, the approval
that the bundle brings, and the approval on the server now.

============================================  ===============  =================================
server now                                    bundle           result
============================================  ===============  =================================
has the bundle's approval                     approves         in place
update declined, and the decline stays        approves         kept
changed or removed by a person on this side   approves         kept
as we left it                                 approves         parked or held for a reason;
                                                               else approved
as we left it                                 no approval now  removed, or held for a successor
changed by a person on this side              no approval now  kept
no approval                                   no approval now  nothing to do
declined                                      declines         in place
a decline of ours undone by a person          declines         kept
approved by a person on this side             declines         kept
anything else                                 declines         declined, or held for a reason
declined by us, not expired                   no decline now   decline undone
============================================  ===============  =================================

"As we left it" means also: we applied nothing, and there is nothing. It includes the same terms on
a newer revision, because WSUS moves approvals by itself (``Comparison.is_untouched``). On the first
import we have applied nothing yet, so all decisions found there count as local, and the plan takes
none of them away.

A removal or a decline is held while the updates that supersede its update are not approved here.
Declined and expired successors do not count, because they will not be approved. The decline of an
update that is not approved here takes nothing away, so it is held only while an approval of a
successor is itself parked or held.

A person's ruling (``rulings``) holds a decision until it is revoked or over, or lets one go that
the site's rules hold; it comes after local decisions on the server, and no ruling replaces content.

Limits on approvals follow Microsoft's description of ``IUpdate.Approve``: it refuses an update with
unaccepted licence terms, an expired update unless the action is Uninstall, and a block for All
Computers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from tasks.approvals.comparison import Comparison, Situation, UpdateStates
from tasks.approvals.conflicts import find_conflicts
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
from tasks.approvals.plan_model import ApprovalPlan, Change, PlannedAction, Subject, Waiting
from tasks.approvals.policy import ApprovalPolicy
from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import DECIDED_ALREADY
from tasks.approvals.successors import Successors
from tasks.revision import RevisionId

__all__ = ["Situation", "UpdateStates", "plan_approvals"]

# The traits of an update that a decline or removal of the one it supersedes depends on.
_TO_BE_HAD, _APPROVED, _WAITING = 1, 2, 4
_BUILT_IN = frozenset(fold(path) for path in BUILT_IN_GROUPS)


def plan_approvals(situation: Situation, policy: ApprovalPolicy, *, now: datetime) -> ApprovalPlan:
    """Decide what an import does with approvals and declines.

    Planning again after applying gives no actions, and the same parked, held and kept.

    Args:
        situation: The three sides and the states of the updates.
        policy: The site's rules.
        now: The time at which the plan would be applied; aware.
    """
    builder = _PlanBuilder(Comparison(situation, policy, now))
    for key, incoming in builder.comparison.incoming.items():
        _plan_approval(builder, key, incoming)
    _plan_declines(builder)
    _plan_removals(builder)
    return _finish(builder)


class _PlanBuilder:
    """The plan as it grows."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.licenses: dict[RevisionId, PlannedAction] = {}
        self.undeclines = [
            _decline_action(comparison.present_declined[update_id], "undecline")
            for update_id in sorted(comparison.undeclined)
        ]
        self.approves: list[PlannedAction] = []
        self.removes: list[PlannedAction] = []
        self.declines: list[PlannedAction] = []
        self.parked: list[Waiting] = []
        self.held: list[Waiting] = list(comparison.situation.withheld.left_out)
        self.kept: list[Waiting] = []
        self.in_place = 0
        self.declining: set[str] = set()

    def rejects(self, decision: Approval | Decline, subject: Subject) -> bool:
        """Return True if a person decided never to apply a decision of the staging side."""
        return self.comparison.situation.rulings.rejects(_asked(decision, subject))

    def lets_through(self, decision: Approval | Decline, subject: Subject) -> bool:
        """Return True if a person decided to apply it in spite of the site's rules."""
        return self.comparison.situation.rulings.lets_through(_asked(decision, subject))

    @cached_property
    def approved(self) -> set[str]:
        """Updates that are approved to install once the planned approvals are applied.

        An update that is about to lose its approval is not among them. Cached at the first read: do
        not read it before all incoming approvals are planned.
        """
        comparison = self.comparison
        leaving = comparison.last.keys() - comparison.incoming.keys()
        changing = {(action.update_id, fold(action.group)) for action in self.approves}
        staying = {
            key[0]
            for key, approval in comparison.present.items()
            if approval.action is Action.INSTALL
            and key not in changing
            and (key not in leaving or not comparison.is_untouched(key))
        }
        return staying | {
            action.update_id for action in self.approves if action.action is Action.INSTALL
        }

    @cached_property
    def waiting(self) -> set[str]:
        """Updates with a parked or held approval that may be applied one day.

        Approvals for a group that the site leaves out, and rejected ones, are none of them. Cached
        at the first read: do not read it before all incoming approvals are planned.
        """
        return {
            decision.update_id
            for decision in (*self.parked, *self.held)
            if decision.subject == "approval" and decision.reason not in DECIDED_ALREADY
        }

    @cached_property
    def successors(self) -> Successors:
        """Successors of updates that could still be had. Asked as late."""
        comparison, approved, waiting = self.comparison, self.approved, self.waiting

        def traits(update_id: str) -> int:
            if update_id in comparison.unavailable or comparison.states.is_expired(update_id):
                return 0
            is_approved, is_waiting = update_id in approved, update_id in waiting
            return _TO_BE_HAD | is_approved * _APPROVED | is_waiting * _WAITING

        return Successors(comparison.states.superseded_by, traits)


def _plan_approval(builder: _PlanBuilder, key: Key, incoming: Approval) -> None:
    comparison = builder.comparison
    present = comparison.present.get(key)
    is_let_through = builder.lets_through(incoming, "approval")
    is_settled = is_let_through or key not in comparison.situation.withheld.disagreeing
    if is_settled and present is not None and present.agrees_with(incoming):
        builder.in_place += 1
        return
    local = _find_local_decision(comparison, key, incoming)
    if local is not None:
        builder.kept.append(Waiting.of_approval(incoming, local, "approval"))
        return
    if builder.rejects(incoming, "approval"):
        builder.held.append(Waiting.of_approval(incoming, Reason.REJECTED, "approval"))
        return
    obstacle = _find_obstacle(comparison, incoming, is_let_through=is_let_through)
    if obstacle is Reason.CONTENT_MISSING:
        builder.parked.append(Waiting.of_approval(incoming, obstacle, "approval"))
    elif obstacle is not None:
        builder.held.append(Waiting.of_approval(incoming, obstacle, "approval"))
    else:
        _approve(builder, incoming, present)


def _find_local_decision(comparison: Comparison, key: Key, incoming: Approval) -> Reason | None:
    if key[0] in comparison.present_declined and key[0] not in comparison.undeclined:
        # WSUS declines expired updates by itself (AutoRefreshUpdateApprovalsDeclineExpired).
        by_wsus = incoming.id in comparison.states.expired
        return Reason.EXPIRED if by_wsus else Reason.LOCALLY_DECLINED
    if comparison.is_untouched(key):
        return None
    if key not in comparison.present:
        return Reason.LOCALLY_REMOVED
    return Reason.LOCALLY_CHANGED


def _find_obstacle(
    comparison: Comparison, incoming: Approval, *, is_let_through: bool
) -> Reason | None:
    states, situation = comparison.states, comparison.situation
    is_block = incoming.action is Action.NOT_APPROVED  # needs no files and no licence terms
    is_pending = incoming.id in states.license_pending
    holds_terms = comparison.policy.licence_terms == "hold" and situation.rulings.holds_terms(
        incoming, is_pending=is_pending
    )
    obstacles = (
        (incoming.id not in states.on_server, Reason.REVISION_UNKNOWN),
        (
            incoming.id in states.expired and incoming.action is not Action.UNINSTALL,
            Reason.EXPIRED,
        ),
        (not is_block and incoming.id in states.content_missing, Reason.CONTENT_MISSING),
        (not is_block and holds_terms, Reason.LICENCE_TERMS),
    )
    by_rule = None if is_let_through else situation.withheld.reason(incoming)
    first = by_rule or next((reason for applies, reason in obstacles if applies), None)
    if first is not None or is_let_through:
        return first
    return _find_deadline_obstacle(comparison, incoming)


def _find_deadline_obstacle(comparison: Comparison, incoming: Approval) -> Reason | None:
    _, deadline, _ = incoming.terms
    if deadline is None:
        return None
    if deadline <= comparison.now:
        return Reason.DEADLINE_PAST
    if (deadline - comparison.now) // timedelta(days=1) < comparison.policy.min_deadline_days:
        return Reason.DEADLINE_NEAR
    return None


def _approve(builder: _PlanBuilder, incoming: Approval, present: Approval | None) -> None:
    is_block = incoming.action is Action.NOT_APPROVED
    if incoming.id in builder.comparison.states.license_pending and not is_block:
        builder.licenses[incoming.id] = PlannedAction(
            operation="accept-license",
            change="license",
            update_id=incoming.update_id,
            revision=incoming.revision,
        )
    change: Change = "add" if present is None else "change"
    if is_block:
        change = "block"
    builder.approves.append(
        PlannedAction.of_approval(incoming, "approve", change, replaces=present)
    )


def _plan_declines(builder: _PlanBuilder) -> None:
    comparison = builder.comparison
    for update_id, decline in comparison.incoming_declined.items():
        if update_id in comparison.present_declined:
            builder.in_place += 1
        elif update_id in comparison.last_declined:
            builder.kept.append(_waiting_decline(decline, Reason.LOCALLY_UNDECLINED))
        elif update_id in comparison.approved_locally:
            builder.kept.append(_waiting_decline(decline, Reason.LOCALLY_APPROVED))
        elif builder.rejects(decline, "decline"):
            builder.held.append(_waiting_decline(decline, Reason.REJECTED))
        elif decline.id not in comparison.states.on_server:
            builder.held.append(_waiting_decline(decline, Reason.REVISION_UNKNOWN))
        elif not builder.lets_through(decline, "decline") and _waits_for_successor(
            builder, update_id, unapproved_too=update_id in comparison.approved_here
        ):
            builder.held.append(_waiting_decline(decline, Reason.DECLINE_WAITS))
        else:
            builder.declining.add(update_id)
            builder.declines.append(_decline_action(decline, "decline"))


def _plan_removals(builder: _PlanBuilder) -> None:
    comparison = builder.comparison
    for key in sorted(comparison.last.keys() - comparison.incoming.keys()):
        present = comparison.present.get(key)
        if present is None or key[0] in builder.declining:
            continue  # gone already, or it goes with the decline
        if not comparison.is_untouched(key):
            builder.kept.append(Waiting.of_approval(present, Reason.LOCALLY_CHANGED, "removal"))
        elif builder.rejects(present, "removal"):
            builder.held.append(Waiting.of_approval(present, Reason.REJECTED, "removal"))
        elif (
            present.action is Action.INSTALL
            and not builder.lets_through(present, "removal")
            and _waits_for_successor(builder, key[0], unapproved_too=True)
        ):
            builder.held.append(Waiting.of_approval(present, Reason.REMOVAL_WAITS, "removal"))
        else:
            builder.removes.append(
                PlannedAction.of_approval(present, "remove", "remove", replaces=present)
            )


def _waits_for_successor(builder: _PlanBuilder, update_id: str, *, unapproved_too: bool) -> bool:
    """Return True if an update has successors and none of them is approved yet.

    ``unapproved_too``: wait for any unapproved successor; else only for a successor whose approval
    is parked or held.
    """
    traits = builder.successors.traits(update_id)
    if not traits & _TO_BE_HAD or traits & _APPROVED:
        return False
    return unapproved_too or bool(traits & _WAITING)


def _decline_action(decline: Decline, operation: Literal["decline", "undecline"]) -> PlannedAction:
    return PlannedAction(operation, operation, decline.update_id, decline.revision)


def _asked(decision: Approval | Decline, subject: Subject) -> Waiting:
    """Return a decision as rulings are asked for it; the reason does not matter."""
    if isinstance(decision, Approval):
        return Waiting.of_approval(decision, Reason.REJECTED, subject)
    return _waiting_decline(decision, Reason.REJECTED)


def _waiting_decline(decline: Decline, reason: Reason) -> Waiting:
    return Waiting("decline", reason, decline.update_id, decline.revision)


def _missing_groups(present: Iterable[GroupPath], needed: Iterable[GroupPath]) -> list[GroupPath]:
    existing = {fold(path) for path in present} | _BUILT_IN
    missing: dict[GroupPath, GroupPath] = {}
    for path in needed:
        for depth in range(2, len(path) + 1):
            if fold(path[:depth]) not in existing:
                missing.setdefault(fold(path[:depth]), path[:depth])
    return sorted(missing.values(), key=lambda path: (len(path), path))


def _finish(builder: _PlanBuilder) -> ApprovalPlan:
    comparison = builder.comparison
    blocks = [action for action in builder.approves if action.change == "block"]
    approvals = [action for action in builder.approves if action.change != "block"]
    actions = (
        *[builder.licenses[revision] for revision in sorted(builder.licenses)],
        *builder.undeclines,
        *blocks,
        *approvals,
        *builder.removes,
        *builder.declines,
    )
    situation = comparison.situation
    counts = count_changes(
        actions, situation.last, situation.present, accepted=situation.accepted_losses
    )
    needed_groups = (action.group for action in builder.approves)
    groups = _missing_groups(comparison.situation.present.groups, needed_groups)
    return ApprovalPlan(
        groups=tuple(groups),
        actions=actions,
        parked=tuple(builder.parked),
        held=tuple(builder.held),
        kept=tuple(builder.kept),
        in_place=builder.in_place,
        counts=counts,
        limits_exceeded=broken_limits(
            counts, comparison.policy, comparison.situation.present, comparison.situation.incoming
        ),
        loss=describe_loss(counts, comparison.policy),
        conflicts=find_conflicts(
            comparison,
            (*builder.kept, *(held for held in builder.held if held.reason is Reason.REJECTED)),
        ),
    )
