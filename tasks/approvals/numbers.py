"""Numbers of what became of a plan: planned = applied + already so + void + failed. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.approvals.apply import ApplyOutcome
from tasks.approvals.plan_model import ApprovalPlan, PlannedAction

_Step = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PlanNumbers:
    """The steps of a plan (changes of decisions, and target groups to make) by what became of them.

    Attributes:
        planned: All that were planned, before the metadata were loaded or after.
        applied: Made by this run.
        already: On the server already when the script came to them.
        void: Planned before the metadata were loaded and not needed any more, or waiting now; or
            left to a later import, because they are beyond the site's limits.
        failed: The server refused them, or does not show them.
    """

    planned: int
    applied: int
    already: int
    void: int
    failed: int

    def as_json(self) -> dict[str, int]:
        """Return the numbers by name."""
        return asdict(self)


def count_plan(first: ApprovalPlan, applied: ApprovalPlan, outcome: ApplyOutcome) -> PlanNumbers:
    """Count the steps of a plan.

    Args:
        first: The plan before the first change, which a person was shown.
        applied: The plan that was applied, made again with the metadata loaded.
        outcome: The outcome of ``applied``; its actions may be more than that plan's, by earlier
            tries.
    """
    done = _steps(applied) | set(map(_step, outcome.applied))
    done |= {("group", *path) for path in outcome.earlier_groups}
    planned = done | _steps(first) | {_step(action) for action in applied.left_out}
    already = outcome.repeated
    failed = len(outcome.failed)
    return PlanNumbers(
        planned=len(planned),
        applied=len(done) - already - failed,
        already=already,
        void=len(planned) - len(done),
        failed=failed,
    )


def _steps(plan: ApprovalPlan) -> set[_Step]:
    return {("group", *path) for path in plan.groups} | set(map(_step, plan.actions))


def _step(action: PlannedAction) -> _Step:
    return (
        action.operation,
        action.update_id,
        action.revision,
        action.group,
        action.action,
        action.deadline,
        action.optional,
    )
