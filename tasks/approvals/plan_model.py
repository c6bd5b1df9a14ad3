"""A plan: its actions, its parked, held and kept decisions, its counts and limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from blake3 import blake3

from tasks.approvals.model import Action, Approval, Decline, GroupPath, write_time
from tasks.approvals.reasons import Reason
from tasks.revision import RevisionId

Operation = Literal["accept-license", "undecline", "approve", "remove", "decline"]
Change = Literal["license", "undecline", "add", "change", "block", "remove", "decline"]
Subject = Literal["approval", "removal", "decline"]
_REASON_OF_OPERATION: dict[Operation, str] = {
    "accept-license": "licence-accepted",
    "undecline": "decline-taken-back",
    "remove": "removed",
}


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One change on the server.

    Attributes:
        operation: The operation of the script ``apply-approvals``.
        change: The effect for people: a new approval, another one in place of ``replaces``, a
            block, ….
        group, action, deadline, optional: The values of an approval; empty for other operations.
        replaces: The approval on the server now that this action changes or removes.
    """

    operation: Operation
    change: Change
    update_id: str
    revision: int
    group: GroupPath = ()
    action: Action | None = None
    deadline: datetime | None = None
    optional: bool = False
    replaces: Approval | None = None

    @classmethod
    def of_approval(
        cls,
        approval: Approval,
        operation: Literal["approve", "remove"],
        change: Change,
        *,
        replaces: Approval | None,
    ) -> PlannedAction:
        """Plan to make or to remove an approval."""
        return cls(
            operation,
            change,
            approval.update_id,
            approval.revision,
            approval.group,
            approval.action,
            approval.deadline,
            approval.optional,
            replaces,
        )

    @property
    def id(self) -> RevisionId:
        """The revision as a key."""
        return RevisionId(self.update_id, self.revision)

    @property
    def unapproves(self) -> bool:
        """True if an approval is removed, or replaced by a block or an uninstall."""
        if self.operation == "remove":
            return True
        replaced = self.replaces.action if self.replaces is not None else None
        return (
            self.operation == "approve"
            and replaced is Action.INSTALL
            and self.action is not Action.INSTALL
        )

    @property
    def takes_away(self) -> bool:
        """True if the action undoes a decision, declines an update, or uninstalls it."""
        if self.operation != "approve":
            return self.operation != "accept-license"
        return self.unapproves or self.action is Action.UNINSTALL

    @property
    def approval(self) -> Approval:
        """The approval to make or to remove."""
        return Approval.read(self.request())

    def request(self) -> dict[str, Any]:
        """Return the operation's line for the script, without its number."""
        line: dict[str, Any] = {
            "op": self.operation,
            "update_id": self.update_id,
            "revision": self.revision,
        }
        if self.operation in ("approve", "remove"):
            line |= {"group": list(self.group), "action": str(self.action)}
        if self.operation == "approve":
            line |= {"deadline": write_time(self.deadline), "optional": self.optional}
        return line

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the JSON output: the keys of an approval, and ``reason``.

        ``reason`` is null for an approval or a decline. For other operations it names the
        operation, because the other keys are those of the decision that it undoes.
        """
        return _decision_json(self) | {"reason": _REASON_OF_OPERATION.get(self.operation)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A decision of the staging side that is not applied now: it is parked, held or kept.

    Attributes:
        subject: The kind of decision: an approval, the removal of an approval, or a decline.
        group, action, deadline, optional: The values of the approval; empty for a decline.
    """

    subject: Subject
    reason: Reason
    update_id: str
    revision: int
    group: GroupPath = ()
    action: Action | None = None
    deadline: datetime | None = None
    optional: bool = False

    @classmethod
    def of_approval(cls, approval: Approval, reason: Reason, subject: Subject) -> Waiting:
        """Make an approval, or its removal, wait."""
        return cls(
            subject,
            reason,
            approval.update_id,
            approval.revision,
            approval.group,
            approval.action,
            approval.deadline,
            approval.optional,
        )

    @property
    def id(self) -> RevisionId:
        """The revision as a key."""
        return RevisionId(self.update_id, self.revision)

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the JSON output: the keys of an approval, and ``reason``."""
        return _decision_json(self) | {"reason": self.reason.value}


Sides = tuple[Approval | Decline, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """One decision of the staging side that was overruled on this side.

    Attributes:
        overruled: The decision, with the reason for which it was not applied.
        last: The decisions about the same update and group that were applied here last.
        incoming: Those that the bundle brings.
        present: Those on the server now.
        winner: ``here``: a person of this side; ``wsus``: WSUS itself declined an expired update.
    """

    overruled: Waiting
    last: Sides
    incoming: Sides
    present: Sides
    winner: Literal["here", "wsus"]


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """Numbers of changes that take something away, and of decisions that are gone.

    Attributes:
        declines: Declines of updates that are approved here now.
        lost: Decisions that were last applied here and are gone.
        last: All decisions that were last applied here.
    """

    removals: int
    declines: int
    undeclines: int
    uninstalls: int
    lost: int
    last: int


@dataclass(frozen=True)
class ApprovalPlan:
    """The changes to make, in order, and the decisions that are not applied, with reasons.

    Attributes:
        groups: Target groups to make, parents first. Groups are never deleted.
        actions: Licence terms, undeclines, blocks, approvals, removals and declines, in this order.
        parked: Approvals that wait for content.
        held: Decisions that wait for a person, a policy or another update.
        kept: Decisions of the staging side that a local decision overrules. They do not make a
            run incomplete.
        in_place: Number of incoming decisions that the server has already.
        limits_exceeded: A sentence for each limit that the actions break. Such a plan is applied
            only after a person confirmed ``digest``.
        loss: A sentence if the server lacks more of the decisions last applied than the site
            allows. The server was probably restored or rebuilt, and a person has to decide.
        left_out: Actions that were planned, but are left to a later import.
        conflicts: The kept and the rejected decisions, with all three sides.
    """

    groups: tuple[GroupPath, ...]
    actions: tuple[PlannedAction, ...]
    parked: tuple[Waiting, ...]
    held: tuple[Waiting, ...]
    kept: tuple[Waiting, ...]
    in_place: int
    counts: PlanCounts
    limits_exceeded: tuple[str, ...] = ()
    loss: str | None = None
    left_out: tuple[PlannedAction, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    def without_what_takes_away(self) -> ApprovalPlan:
        """Return the plan with its taking actions moved to ``left_out``."""
        return replace(
            self,
            actions=tuple(action for action in self.actions if not action.takes_away),
            left_out=tuple(action for action in self.actions if action.takes_away),
        )

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to do."""
        return not self.actions and not self.groups

    @property
    def limit_exceeded(self) -> str | None:
        """The broken limits in one sentence; None if the plan may be applied."""
        return "; ".join(self.limits_exceeded) or None

    @cached_property
    def digest(self) -> str:
        """BLAKE3 of the groups and operations (64 hexadecimal digits), for ``--confirm``."""
        hasher = blake3(b'{"groups":[')
        for text in _joined(list(path) for path in self.groups):
            hasher.update(text)
        hasher.update(b'],"operations":[')
        for text in _joined(action.request() for action in self.actions):
            hasher.update(text)
        hasher.update(b"]}")
        return hasher.hexdigest()


NOTHING_PLANNED = ApprovalPlan((), (), (), (), (), 0, PlanCounts(0, 0, 0, 0, 0, 0))


def _joined(items: Iterable[object]) -> Iterator[bytes]:
    """Yield the items of a JSON list as text; only one is in memory at a time."""
    for number, item in enumerate(items):
        text = json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield ("," * (number > 0) + text).encode()


def _decision_json(decision: PlannedAction | Waiting) -> dict[str, Any]:
    """Return the six keys of every list of approvals in the JSON output.

    For a decline ``group`` is empty and ``action`` is null.
    """
    return {
        "update_id": decision.update_id,
        "revision": decision.revision,
        "group": list(decision.group),
        "action": decision.action.value if decision.action else None,
        "deadline": write_time(decision.deadline),
        "optional": decision.optional,
    }
