"""Parked and held decisions that the ledger remembers, in the shape of the JSON output."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from tasks.approvals.model import Action
from tasks.approvals.plan_model import Subject, Waiting
from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import NO_RULINGS, Rulings
from tasks.ledger.imports import Imports, RememberedDecision
from tasks.reports.model import ApprovalLine, approval_lines

WaitingState = Literal["parked", "held"]


def waiting_decisions(
    imports: Imports, state: WaitingState, rulings: Rulings = NO_RULINGS
) -> tuple[ApprovalLine, ...]:
    """Read the parked or the held decisions, as the report has them.

    Args:
        imports: The ledger's imports.
        state: The list to read.
        rulings: The rulings in force; what a person has acknowledged does not flag a run.

    Raises:
        HostFileError: The ledger is damaged.
    """
    with imports.reading():
        return approval_lines(
            {
                **decision.document,
                "reason": decision.reason,
                "is_acknowledged": is_acknowledged(decision, rulings),
            }
            for decision in imports.decisions(state)
        )


def is_acknowledged(decision: RememberedDecision, rulings: Rulings) -> bool:
    """Return True if a person has seen this very decision waiting, for this very reason."""
    waiting = as_waiting(decision)
    return waiting is not None and rulings.acknowledges(waiting)


def as_waiting(decision: RememberedDecision) -> Waiting | None:
    """Return a remembered decision as the planner has it; None if its reason is unknown.

    Raises:
        ValueError: Its body is damaged.
    """
    if decision.reason not in {reason.value for reason in Reason}:
        return None
    body = decision.document
    action = body.get("action")
    deadline = body.get("deadline")
    return Waiting(
        subject=subject_of(body),
        reason=Reason(decision.reason),
        update_id=decision.update_id,
        revision=decision.revision,
        group=tuple(body.get("group") or ()),
        action=None if action is None else Action(action),
        deadline=None if deadline is None else datetime.fromisoformat(deadline),
        optional=bool(body.get("optional")),
    )


def subject_of(body: dict[str, Any]) -> Subject:
    """Return the kind of a remembered decision; only the removal of an approval says its own."""
    if body.get("subject") == "removal":
        return "removal"
    return "decline" if body.get("action") is None else "approval"
