"""The runs of commands on this side, for ``status`` and for the newest report."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger


class RunRecord(BaseModel):
    """A run of a command; ``ended`` is None while it runs, and stays None if it is killed."""

    model_config = ConfigDict(frozen=True)

    id: str
    command: str
    started: AwareDatetime
    ended: AwareDatetime | None = None
    outcome: str | None = None
    exit_code: int | None = None
    bundle: Path | None = None
    report: Path | None = None


class Runs:
    """The records of all runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._connection = ledger.connection

    def write(self, record: RunRecord) -> None:
        """Write the record of a run; at its end it replaces the record of its beginning."""
        self._connection.execute(
            "INSERT OR REPLACE INTO run VALUES (:id,:command,:started,:ended,:outcome,:exit_code,"
            ":bundle,:report)",
            record.model_dump(mode="json"),
        )

    def newest(self, count: int) -> list[RunRecord]:
        """List up to ``count`` runs, newest first."""
        with reading(self._connection):
            rows = self._connection.execute(
                "SELECT * FROM run ORDER BY started DESC LIMIT ?", (count,)
            )
            return [RunRecord.model_validate(dict(row)) for row in rows]
