"""Parked and held decisions that the ledger remembers, in the shape of the JSON output."""

from __future__ import annotations

from typing import Literal

from tasks.ledger.imports import Imports
from tasks.reports.model import ApprovalLine, approval_lines


def waiting_decisions(
    imports: Imports, state: Literal["parked", "held"]
) -> tuple[ApprovalLine, ...]:
    """Read the parked or the held decisions, as the report has them.

    Raises:
        HostFileError: The ledger is damaged.
    """
    with imports.reading():
        return approval_lines(
            {**decision.document, "reason": decision.reason}
            for decision in imports.decisions(state)
        )
