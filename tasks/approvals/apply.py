"""A plan as operations for the script ``apply-approvals``, and the outcomes that it reports.

The script asks the server before each operation, so a plan may be applied again: the outcome of a
change that is there already is ``already``. Operations are numbered from 1 in the order of the
plan. A run folder holds the outcomes of one plan only, so a new plan (another digest) needs a new
folder.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tasks.approvals.model import Approval, ApprovalSet, GroupPath, Key, fold
from tasks.approvals.plan_model import ApprovalPlan, PlannedAction, Subject, Waiting
from tasks.approvals.reasons import Reason

Name = TypeVar("Name")
Item = TypeVar("Item")
_APPLIED_RESULTS = ("done", "already")
NO_OUTCOME = "the server gave no outcome for it"
NOT_SEEN = "the script reported it as done, but the server does not show it"


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that did not take effect. Exactly one of ``action`` and ``group`` is set.

    Attributes:
        error: The server's message, in the server's language; our own sentence when there is none.
        made_instead: The approval that the server made in place of the planned one. It counts as
            applied by us, because no person decided it.
    """

    error: str
    action: PlannedAction | None = None
    group: GroupPath | None = None
    made_instead: Approval | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the keys of an approval, the server's message as ``reason``, and ``operation``."""
        if self.action is not None:
            return self.action.as_json() | {
                "reason": self.error,
                "operation": self.action.operation,
            }
        return {
            "update_id": None,
            "revision": None,
            "action": None,
            "deadline": None,
            "group": list(self.group or ()),
            "optional": False,
            "reason": self.error,
            "operation": "group",
        }


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """The outcomes of a plan's operations.

    Attributes:
        applied: Actions whose effect is on the server, in the plan's order.
        repeated: Number of operations whose effect was there already.
        already: The actions among them; all are in ``applied`` too.
        failed: The other actions, and the groups that could not be made.
        earlier_groups: Groups that earlier tries of the step have made.
    """

    applied: tuple[PlannedAction, ...]
    repeated: int
    failed: tuple[Failure, ...]
    already: tuple[PlannedAction, ...] = ()
    earlier_groups: tuple[GroupPath, ...] = ()


def operations(plan: ApprovalPlan) -> Iterator[dict[str, Any]]:
    """Yield the request lines of the script: settings first, then groups, then actions."""
    yield {"kind": "settings"}
    for number, path in enumerate(plan.groups, start=1):
        yield {"n": number, "op": "group", "path": list(path)}
    for number, action in enumerate(plan.actions, start=1 + len(plan.groups)):
        yield {"n": number, **action.request()}


def read_outcomes(plan: ApprovalPlan, lines: Iterable[Mapping[str, Any]]) -> ApplyOutcome:
    """Read the script's answer; the last line of a number counts.

    An operation without a line counts as failed.
    """
    steps: Sequence[GroupPath | PlannedAction] = (*plan.groups, *plan.actions)
    results = bytearray(1 + len(steps))  # 0: failed, 1: done, 2: already
    failed_lines: dict[int, Mapping[str, Any]] = {}
    for line in lines:
        number = int(line["n"]) if line.get("kind") == "outcome" else 0
        if not 0 < number <= len(steps):
            continue
        result = line.get("result")
        results[number] = 1 + _APPLIED_RESULTS.index(result) if result in _APPLIED_RESULTS else 0
        if not results[number]:
            failed_lines[number] = line
    applied: list[PlannedAction] = []
    failed: list[Failure] = []
    already: list[PlannedAction] = []
    repeated = 0
    for number, step in enumerate(steps, start=1):
        if results[number]:
            repeated += results[number] == 2
            if isinstance(step, PlannedAction):
                applied.append(step)
                already += [step] * (results[number] == 2)
        else:
            failed.append(_failure(step, failed_lines.get(number, {})))
    return ApplyOutcome(tuple(applied), repeated, tuple(failed), tuple(already))


def keep_what_server_shows(outcome: ApplyOutcome, present: ApprovalSet) -> ApplyOutcome:
    """Turn applied actions that the server does not show afterwards into failures.

    If such an action counted as applied, the next import would find it gone and conclude that a
    person on this side had taken it back.

    Args:
        outcome: The outcome that the script reported.
        present: The server's decisions, read after the script ended.
    """
    server = _PresentDecisions(present)
    unseen = [action for action in outcome.applied if not server.shows(action)]
    failed = [
        Failure(NOT_SEEN, action=action, made_instead=server.made_instead_of(action))
        for action in unseen
    ]
    return ApplyOutcome(
        tuple(action for action in outcome.applied if server.shows(action)),
        outcome.repeated - sum(action in outcome.already for action in unseen),
        (*outcome.failed, *failed),
        tuple(action for action in outcome.already if server.shows(action)),
    )


def applied_on_server(plan: ApprovalPlan, present: ApprovalSet) -> ApplyOutcome:
    """Find the actions of a plan that the server shows, after a script without a usable answer."""
    server = _PresentDecisions(present)
    decisions = (action for action in plan.actions if action.operation != "accept-license")
    return ApplyOutcome(tuple(action for action in decisions if server.shows(action)), 0, ())


