"""Conflicts: decisions of the staging side against decisions made here, side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.approvals.comparison import Comparison
from tasks.approvals.model import ApprovalSet, fold
from tasks.approvals.plan_model import Conflict, Sides, Waiting
from tasks.approvals.reasons import Reason


def find_conflict(comparison: Comparison, overruled: Waiting) -> Conflict:
    """Put the three sides of an overruled decision together."""
    situation = comparison.situation
    return Conflict(
        overruled=overruled,
        last=_side(situation.last, overruled),
        incoming=_side(situation.incoming, overruled),
        present=_side(situation.present, overruled),
        winner="wsus" if overruled.reason is Reason.EXPIRED else "here",
    )


def find_conflicts(comparison: Comparison, decisions: Iterable[Waiting]) -> tuple[Conflict, ...]:
    """Return the conflicts among decisions that are not applied: the kept and the rejected ones."""
    return tuple(find_conflict(comparison, decision) for decision in decisions)


def _side(decisions: ApprovalSet, overruled: Waiting) -> Sides:
    """Return what one side decided about an update and a group; of a decline, about the update."""
    update_id, group = overruled.update_id, fold(overruled.group)
    approvals = (
        approval
        for approval in decisions.approvals.of_update(update_id)
        if overruled.subject == "decline" or fold(approval.group) == group
    )
    return (*approvals, *decisions.declines.of_update(update_id))
