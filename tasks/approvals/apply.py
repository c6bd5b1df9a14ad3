"""A plan as operations for the script ``apply-approvals``, and what became of them.

The script asks the server before each operation, so a plan may be applied again: what stands
there already is ``already``. Operations are numbered from 1 in the order of the plan; a run folder
holds the outcomes of one plan only, so a new plan (another digest) needs a new folder.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from tasks.approvals.model import Approval, ApprovalSet, GroupPath, Key, fold
from tasks.approvals.plan_model import ApprovalPlan, PlannedAction

Name = TypeVar("Name")
Item = TypeVar("Item")
_GOOD = ("done", "already")
NO_OUTCOME = "the server gave no outcome for it"
NOT_SEEN = "it was said to be done, and the server does not show it"


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that the server refused. Exactly one of ``action`` and ``group`` is set.

    Attributes:
        error: What the server said, in its own language; or what we say where it said nothing.
        left: What was made in its place: it is no decision of a person over there.
    """

    error: str
    action: PlannedAction | None = None
    group: GroupPath | None = None
    left: Approval | None = None

    def as_json(self) -> dict[str, Any]:
        """The keys of an approval, ``reason``: what the server said, and ``operation``."""
        if self.action is not None:
            said = {"reason": self.error, "operation": self.action.operation}
            return self.action.as_json() | said
        nothing = {"update_id": None, "revision": None, "action": None, "deadline": None}
        said = {"reason": self.error, "operation": "group"}
        return nothing | {"group": list(self.group or ()), "optional": False} | said


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """What became of a plan.

    Attributes:
        applied: Actions whose effect is on the server, in the plan's order.
        repeated: How many of these were there already.
        failed: The others, and groups that could not be made.
    """

    applied: tuple[PlannedAction, ...]
    repeated: int
    failed: tuple[Failure, ...]


def operations(plan: ApprovalPlan) -> Iterator[dict[str, Any]]:
    """The request lines of the script: settings first, then groups, then actions."""
    yield {"kind": "settings"}
    for number, path in enumerate(plan.groups, start=1):
        yield {"n": number, "op": "group", "path": list(path)}
    for number, action in enumerate(plan.actions, start=1 + len(plan.groups)):
        yield {"n": number, **action.request()}


def read_outcomes(plan: ApprovalPlan, lines: Iterable[Mapping[str, Any]]) -> ApplyOutcome:
    """Take up what the script wrote; of several lines for one number the last one counts.

    An operation without a line failed: nothing is taken for done unless the server said so.
    """
    steps: Sequence[GroupPath | PlannedAction] = (*plan.groups, *plan.actions)
    good = bytearray(1 + len(steps))  # 1: done, 2: already
    other: dict[int, Mapping[str, Any]] = {}
    for line in lines:
        number = int(line["n"]) if line.get("kind") == "outcome" else 0
        if not 0 < number <= len(steps):
            continue
        result = line.get("result")
        good[number] = 1 + _GOOD.index(result) if result in _GOOD else 0
        if not good[number]:
            other[number] = line
    applied: list[PlannedAction] = []
    failed: list[Failure] = []
    repeated = 0
    for number, step in enumerate(steps, start=1):
        if good[number]:
            repeated += good[number] == 2
            if isinstance(step, PlannedAction):
                applied.append(step)
        else:
            failed.append(_failure(step, other.get(number, {})))
    return ApplyOutcome(tuple(applied), repeated, tuple(failed))


def keep_what_server_shows(outcome: ApplyOutcome, present: ApprovalSet) -> ApplyOutcome:
    """Take for applied only what the server itself shows afterwards.

    A change that was said to be done and is not there would else be taken, at the next import,
    for one that a person here took back.

    Args:
        outcome: What the script said.
        present: The server's decisions, read after it.
    """
    standing = _Standing(present)
    unseen = [each for each in outcome.applied if not standing.shows(each)]
    failed = [Failure(NOT_SEEN, action=each, left=standing.left_by(each)) for each in unseen]
    return ApplyOutcome(
        tuple(each for each in outcome.applied if standing.shows(each)),
        outcome.repeated,
        (*outcome.failed, *failed),
    )


