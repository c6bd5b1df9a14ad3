"""The disconnected side's memory: imported bundles, what was applied, what waits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from tasks.bundle.receipt import ReceiptOutcome
from tasks.content.fields import Blake3Field
from tasks.content.names import Blake3
from tasks.ledger.facts import read_fact, write_fact
from tasks.ledger.store import Ledger

ImportStatus = Literal["begun", "done"]
DecisionState = Literal["applied", "parked", "held"]


class ImportRecord(BaseModel):
    """One bundle that changed, or began to change, the disconnected server."""

    model_config = ConfigDict(frozen=True)

    header_digest: Blake3Field
    sequence: int
    status: ImportStatus
    folder: Path
    created: AwareDatetime
    begun: AwareDatetime
    done: AwareDatetime | None
    outcome: ReceiptOutcome | None


@dataclass(frozen=True, slots=True)
class RememberedDecision:
    """One remembered decision: ``body`` is its canonical JSON, ``state`` the set it is in."""

    state: DecisionState
    update_id: str
    revision: int
    group_path: str
    body: str
    reason: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The body, read.

        Raises:
            ValueError: It is no JSON object.
        """
        document = json.loads(self.body)
        if not isinstance(document, dict):
            raise ValueError("the body of a decision is no JSON object")  # noqa: TRY004  of a file
        return document


_DECISION = TypeAdapter(RememberedDecision)


class Imports:
    """Imports of one site, as the disconnected side knows them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection = ledger.connection

    def by_digest(self, header_digest: Blake3) -> ImportRecord | None:
        """The import of the bundle with this header digest."""
        return self._one("SELECT * FROM import WHERE header_digest=?", header_digest.hex)

    def newest(self) -> ImportRecord | None:
        """The import with the highest sequence, finished or not."""
        return self._one("SELECT * FROM import ORDER BY sequence DESC LIMIT 1")

    def newest_done(self) -> ImportRecord | None:
        """The newest finished import."""
        return self._one("SELECT * FROM import WHERE status='done' ORDER BY sequence DESC LIMIT 1")

    def all(self) -> list[ImportRecord]:
        """Every record, oldest first."""
        with self._ledger.reading():
            rows = self._connection.execute("SELECT * FROM import ORDER BY sequence")
            return [ImportRecord.model_validate(dict(row)) for row in rows]

    def begin(self, record: ImportRecord) -> None:
        """Remember, before the first change, that this bundle is being imported."""
        self._connection.execute(
            "INSERT INTO import VALUES (:header_digest,:sequence,:status,:folder,:created,:begun,"
            ":done,:outcome) ON CONFLICT(header_digest) DO NOTHING",
            record.model_dump(mode="json"),
        )

    def finish(self, header_digest: Blake3, *, outcome: ReceiptOutcome, now: datetime) -> None:
        """Remember the end of an import, durably; the receipt is derived from it."""
        self._connection.execute(
            "UPDATE import SET status='done', done=?, outcome=?"
            " WHERE header_digest=? AND status='begun'",
            (now.isoformat(), outcome, header_digest.hex),
        )

    @property
    def lost_bundle(self) -> int | None:
        """The bundle that later ones counted on and that never came; None when all was brought."""
        with self._ledger.reading():
            text = read_fact(self._connection, "lost_bundle")
            return int(text) if text else None

    def remember_lost(self, sequence: int | None) -> None:
        """Remember that a bundle never came, or that what it carried has been brought since."""
        text = "" if sequence is None else str(sequence)
        write_fact(self._connection, "lost_bundle", text)

    def remember(self, decisions: Iterable[RememberedDecision]) -> None:
        """Replace the remembered decisions, in one transaction."""
        with self._ledger.transaction():
            self._connection.execute("DELETE FROM decision")
            self._connection.executemany(
                "INSERT OR REPLACE INTO decision"
                " VALUES (:state,:update_id,:revision,:group_path,:body,:reason)",
                map(asdict, decisions),
            )

    def decisions(self, state: DecisionState) -> Iterator[RememberedDecision]:
        """Yield the decisions of one set, in stable order."""
        with self._ledger.reading():
            rows = self._connection.execute(
                "SELECT state, update_id, revision, group_path, body, reason FROM decision"
                " WHERE state=? ORDER BY update_id, revision, group_path, body",
                (state,),
            )
            for row in rows:
                yield _DECISION.validate_python(dict(row))

    def _one(self, query: str, *values: object) -> ImportRecord | None:
        with self._ledger.reading():
            row: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return None if row is None else ImportRecord.model_validate(dict(row))
