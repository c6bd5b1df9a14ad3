"""What a plan says: actions, what waits, what is kept, counts against limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from blake3 import blake3

from tasks.approvals.model import Action, Approval, GroupPath, write_time
from tasks.approvals.reasons import Reason
from tasks.revision import RevisionId

Operation = Literal["accept-license", "undecline", "approve", "remove", "decline"]
Change = Literal["license", "undecline", "add", "change", "block", "remove", "decline"]
Subject = Literal["approval", "removal", "decline"]
_SAID_OF: dict[Operation, str] = {
    "accept-license": "licence-accepted",
    "undecline": "decline-taken-back",
    "remove": "removed",
}


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One change on the server.

    Attributes:
        operation: What the script ``apply-approvals`` does.
        change: What it means: a new approval, another one in place of ``replaces``, a block, ….
        group, action, deadline, optional: Of an approval; empty otherwise.
        replaces: The approval that stands there now, which this changes or takes away.
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
        """Make an approval, or take it away."""
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
        """Whether an approval goes: it is removed, or a block or an uninstall takes its place."""
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
        """Whether it undoes a decision that stands, or has an update removed from machines."""
        if self.operation != "approve":
            return self.operation != "accept-license"
        return self.unapproves or self.action is Action.UNINSTALL

    @property
    def approval(self) -> Approval:
        """The approval that it asks for."""
        return Approval.read(self.request())

    def request(self) -> dict[str, Any]:
        """The operation as the script takes it, without its number."""
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
        """The keys of the JSON output: those of an approval, and ``reason``.

        What was taken back or accepted says so there: the other keys are those of the decision
        that it undoes, or of no approval at all.
        """
        return _decision_json(self) | {"reason": _SAID_OF.get(self.operation)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A decision of the staging side that is parked, held or overruled by a local one.

    Attributes:
        subject: Whether an approval, the removal of one, or a decline waits.
        group, action, deadline, optional: Of the approval in question; empty for a decline.
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
        """Let an approval, or its removal, wait."""
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
        """The keys of the JSON output: those of an approval, and ``reason``."""
        return _decision_json(self) | {"reason": self.reason.value}


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """How much the plan takes away, and how much was found gone.

    Attributes:
        declines: Only of updates that are approved here now.
        lost: Decisions that were last applied here and are gone, of ``last``.
    """

    removals: int
    declines: int
    undeclines: int
    uninstalls: int
    lost: int
    last: int


@dataclass(frozen=True)
class ApprovalPlan:
    """What to do, in the order to do it, and what not to do, and why.

    Attributes:
        groups: Target groups to make, parents first. Groups are never deleted.
        actions: Licence terms, undeclines, blocks, approvals, removals, declines.
        parked: Approvals that wait for content.
        held: Decisions that wait for a person, a policy or another update.
        kept: Decisions of the staging side that a local one overrules. Not flagged.
        in_place: How many incoming decisions the server already has.
        limits_exceeded: A sentence for each limit that the actions break; the plan then waits
            for a person who confirms ``digest``.
        loss: A sentence when the server lacks more of what was last applied than the site
            allows: restored or rebuilt, and a person has to say so.
        left_out: Actions that were decided and are not carried out now, but by a later import.
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

    def without_what_takes_away(self) -> ApprovalPlan:
        """The plan less all that takes something away."""
        kept = tuple(each for each in self.actions if not each.takes_away)
        left_out = tuple(each for each in self.actions if each.takes_away)
        return replace(self, actions=kept, left_out=left_out)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.actions and not self.groups

    @property
    def limit_exceeded(self) -> str | None:
        """Which limits the plan breaks, in one sentence; None when it may go ahead."""
        return "; ".join(self.limits_exceeded) or None

    @cached_property
    def digest(self) -> str:
        """BLAKE3 over what the plan would change, 64 hexadecimal digits, for ``--confirm``."""
        hasher = blake3(b'{"groups":[')
        for text in _joined(list(path) for path in self.groups):
            hasher.update(text)
        hasher.update(b'],"operations":[')
        for text in _joined(action.request() for action in self.actions):
            hasher.update(text)
        hasher.update(b"]}")
        return hasher.hexdigest()


def _joined(items: Iterable[object]) -> Iterator[bytes]:
    """The items of a JSON list as text, one in memory."""
    for number, item in enumerate(items):
        text = json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield ("," * (number > 0) + text).encode()


def _decision_json(decision: PlannedAction | Waiting) -> dict[str, Any]:
    """The six keys that every list of approvals in JSON output has.

    For a decline ``group`` is empty and ``action`` null.
    """
    return {
        "update_id": decision.update_id,
        "revision": decision.revision,
        "group": list(decision.group),
        "action": decision.action.value if decision.action else None,
        "deadline": write_time(decision.deadline),
        "optional": decision.optional,
    }
