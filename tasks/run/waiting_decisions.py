"""Decisions that wait, as the ledger has them."""

from __future__ import annotations

import json
from typing import Literal

from tasks.run.context import RunContext


def waiting_of(run: RunContext, state: Literal["parked", "held"]) -> list[dict[str, object]]:
    """The parked or held decisions that this site remembers, in the shape of the JSON output."""
    return [
        {**json.loads(decision.body), "reason": decision.reason}
        for decision in run.imports.decisions(state)
    ]
