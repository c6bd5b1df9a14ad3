"""The records of the staging side: its chain, its bundles, and the receipts that it accepted.

States of an export record:

===========  ==============================  ==============  ===================================
from         call                            to              when
===========  ==============================  ==============  ===================================
(no record)  ``reserve``                     ``reserved``    a bundle is begun
reserved     ``rebase``                      ``reserved``    a later run changes mode or base
reserved     ``commit``                      ``committed``   the header is final, and the seal is
                                                             about to be written
committed    ``commit`` with the same        ``committed``   the same work is run again
             header
committed    ``mark_sealed``                 ``sealed``      the seal is on the media
reserved     ``void``                        ``void``        server or media have a bundle of this
                                                             number already
committed    ``void``                        ``void``        the bundle can no longer be made as it
                                                             was committed
sealed       ``accept``                      ``sealed``      its receipt came; it is a baseline
===========  ==============================  ==============  ===================================

A sequence number is never used twice, and a committed number keeps its header for ever.
"""

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
    """One sequence number of the chain, with its bundle.

    Attributes:
        sequence: The number, from 1.
        status: See the table of this module.
        base_digest: Header digest of the bundle whose holdings were subtracted; None without one.
        parent_digest: Header digest of the bundle that was sealed before; None for the first one.
        header_digest, fingerprint: None until the record is committed.
        bundle: Path of the bundle's folder on the media.
        folder: Path of the bundle's documents in the state folder.
        receipt: Payload of the accepted receipt as JSON, or None; see ``Exports.accept``.
        accepted: Time at which the receipt was accepted; None before.
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
    """The bundles of one site on the staging side."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection = ledger.connection

    def mint_chain(self) -> str:
        """Return the chain's id; draw a random one (32 hex digits) if there is none yet."""
        return self._ledger.chain or self._ledger.adopt_chain(secrets.token_hex(16))

    def newest(self) -> ExportRecord | None:
        """Find the record with the highest sequence number."""
        return self._find("SELECT * FROM export ORDER BY sequence DESC LIMIT 1")

    def newest_sealed(self) -> ExportRecord | None:
        """Find the newest sealed bundle, which is the parent of the next one."""
        return self._find(
            "SELECT * FROM export WHERE status='sealed' ORDER BY sequence DESC LIMIT 1"
        )

    def by_digest(self, header_digest: Blake3) -> ExportRecord | None:
        """Find the bundle with a header digest."""
        return self._find("SELECT * FROM export WHERE header_digest=?", header_digest.hex)

    def by_sequence(self, sequence: int) -> ExportRecord | None:
        """Find the bundle with a sequence number."""
        return self._find("SELECT * FROM export WHERE sequence=?", sequence)

    def baseline(self) -> ExportRecord | None:
        """Find the newest bundle whose receipt was accepted."""
        return self._find(
            "SELECT * FROM export WHERE accepted IS NOT NULL ORDER BY sequence DESC LIMIT 1"
        )

    def void_since(self, sequence: int) -> list[int]:
        """List the numbers above ``sequence`` that never became a bundle."""
        with self._ledger.reading():
            rows = self._connection.execute(
                "SELECT sequence FROM export WHERE status='void' AND sequence>? ORDER BY sequence",
                (sequence,),
            )
            return [row["sequence"] for row in rows]

    def reserve(self, record: ExportRecord) -> None:
        """Write the record of a new sequence number, durably."""
        values = record.model_dump(mode="json")
        columns = ",".join(values)
        parameters = ",".join("?" * len(values))
        self._connection.execute(
            f"INSERT INTO export ({columns}) VALUES ({parameters})",  # noqa: S608  our own names
            tuple(values.values()),
        )

    def rejoin(self, record: ExportRecord) -> None:
        """Record a sealed bundle that this state folder has lost; only for a person's word.

        Every number above it is given up: its bundle belongs to a chain that nobody follows.
        """
        self._connection.execute("DELETE FROM export WHERE sequence=?", (record.sequence,))
        self.reserve(record)
        self._connection.execute(
            "UPDATE export SET status='void', accepted=NULL, receipt=NULL WHERE sequence>?",
            (record.sequence,),
        )

    def rebase(self, sequence: int, *, mode: Mode, base_digest: Blake3 | None) -> None:
        """Change mode and base of a reserved number; a committed one stays as it is."""
        self._connection.execute(
            "UPDATE export SET mode=?, base_digest=? WHERE sequence=? AND status='reserved'",
            (mode, base_digest.hex if base_digest else None, sequence),
        )

    def commit(self, sequence: int, *, header_digest: Blake3, fingerprint: str) -> None:
        """Bind a sequence number to its header for ever, before the seal exists.

        Raises:
            ValueError: It is bound to another header, or not reserved; the caller's mistake.
        """
        updated = self._connection.execute(
            "UPDATE export SET status='committed', header_digest=?1, fingerprint=?2"
            " WHERE sequence=?3 AND (status='reserved'"
            " OR status='committed' AND header_digest=?1)",
            (header_digest.hex, fingerprint, sequence),
        )
        if updated.rowcount != 1:
            raise ValueError(f"sequence {sequence} is bound to another header")

    def mark_sealed(self, sequence: int, *, now: datetime) -> None:
        """Record that the seal is on the media, so that the bundle is complete."""
        self._connection.execute(
            "UPDATE export SET status='sealed', sealed=? WHERE sequence=?",
            (now.isoformat(), sequence),
        )

    def void(self, sequence: int) -> None:
        """Give up a number whose bundle can no longer be made; it is never used again."""
        self._connection.execute("UPDATE export SET status='void' WHERE sequence=?", (sequence,))

    def accept(self, sequence: int, *, receipt: str | None, now: datetime) -> None:
        """Record the receipt of one of our bundles, which makes the bundle a baseline.

        Args:
            sequence: Number of the bundle.
            receipt: The receipt's payload as JSON. None if there is no list of missing files (a
                typed code, or a site with no way back); then no file counts as missing.
            now: Time at which the receipt was accepted.
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
        """List all records, oldest first."""
        with self._ledger.reading():
            rows = self._connection.execute("SELECT * FROM export ORDER BY 1")
            return [_record(row) for row in rows]

    def _find(self, query: str, *values: object) -> ExportRecord | None:
        with self._ledger.reading():
            row = self._connection.execute(query, values).fetchone()
            return None if row is None else _record(row)


def _record(row: sqlite3.Row) -> ExportRecord:
    return ExportRecord.model_validate(dict(row))
