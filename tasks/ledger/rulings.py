"""The rulings of people about what waits: appended, revoked, never deleted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from tasks.approvals.rulings import Ruling, Rulings
from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger


class StoredRulings:
    """The records of all of them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection = ledger.connection

    def record(self, rulings: Iterable[Ruling]) -> None:
        """Record rulings in one transaction; an earlier one that each replaces ends with it."""
        with self._ledger.transaction():
            for ruling in rulings:
                earlier = [other for other in self._unrevoked() if ruling.replaces(other)]
                for other in earlier:
                    self._end(other, by=ruling.account, reason="replaced", now=ruling.decided)
                self._insert(ruling)

    def revoke(self, numbers: Collection[int], *, account: str, reason: str, now: datetime) -> None:
        """Revoke rulings by their numbers, in one transaction."""
        with self._ledger.transaction():
            for ruling in self._unrevoked():
                if ruling.number in numbers:
                    self._end(ruling, by=account, reason=reason, now=now)

    def in_force(self, now: datetime) -> list[Ruling]:
        """List the rulings that are neither revoked nor over, oldest first."""
        with reading(self._connection):
            return [ruling for ruling in self._unrevoked() if ruling.is_in_force(now)]

    def look_up(self, now: datetime) -> Rulings:
        """Return the rulings in force, to be asked about a decision."""
        return Rulings(self.in_force(now))

    def all(self) -> list[Ruling]:
        """List all of them, oldest first."""
        with reading(self._connection):
            rows = self._connection.execute("SELECT * FROM ruling ORDER BY number")
            return [_read(row) for row in rows]

    def _unrevoked(self) -> list[Ruling]:
        rows = self._connection.execute(
            "SELECT * FROM ruling WHERE revoked IS NULL ORDER BY number"
        )
        return [_read(row) for row in rows]

    def _insert(self, ruling: Ruling) -> None:
        values: dict[str, Any] = ruling.model_dump(mode="json", exclude={"number"})
        values["group_path"] = json.dumps(values.pop("group"))
        columns = ", ".join(f'"{name}"' for name in values)
        names = ", ".join(f":{name}" for name in values)
        self._connection.execute(
            f"INSERT INTO ruling ({columns}) VALUES ({names})",  # noqa: S608  our fields
            values,
        )

    def _end(self, ruling: Ruling, *, by: str, reason: str, now: datetime) -> None:
        self._connection.execute(
            "UPDATE ruling SET revoked=?, revoked_by=?, revoked_reason=? WHERE number=?",
            (now.isoformat(), by, reason, ruling.number),
        )


def _read(row: sqlite3.Row) -> Ruling:
    values = dict(row)
    values["group"] = tuple(json.loads(values.pop("group_path")))
    return Ruling.model_validate(values)
