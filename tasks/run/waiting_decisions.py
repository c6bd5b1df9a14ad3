"""Decisions that wait, as the ledger has them."""

from __future__ import annotations

from typing import Literal

from tasks.reports.model import ApprovalLine, approval_lines
from tasks.run.context import RunContext


def waiting_of(run: RunContext, state: Literal["parked", "held"]) -> tuple[ApprovalLine, ...]:
    """Read the parked or held decisions that are remembered, as the report has them.

    Raises:
        HostFileError: The ledger is damaged.
    """
    with run.ledger.reading():
        return approval_lines(
            {**decision.document, "reason": decision.reason}
            for decision in run.imports.decisions(state)
        )
