"""Report on target groups: those that were made or are empty, and the approvals that a rule holds.

Memberships of computers do not cross the gap, so a group that an import made has no computers until
a person, or a policy of the domain, puts some into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from tasks.approvals.apply import ApplyOutcome
from tasks.approvals.group_paths import write_path
from tasks.approvals.group_rules import BUILT_IN_KEYS
from tasks.approvals.model import ApprovalSet, GroupPath, fold
from tasks.approvals.plan_model import ApprovalPlan, Waiting
from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import NO_RULINGS, Rulings
from tasks.quantities import count
from tasks.run.report import ReportDraft

_KEYS = {fold(path): (path, key) for path, key in BUILT_IN_KEYS.items()}
_MOST_NAMES = 20


def report_groups(
    report: ReportDraft, plan: ApprovalPlan, outcome: ApplyOutcome, rulings: Rulings = NO_RULINGS
) -> None:
    """Name the groups that were made, and the key that lets approvals for built-in groups through.

    Args:
        report: The report.
        plan: The plan of approvals.
        outcome: Its outcome.
        rulings: The rulings in force; what a person has acknowledged is not told again.
    """
    failed = {fold(failure.group) for failure in outcome.failed if failure.group is not None}
    for path in plan.groups:
        if fold(path) not in failed:
            report.lines.append(
                f"target group {write_path(path)} was made and has no computers: memberships do "
                "not cross"
            )
    unseen = (waiting for waiting in plan.held if not rulings.acknowledges(waiting))
    for sentence in held_by_rule(unseen):
        if sentence not in report.notices:
            report.notice(sentence)


def report_empty_groups(
    report: ReportDraft, incoming: ApprovalSet, empty_groups: Collection[GroupPath]
) -> None:
    """Name the groups without a computer for which the bundle has approvals."""
    empty = {fold(path): path for path in empty_groups if fold(path) not in _KEYS}
    approved = {fold(approval.group) for approval in incoming.approvals}
    names = [write_path(path) for key, path in sorted(empty.items()) if key in approved]
    if names:
        more = f" and {count(len(names) - _MOST_NAMES)} more" if len(names) > _MOST_NAMES else ""
        groups = count(len(names), "target group has", "target groups have")
        report.lines.append(
            f"{groups} approvals and no computers: {', '.join(names[:_MOST_NAMES])}{more}"
        )


def held_by_rule(held: Iterable[Waiting]) -> list[str]:
    """Return a sentence for each built-in group with held approvals, with its key."""
    numbers: Counter[GroupPath] = Counter(
        fold(decision.group) for decision in held if decision.reason is Reason.BUILT_IN_GROUP
    )
    sentences = []
    for group, number in sorted(numbers.items()):
        path, key = _KEYS[group]
        approvals = count(number, "approval", "approvals")
        sentences.append(
            f"{approvals} for {path[-1]} held: [groups] {key} in the site file lets them through "
            '("apply", or the path of a group of this site)'
        )
    return sentences
