"""Losses: decisions that were applied here and are gone from the server. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.approvals.model import ApprovalSet, GroupPath, Key, fold

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


def find_losses(last: ApprovalSet, present: ApprovalSet) -> Losses:
    """Find the decisions last applied that are gone from the server."""
    approved, declined = present.by_key(), present.declined_ids()
    return Losses(
        frozenset(key for key in last.by_key() if key not in approved and key[0] not in declined),
        frozenset(last.declined_ids().keys() - declined.keys()),
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
