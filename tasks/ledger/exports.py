"""The staging side's memory: its chain, the bundles it made, the receipts it took."""

from __future__ import annotations

import secrets
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.bundle.receipt import Receipt
from tasks.content.fields import Blake3Field
from tasks.content.names import Blake3, ContentDigest
from tasks.ledger.store import Ledger
from tasks.names import Mode

ExportStatus = Literal["reserved", "committed", "sealed", "void"]


class ExportRecord(BaseModel):
    """One sequence number of the chain and what became of it.

    ``reserved``: work has begun. ``committed``: header digest and place stand here durably, the
    seal may follow. ``sealed``: the bundle is whole on the media. ``void``: it can no longer be
    made; the number is never used again.
    """

    model_config = ConfigDict(frozen=True)

    sequence: int
    status: ExportStatus
    mode: Mode
    base_digest: Blake3Field | None
    parent_digest: Blake3Field | None
    header_digest: Blake3Field | None
    fingerprint: str | None
    bundle: Path
    folder: Path
    created: AwareDatetime
    sealed: AwareDatetime | None
    receipt: str | None
    accepted: AwareDatetime | None


class Exports:
    """Bundles of one site, as the staging side knows them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection = ledger.connection

    def mint_chain(self) -> str:
        """Draw the chain's random id (32 hex digits) unless there is one; return it."""
        return self._ledger.chain or self._ledger.adopt_chain(secrets.token_hex(16))

    def newest(self) -> ExportRecord | None:
        """The record with the highest sequence."""
        return self._one("SELECT * FROM export ORDER BY sequence DESC LIMIT 1")

    def newest_sealed(self) -> ExportRecord | None:
        """The newest whole bundle: the parent of the next one."""
        return self._one(
            "SELECT * FROM export WHERE status='sealed' ORDER BY sequence DESC LIMIT 1"
        )

    def by_digest(self, header_digest: Blake3) -> ExportRecord | None:
        """The bundle with this header digest."""
        return self._one("SELECT * FROM export WHERE header_digest=?", header_digest.hex)

    def by_sequence(self, sequence: int) -> ExportRecord | None:
        """The bundle with this sequence number."""
        return self._one("SELECT * FROM export WHERE sequence=?", sequence)

    def baseline(self) -> ExportRecord | None:
        """The newest bundle whose receipt was accepted."""
        return self._one(
            "SELECT * FROM export WHERE accepted IS NOT NULL ORDER BY sequence DESC LIMIT 1"
        )

    def void_since(self, sequence: int) -> list[int]:
        """Numbers after ``sequence`` that never became a bundle."""
        with self._ledger.reading():
            rows = self._connection.execute(
                "SELECT sequence FROM export WHERE status='void' AND sequence>? ORDER BY sequence",
                (sequence,),
            )
            return [row["sequence"] for row in rows]

    def reserve(self, record: ExportRecord) -> None:
        """Take a new sequence number, durably."""
        values = record.model_dump(mode="json")
        columns = ",".join(values)
        marks = ",".join("?" * len(values))
        self._connection.execute(
            f"INSERT INTO export ({columns}) VALUES ({marks})",  # noqa: S608  names are our own
            tuple(values.values()),
        )

    def rebase(self, sequence: int, *, mode: Mode, base_digest: Blake3 | None) -> None:
        """Change what a reserved number will hold; nothing was committed for it yet."""
        self._connection.execute(
            "UPDATE export SET mode=?, base_digest=? WHERE sequence=? AND status='reserved'",
            (mode, base_digest.hex if base_digest else None, sequence),
        )

    def commit(self, sequence: int, *, header_digest: Blake3, fingerprint: str) -> None:
        """Bind a sequence to its header before the seal exists. It never gets another.

        Raises:
            ValueError: It has another already; the caller's mistake.
        """
        done = self._connection.execute(
            "UPDATE export SET status='committed', header_digest=?1, fingerprint=?2"
            " WHERE sequence=?3 AND (status='reserved'"
            " OR status='committed' AND header_digest=?1)",
            (header_digest.hex, fingerprint, sequence),
        )
        if done.rowcount != 1:
            raise ValueError(f"sequence {sequence} is bound to another header")

    def mark_sealed(self, sequence: int, *, now: datetime) -> None:
        """The seal lies on the media; the bundle is whole."""
        self._connection.execute(
            "UPDATE export SET status='sealed', sealed=? WHERE sequence=?",
            (now.isoformat(), sequence),
        )

    def void(self, sequence: int) -> None:
        """Give a number up: what was committed for it can no longer be made."""
        self._connection.execute("UPDATE export SET status='void' WHERE sequence=?", (sequence,))

    def accept(self, sequence: int, *, receipt: str | None, now: datetime) -> None:
        """Take a receipt for one of our bundles.

        ``receipt`` is its payload as JSON; None when there is no list of what is missing (a typed
        code, or a site with no way back): then nothing is.
        """
        self._connection.execute(
            "UPDATE export SET receipt=?, accepted=? WHERE sequence=?",
            (receipt, now.isoformat(), sequence),
        )

    def missing_after(self, record: ExportRecord) -> frozenset[ContentDigest]:
        """The content that the receipt of a bundle lists as missing."""
        if record.receipt is None:
            return frozenset()
        with self._ledger.reading():
            return Receipt.model_validate_json(record.receipt).missing_digests()

    def all(self) -> list[ExportRecord]:
        """Every record, oldest first."""
        with self._ledger.reading():
            rows = self._connection.execute("SELECT * FROM export ORDER BY 1")
            return [_record(row) for row in rows]

    def _one(self, query: str, *values: object) -> ExportRecord | None:
        with self._ledger.reading():
            row = self._connection.execute(query, values).fetchone()
            return None if row is None else _record(row)


def _record(row: sqlite3.Row) -> ExportRecord:
    return ExportRecord.model_validate(dict(row))