def applied_on_server(plan: ApprovalPlan, present: ApprovalSet) -> ApplyOutcome:
    """What of a plan the server shows, where the script gave no answer that could be used."""
    standing = _Standing(present)
    decisions = (each for each in plan.actions if each.operation != "accept-license")
    return ApplyOutcome(tuple(each for each in decisions if standing.shows(each)), 0, ())


class _Standing:
    """A server's decisions as an action is looked up in them."""

    def __init__(self, present: ApprovalSet) -> None:
        self._declined = present.declined_ids().keys()
        self._approvals = present.approvals

    def _about(self, action: PlannedAction) -> list[Approval]:
        key = _key(action)
        return [each for each in self._approvals.of_update(action.update_id) if each.key == key]

    def shows(self, action: PlannedAction) -> bool:
        match action.operation:
            case "approve":
                return any(map(action.approval.agrees_with, self._about(action)))
            case "remove":
                terms = (action.revision, action.action)
                return terms not in {(each.revision, each.action) for each in self._about(action)}
            case "decline":
                return action.update_id in self._declined
            case "undecline":
                return action.update_id not in self._declined
        return True  # licence terms are no decision; what waits for them shows them

    def left_by(self, action: PlannedAction) -> Approval | None:
        """The approval that an action made instead of the one that it asked for."""
        here = self._about(action) if action.operation == "approve" else []
        new = [each for each in here if each != action.replaces]
        return new[-1] if new else None


def next_applied(
    last: ApprovalSet, incoming: ApprovalSet, plan: ApprovalPlan, outcome: ApplyOutcome
) -> ApprovalSet:
    """What counts as last applied from now on: the base of the next comparison.

    What was applied or stood there already is ours. What failed, was left out, waits or was
    overruled keeps its earlier entry, so that a later import still knows what we had left there;
    without one it stays unknown, so that it is added once it may be.
    """
    waiting = {
        (each.update_id, fold(each.group))
        for each in (*plan.parked, *plan.held, *plan.kept)
        if each.subject == "approval"
    }
    held = {(each.update_id, fold(each.group)) for each in plan.held if each.subject == "removal"}
    failed = [each.action for each in outcome.failed if each.action is not None]
    failed += plan.left_out
    unapproved = {_key(each) for each in failed if each.operation == "approve"}
    unremoved = {_key(each) for each in failed if each.operation == "remove"}
    undeclined = {each.update_id for each in failed if each.operation == "decline"}
    still_declined = {each.update_id for each in failed if each.operation == "undecline"}
    waiting_declines = {
        each.update_id for each in (*plan.held, *plan.kept) if each.subject == "decline"
    }
    after = incoming.by_key()
    left_there = {each.left.key: each.left for each in outcome.failed if each.left is not None}
    before = ChainMap(left_there, last.by_key())  # type: ignore[arg-type]  # is only read
    approvals = _carried(before, after, unsettled=waiting | unapproved)
    left = [
        approval
        for key, approval in before.items()
        if key not in after and (key in held | unremoved or key[0] in undeclined)
    ]
    declined_before, declined_after = last.declined_ids(), incoming.declined_ids()
    declines = _carried(declined_before, declined_after, unsettled=waiting_declines | undeclined)
    kept = [declined_before[each] for each in still_declined & declined_before.keys()]
    return ApprovalSet.collect(
        groups=incoming.groups,
        approvals=[*approvals, *left],
        declines=[*declines, *kept],
        licenses=incoming.licenses,
    )


def _carried(
    before: Mapping[Name, Item], after: Mapping[Name, Item], *, unsettled: Set[Name]
) -> Iterator[Item]:
    """What came and was settled; of the rest, what stood before."""
    for name, item in after.items():
        if name not in unsettled:
            yield item
        elif name in before:
            yield before[name]


def _key(action: PlannedAction) -> Key:
    return (action.update_id, fold(action.group))


def _failure(step: GroupPath | PlannedAction, line: Mapping[str, Any]) -> Failure:
    error = str(line.get("error") or NO_OUTCOME)
    if isinstance(step, PlannedAction):
        return Failure(error, action=step)
    return Failure(error, group=step)
