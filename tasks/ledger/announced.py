"""Names of what people were told already, so that they are told once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from tasks.ledger.store import Ledger


class Announced:
    """Names of things of a few topics, each with the time at which people were told."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection = ledger.connection

    def add(self, topic: str, name: str, *, now: datetime) -> bool:
        """Record a name, and return True if it is new; of two processes one gets True."""
        inserted = self._connection.execute(
            "INSERT INTO announced VALUES (?, ?, ?) ON CONFLICT(topic, name) DO NOTHING",
            (topic, name, now.astimezone(UTC).isoformat()),
        )
        return inserted.rowcount == 1

    def replace(self, topic: str, names: Iterable[str], *, now: datetime) -> bool:
        """Make these the names of a topic, and return True if one of them is new."""
        given = set(names)
        with self._ledger.transaction():
            rows = self._connection.execute("SELECT name FROM announced WHERE topic=?", (topic,))
            before = {str(row["name"]) for row in rows}
            gone = [(topic, name) for name in before - given]
            self._connection.executemany("DELETE FROM announced WHERE topic=? AND name=?", gone)
            new = [self.add(topic, name, now=now) for name in sorted(given - before)]
        return any(new)
