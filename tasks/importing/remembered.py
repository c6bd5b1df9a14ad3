"""Decisions as the ledger remembers them after a plan was applied. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.approvals.model import ApprovalSet
from tasks.approvals.plan_model import ApprovalPlan, Waiting
from tasks.ledger.imports import DecisionState, RememberedDecision


def remembered(plan: ApprovalPlan, applied: ApprovalSet) -> Iterator[RememberedDecision]:
    """Yield what the ledger remembers after a plan: what counts as applied, and what waits."""
    yield from remembered_as_applied(applied)
    for waiting in plan.parked:
        yield _waiting("parked", waiting)
    for waiting in plan.held:
        yield _waiting("held", waiting)


def remembered_as_applied(decided: ApprovalSet) -> Iterator[RememberedDecision]:
    """Yield decisions as the ledger remembers those that were applied."""
    for line in decided.lines():
        yield _decision("applied", line, str(line.get("update_id", "")), "")


def _waiting(state: DecisionState, waiting: Waiting) -> RememberedDecision:
    body = waiting.as_json()
    reason = str(body.pop("reason"))
    if waiting.subject == "removal":  # its other keys are those of the approval
        body["subject"] = waiting.subject
    return _decision(state, body, waiting.update_id, reason)


def _decision(
    state: DecisionState, body: Mapping[str, Any], update_id: str, reason: str
) -> RememberedDecision:
    return RememberedDecision(
        state=state,
        update_id=update_id,
        revision=body.get("revision") or 0,
        group_path=json.dumps(body.get("group") or body.get("path") or []),
        body=json.dumps(body, ensure_ascii=False, sort_keys=True),
        reason=reason,
    )
