"""Report on target groups: those that were made or are empty, and the approvals that a rule holds.

Memberships of computers do not cross the gap, so a group that an import made has no computers until
a person, or a policy of the domain, puts some into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tasks.approvals.apply import ApplyOutcome
from tasks.approvals.group_paths import write_path
from tasks.approvals.group_rules import BUILT_IN_KEYS
from tasks.approvals.model import GroupPath, fold
from tasks.approvals.plan_model import ApprovalPlan, Waiting
from tasks.approvals.reasons import Reason
from tasks.quantities import count
from tasks.run.report import ReportDraft

_KEYS = {fold(path): (path, key) for path, key in BUILT_IN_KEYS.items()}


def report_groups(report: ReportDraft, plan: ApprovalPlan, outcome: ApplyOutcome) -> None:
    """Name the groups that were made, and the key that lets approvals for built-in groups through.

    Args:
        report: The report.
        plan: The plan of approvals.
        outcome: Its outcome.
    """
    failed = {fold(failure.group) for failure in outcome.failed if failure.group is not None}
    for path in plan.groups:
        if fold(path) not in failed:
            report.lines.append(
                f"target group {write_path(path)} was made and has no computers: memberships do "
                "not cross"
            )
    for sentence in held_by_rule(plan.held):
        if sentence not in report.notices:
            report.notice(sentence)


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