def with_earlier_tries(
    outcome: ApplyOutcome,
    plan: ApprovalPlan,
    earlier: Iterable[ApprovalPlan],
    present: ApprovalSet,
) -> ApplyOutcome:
    """Add what plans whose scripts were cut off have done, as far as the server shows it.

    The script of a try that lost its connection goes on, so the plan made after it lacks what that
    script has done.

    Args:
        outcome: The outcome of the last try.
        plan: The plan of the last try.
        earlier: The plans of the tries before it.
        present: The server's decisions after the last try.
    """
    server, planned = _PresentDecisions(present), set(plan.actions)
    earlier_plans, made = tuple(earlier), {fold(path) for path in present.groups}
    made -= {fold(path) for path in plan.groups}
    tried = dict.fromkeys(action for before in earlier_plans for action in before.actions)
    done = (action for action in tried if action not in planned and server.shows(action))
    groups = dict.fromkeys(path for before in earlier_plans for path in before.groups)
    return replace(
        outcome,
        applied=(*done, *outcome.applied),
        earlier_groups=tuple(path for path in groups if fold(path) in made),
    )


class _PresentDecisions:
    """The decisions of a server, for looking up the effect of an action."""

    def __init__(self, present: ApprovalSet) -> None:
        self._declined = present.declined_ids().keys()
        self._approvals = present.approvals

    def _approvals_for(self, action: PlannedAction) -> list[Approval]:
        key = _key(action)
        approvals = self._approvals.of_update(action.update_id)
        return [approval for approval in approvals if approval.key == key]

    def shows(self, action: PlannedAction) -> bool:
        approvals = self._approvals_for(action)
        match action.operation:
            case "approve":
                return any(map(action.approval.agrees_with, approvals))
            case "remove":
                present = {(approval.revision, approval.action) for approval in approvals}
                return (action.revision, action.action) not in present
            case "decline":
                return action.update_id in self._declined
            case "undecline":
                return action.update_id not in self._declined
        return True  # accepted licence terms are no decision; the approvals that need them follow

    def made_instead_of(self, action: PlannedAction) -> Approval | None:
        """Find an approval that the server made instead of the planned one."""
        if action.operation != "approve":
            return None
        new = [approval for approval in self._approvals_for(action) if approval != action.replaces]
        return new[-1] if new else None


def next_applied(
    last: ApprovalSet, incoming: ApprovalSet, plan: ApprovalPlan, outcome: ApplyOutcome
) -> ApprovalSet:
    """Compute the decisions that count as applied by us: the base of the next comparison.

    ==========================================================  ===================
    decision                                                    entry afterwards
    ==========================================================  ===================
    incoming, applied or in place already                       the incoming one
    incoming, but parked, held, kept, left out or failed        the earlier one, or none
    no longer incoming, its removal held, left out or failed    the earlier one
    no longer incoming, otherwise                               none
    approval of an update whose decline failed                  the earlier one
    another approval that the server made instead               that approval
    ==========================================================  ===================

    An earlier entry stays so that a later import still recognises our own decision on the server.
    A decision without an entry is new to the next import, which adds it as soon as it may.
    """
    failed = [failure.action for failure in outcome.failed if failure.action is not None]
    failed += plan.left_out
    unapproved = {_key(action) for action in failed if action.operation == "approve"}
    unremoved = {_key(action) for action in failed if action.operation == "remove"}
    undeclined = {action.update_id for action in failed if action.operation == "decline"}
    still_declined = {action.update_id for action in failed if action.operation == "undecline"}
    waiting = _keys((*plan.parked, *plan.held, *plan.kept), "approval")
    held_removals = _keys(plan.held, "removal")
    waiting_declines = {update_id for update_id, _ in _keys((*plan.held, *plan.kept), "decline")}

    made_instead = {
        failure.made_instead.key: failure.made_instead
        for failure in outcome.failed
        if failure.made_instead is not None
    }
    before = ChainMap(made_instead, last.by_key())  # type: ignore[arg-type]  # is only read
    after = incoming.by_key()
    approvals = _merge(before, after, unsettled=waiting | unapproved)
    still_approved = [
        approval
        for key, approval in before.items()
        if key not in after and (key in held_removals | unremoved or key[0] in undeclined)
    ]
    declined_before, declined_after = last.declined_ids(), incoming.declined_ids()
    declines = _merge(declined_before, declined_after, unsettled=waiting_declines | undeclined)
    return ApprovalSet.collect(
        groups=incoming.groups,
        approvals=[*approvals, *still_approved],
        declines=[
            *declines,
            *(declined_before[update] for update in still_declined & declined_before.keys()),
        ],
        licenses=incoming.licenses,
    )


def _keys(decisions: Iterable[Waiting], subject: Subject) -> set[Key]:
    """Return the keys of decisions; of a group that is left out none, as it is one of staging."""
    return {
        (decision.update_id, fold(decision.group))
        for decision in decisions
        if decision.subject == subject and decision.reason is not Reason.GROUP_LEFT_OUT
    }


def _merge(
    before: Mapping[Name, Item], after: Mapping[Name, Item], *, unsettled: Set[Name]
) -> Iterator[Item]:
    """Yield the new item of each name; for an unsettled name the old item, if there is one."""
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
