"""Parked and held decisions that the ledger remembers, in the shape of the JSON output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from tasks.ledger.imports import Imports


def waiting_decisions(
    imports: Imports, state: Literal["parked", "held"]
) -> Iterator[dict[str, object]]:
    """Yield the parked or the held decisions, each with its reason."""
    return (
        {**json.loads(decision.body), "reason": decision.reason}
        for decision in imports.decisions(state)
    )
