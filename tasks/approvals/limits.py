"""Count the changes of a plan that take something away, and compare them with the site's limits."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.approvals.losses import NO_LOSSES, Losses, find_losses
from tasks.approvals.model import Action, ApprovalSet
from tasks.approvals.plan_model import PlanCounts, PlannedAction
from tasks.approvals.policy import SHARE_FROM, ApprovalPolicy


def count_changes(
    actions: Sequence[PlannedAction],
    last: ApprovalSet,
    present: ApprovalSet,
    *,
    accepted: Losses = NO_LOSSES,
) -> PlanCounts:
    """Count the changes that take something away; additions never stop an import.

    On a first import no machine has anything from us yet, so an uninstall counts only if the
    update is approved here.

    Args:
        actions: The planned actions.
        last: The decisions applied last.
        present: The decisions on the server now.
        accepted: Losses that a person has accepted; they do not count.
    """
    has_history = bool(last.approvals or last.declines)
    approved = _approved_updates(present)
    return PlanCounts(
        removals=sum(1 for action in actions if action.unapproves),
        declines=sum(
            1 for action in actions if action.change == "decline" and action.update_id in approved
        ),
        undeclines=sum(1 for action in actions if action.change == "undecline"),
        uninstalls=sum(
            1
            for action in actions
            if action.operation == "approve"
            and action.action is Action.UNINSTALL
            and (has_history or action.update_id in approved)
        ),
        lost=find_losses(last, present).without(accepted).count,
        last=len(last.approvals) + len(last.declines),
    )


def broken_limits(
    counts: PlanCounts, policy: ApprovalPolicy, present: ApprovalSet, incoming: ApprovalSet
) -> tuple[str, ...]:
    """Return a sentence for each limit that the counts break.

    The share of uninstalls is a share of the present or of the incoming approvals, whichever are
    more: on a first import there may be no present ones.
    """
    approved = _approved_updates(present)
    present_approvals = len(present.approvals)
    rows = (
        ("approvals removed", counts.removals, policy.max_removals, present_approvals),
        ("approved updates declined", counts.declines, policy.max_declines, len(approved)),
        ("declines taken back", counts.undeclines, policy.max_undeclines, len(present.declines)),
        (
            "approvals to uninstall",
            counts.uninstalls,
            policy.max_uninstalls,
            max(present_approvals, len(incoming.approvals)),
        ),
    )
    broken: list[str] = []
    for subject, count, limit, total in rows:
        if count > limit:
            broken.append(f"{subject}: {count}, this site allows {limit} at once")
        elif count >= SHARE_FROM and count > policy.max_share * total:
            broken.append(
                f"{subject}: {count} of {total}, this site allows {policy.max_share:.0%} at once"
            )
    return tuple(broken)


def describe_loss(counts: PlanCounts, policy: ApprovalPolicy) -> str | None:
    """Return a sentence if too many of the decisions last applied are gone; else None."""
    if counts.lost < SHARE_FROM or counts.lost <= policy.max_lost_share * counts.last:
        return None
    return (
        f"{counts.lost} of the {counts.last} decisions last applied on this server are gone; "
        f"this site allows {policy.max_lost_share:.0%}"
    )


def _approved_updates(present: ApprovalSet) -> set[str]:
    return {
        approval.update_id for approval in present.approvals if approval.action is Action.INSTALL
    }
