"""The inventories of the disconnected server that the staging side accepted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.content.fields import Blake3Field
from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger


class InventoryRecord(BaseModel):
    """An accepted inventory.

    Attributes:
        digest: Digest of its sealed payload.
        entries: Digest of its list of files.
        files: Number of files in it.
        folder: Path of the list in the state folder.
        accepted: Time at which it was accepted.
    """

    model_config = ConfigDict(frozen=True)

    digest: Blake3Field
    entries: Blake3Field
    files: int
    folder: Path
    accepted: AwareDatetime


class Inventories:
    """The inventories of one site on the staging side."""

    def __init__(self, ledger: Ledger) -> None:
        self._connection = ledger.connection

    def accept(self, record: InventoryRecord) -> None:
        """Record an inventory; one that was accepted before counts from now on again."""
        values = record.model_dump(mode="json")
        self._connection.execute(
            "INSERT OR REPLACE INTO inventory VALUES (:digest,:entries,:files,:folder,:accepted)",
            values,
        )

    def newest(self) -> InventoryRecord | None:
        """Find the inventory that was accepted last."""
        with reading(self._connection):
            row = self._connection.execute(
                "SELECT * FROM inventory ORDER BY accepted DESC LIMIT 1"
            ).fetchone()
            return None if row is None else InventoryRecord.model_validate(dict(row))

    def accepted_before(self, moment: datetime) -> bool:
        """Return True if the newest inventory was accepted before a time."""
        newest = self.newest()
        return newest is not None and newest.accepted <= moment
