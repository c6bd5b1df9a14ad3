"""Decisions that wait, as the ledger has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from tasks.run.context import RunContext


def waiting_of(run: RunContext, state: Literal["parked", "held"]) -> Iterator[dict[str, object]]:
    """Yield the parked or held decisions that are remembered, in the shape of the JSON output."""
    return (
        {**json.loads(decision.body), "reason": decision.reason}
        for decision in run.imports.decisions(state)
    )
