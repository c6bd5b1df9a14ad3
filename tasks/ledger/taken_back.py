"""Decisions that staging has taken back, by which a server that was set back is known again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.ledger.store import Ledger


class TakenBack:
    """The decisions of one site that were applied here once and are not wanted any more."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield them in the wire form of decisions, in the same order; within ``reading``."""
        for row in self._ledger.connection.execute("SELECT line FROM taken_back ORDER BY line"):
            line = json.loads(row[0])
            if not isinstance(line, dict):
                raise TypeError(f"no decision: {line!r}")
            yield line

    def replace(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Replace them all, in one transaction."""
        with self._ledger.transaction():
            self._ledger.connection.execute("DELETE FROM taken_back")
            self._ledger.connection.executemany(
                "INSERT OR IGNORE INTO taken_back VALUES (?)",
                ((json.dumps(line, ensure_ascii=False, sort_keys=True),) for line in lines),
            )
