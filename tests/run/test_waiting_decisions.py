"""Decisions that wait, as the newest import left them in the ledger."""

from __future__ import annotations

import json

from tasks.ledger.imports import DecisionState, RememberedDecision
from tasks.reports.model import ApprovalLine
from tasks.run.context import RunContext
from tasks.run.waiting_decisions import waiting_decisions
from tests.support.bundles import NOW


def decision(state: DecisionState, update_id: str, reason: str = "") -> RememberedDecision:
    body = {"update_id": update_id, "revision": 1, "group": ["All Computers"]}
    return RememberedDecision(state, update_id, 1, "[]", json.dumps(body), reason)


def test_each_state_has_its_own_decisions_with_the_reason_beside_them(
    disconnected: RunContext,
) -> None:
    disconnected.imports.remember(
        [
            decision("held", "b", "licence"),
            decision("applied", "c"),
            decision("parked", "a", "content-missing"),
            decision("held", "a", "deadline"),
        ],
        now=NOW,
    )
    group = ("All Computers",)
    assert waiting_decisions(disconnected.imports, "parked") == (
        ApprovalLine("a", 1, group, reason="content-missing"),
    )
    assert waiting_decisions(disconnected.imports, "held") == (
        ApprovalLine("a", 1, group, reason="deadline"),
        ApprovalLine("b", 1, group, reason="licence"),
    )


def test_nothing_waits_before_the_first_import(disconnected: RunContext) -> None:
    assert [
        *waiting_decisions(disconnected.imports, "parked"),
        *waiting_decisions(disconnected.imports, "held"),
    ] == []
