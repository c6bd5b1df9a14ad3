"""Decisions of ours that a server has lost, or has again although staging took them back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.approvals.model import Approval, ApprovalSet, GroupPath, Key, fold

RebuiltChoice = Literal["adopt", "reapply"]
"""A person's choice for a rebuilt server: keep what is there, or apply the last state again."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Decisions that were applied here and are gone.

    Attributes:
        approvals: Keys of approvals, of updates that are not declined.
        declines: Updates whose decline is gone.
    """

    approvals: frozenset[Key] = frozenset()
    declines: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """Number of all of them."""
        return len(self.approvals) + len(self.declines)

    def has_approval(self, update_id: str, group: GroupPath) -> bool:
        """Return True if the approval of an update for a group is among them."""
        return (update_id, fold(group)) in self.approvals

    def without(self, other: Losses) -> Losses:
        """Return the losses that are not among others."""
        return Losses(self.approvals - other.approvals, self.declines - other.declines)


NO_LOSSES = Losses()
_NOTHING = ApprovalSet()


def find_losses(last: ApprovalSet, present: ApprovalSet, revived: ApprovalSet = _NOTHING) -> Losses:
    """Find the decisions last applied that are gone from the server.

    Args:
        last: The decisions last applied.
        present: Those on the server.
        revived: Those on the server that staging took back; their declines hide no loss.
    """
    approved, declined = present.by_key(), present.declined_ids()
    hides = declined.keys() - revived.declined_ids().keys()
    return Losses(
        frozenset(key for key in last.by_key() if key not in approved and key[0] not in hides),
        frozenset(last.declined_ids().keys() - declined.keys()),
    )


def find_revived(taken_back: ApprovalSet, present: ApprovalSet) -> ApprovalSet:
    """Find the decisions that staging took back and that stand on the server again.

    They are given as the server has them: a snapshot can have an older revision than was taken
    back, and WSUS moves an approval to a newer one.
    """
    approved, declined = present.by_key(), present.declined_ids()
    return ApprovalSet.collect(
        approvals=(
            approved[approval.key]
            for approval in taken_back.approvals
            if is_revived_approval(approval, present)
        ),
        declines=(
            declined[decline.update_id]
            for decline in taken_back.declines
            if decline.update_id in declined
        ),
    )


def is_revived_approval(approval: Approval, present: ApprovalSet) -> bool:
    """Return True if the server has an approval on the same terms."""
    there = present.by_key().get(approval.key)
    return there is not None and there.terms == approval.terms


def as_reapplied(last: ApprovalSet, present: ApprovalSet, revived: ApprovalSet) -> ApprovalSet:
    """Return the decisions that count as ours on a server that gets the last state again.

    What is gone counts as never applied; what staging took back and is there again counts as ours.
    """
    kept_on = without_losses(last, find_losses(last, present, revived))
    return ApprovalSet.collect(
        groups=kept_on.groups,
        approvals=(*kept_on.approvals, *revived.approvals),
        declines=(*kept_on.declines, *revived.declines),
        licenses=kept_on.licenses,
    )


def without_losses(last: ApprovalSet, losses: Losses) -> ApprovalSet:
    """Return the decisions applied last without those that are gone."""
    return ApprovalSet.collect(
        groups=last.groups,
        approvals=(
            approval
            for approval in last.approvals
            if not losses.has_approval(approval.update_id, approval.group)
        ),
        declines=(decline for decline in last.declines if decline.update_id not in losses.declines),
        licenses=last.licenses,
    )
