"""The decisions of a bundle in the terms of this site: its groups and its deadlines. Pure.

The planner, the ledger and every report have only translated decisions, so the three sides of the
comparison speak of the same groups. If the rules change, the next plan finds our approvals under
the old rules as decisions that staging no longer has, and the same approvals under the new rules
as new ones: it adds and removes within the site's limits, and keeps what a person changed.

Two groups of staging may become one group here. An approval for either then counts for it, the
newest revision wins, and an update on which the two disagree (another action, deadline or option)
is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from tasks.approvals.columns import Gathering
from tasks.approvals.group_rules import GroupRules
from tasks.approvals.model import (
    ALL_COMPUTERS,
    DEADLINE_YEARS,
    Action,
    Approval,
    ApprovalSet,
    GroupPath,
    Key,
    fold,
)
from tasks.approvals.plan_model import Waiting
from tasks.approvals.policy import Deadlines, ShiftedDeadlines
from tasks.approvals.reasons import Reason

_EARLIEST = datetime(DEADLINE_YEARS.start, 1, 1, tzinfo=UTC)
_LATEST = datetime(DEADLINE_YEARS.stop - 1, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Withheld:
    """Approvals that the site's rules for groups hold.

    Attributes:
        held: Keys of approvals for built-in groups.
        disagreeing: Keys on which two groups of staging that are one group here disagree.
        left_out: Approvals for groups that the rules leave out, for the group of staging.
    """

    held: Collection[Key] = frozenset()
    disagreeing: Collection[Key] = frozenset()
    left_out: tuple[Waiting, ...] = ()

    def reason(self, approval: Approval) -> Reason | None:
        """Return the reason for which an approval is held; None if it is not."""
        if approval.key in self.held:
            return Reason.BUILT_IN_GROUP
        return Reason.GROUPS_DISAGREE if approval.key in self.disagreeing else None


NOTHING_WITHHELD = Withheld()


@dataclass(frozen=True, slots=True)
class Translation:
    """A bundle's decisions as this site takes them.

    Attributes:
        incoming: The decisions, for groups of this site. Approvals that the rules hold are among
            them, except those for groups that are left out.
        withheld: The approvals that the rules hold.
        unused: Keys of ``[groups.map]`` for which staging has no group.
    """

    incoming: ApprovalSet
    withheld: Withheld = NOTHING_WITHHELD
    unused: tuple[str, ...] = ()


def translate(
    decisions: ApprovalSet, rules: GroupRules, deadlines: Deadlines = "keep"
) -> Translation:
    """Translate a bundle's decisions."""
    work = _Work(rules, deadlines)
    for _, approvals in groupby(decisions.approvals, key=lambda approval: approval.update_id):
        work.add_update(list(approvals))
    targets = (rules.target(path) for path in decisions.groups)
    groups = {path for path in targets if path is not None}
    return Translation(
        incoming=replace(
            decisions, groups=tuple(sorted(groups)), approvals=work.approvals.sorted()
        ),
        withheld=Withheld(frozenset(work.held), frozenset(work.disagreeing), tuple(work.left_out)),
        unused=rules.unused(decisions.groups),
    )


@dataclass
class _Work:
    rules: GroupRules
    deadlines: Deadlines
    approvals: Gathering[Approval] = field(default_factory=lambda: Gathering(Approval))
    held: set[Key] = field(default_factory=set)
    disagreeing: set[Key] = field(default_factory=set)
    left_out: list[Waiting] = field(default_factory=list)

    def add_update(self, approvals: list[Approval]) -> None:
        """Translate all approvals of one update; ascending by revision."""
        # The newest revision of a group counts.
        by_source = {fold(approval.group): approval for approval in approvals}
        by_target: dict[Key, Approval] = {}
        for approval in self._translated(by_source.values()):
            other = by_target.setdefault(approval.key, approval)
            if other.terms != approval.terms:
                self.disagreeing.add(approval.key)
            if approval.revision > other.revision:
                by_target[approval.key] = approval
        for approval in by_target.values():
            self.approvals.add(approval)

    def _translated(self, approvals: Collection[Approval]) -> Iterator[Approval]:
        for approval in approvals:
            target = self.rules.target(approval.group)
            is_held = self.rules.is_held(approval.group)
            moved = replace(approval, deadline=_deadline(approval.deadline, self.deadlines))
            if target is None:
                self.left_out.append(Waiting.of_approval(moved, Reason.GROUP_LEFT_OUT, "approval"))
            elif _is_void(moved, target) and not is_held:
                continue
            else:
                moved = replace(moved, group=target)
                if is_held:
                    self.held.add(moved.key)
                yield moved


def _is_void(approval: Approval, target: GroupPath) -> bool:
    """Return True for a block of All Computers: no group is above it, so nothing is blocked.

    WSUS refuses it (Microsoft's description of ``IUpdate.Approve``).
    """
    return approval.action is Action.NOT_APPROVED and fold(target) == fold(ALL_COMPUTERS)


def _deadline(deadline: datetime | None, rule: Deadlines) -> datetime | None:
    """Return a deadline by the site's rule; it stays within the years that WSUS can store."""
    if deadline is None or rule == "drop":
        return None
    if not isinstance(rule, ShiftedDeadlines):
        return deadline
    shift = timedelta(days=rule.shift_days)
    if shift > timedelta(0):
        return min(deadline, _LATEST - shift) + shift
    return max(deadline, _EARLIEST - shift) + shift
