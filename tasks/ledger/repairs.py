"""The repairs that were carried out, with the old values, so that they can be undone."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger


class RepairRecord(BaseModel):
    """One repair.

    Attributes:
        run: The run that began it.
        finding: Id of the finding.
        plan: The plan as JSON, with the old values.
        begun: Time just before the first change.
        done: Time after the last change and restart; None if that is still to come.
        undone: Time at which the old values were back; None before that.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    finding: str
    plan: str
    begun: AwareDatetime
    done: AwareDatetime | None = None
    undone: AwareDatetime | None = None


class Repairs:
    """The records of all repairs of this side's server."""

    def __init__(self, ledger: Ledger) -> None:
        self._connection = ledger.connection

    def begin(self, record: RepairRecord) -> None:
        """Write a record before the first change; one of the same run is replaced."""
        self._connection.execute(
            "INSERT OR REPLACE INTO repair VALUES (:run,:finding,:plan,:begun,:done,:undone)",
            record.model_dump(mode="json"),
        )

    def finish(self, record: RepairRecord, *, now: datetime) -> None:
        """Record that the changes of a repair are made."""
        self._set_time("done", record, now)

    def finish_undo(self, record: RepairRecord, *, now: datetime) -> None:
        """Record that the old values are back."""
        self._set_time("undone", record, now)

    def newest(self, finding: str) -> RepairRecord | None:
        """Read the newest repair of a finding that was not undone; None if there is none."""
        with reading(self._connection):
            row = self._connection.execute(
                "SELECT * FROM repair WHERE finding = ? AND undone IS NULL"
                " ORDER BY begun DESC, rowid DESC LIMIT 1",
                (finding,),
            ).fetchone()
            return None if row is None else RepairRecord.model_validate(dict(row))

    def begun_unfinished(self) -> frozenset[int]:
        """Return the seconds (POSIX time) at which the unfinished repairs began."""
        with reading(self._connection):
            rows = self._connection.execute(
                "SELECT begun FROM repair WHERE done IS NULL AND undone IS NULL"
            )
            return frozenset(int(datetime.fromisoformat(row[0]).timestamp()) for row in rows)

    def _set_time(self, column: str, record: RepairRecord, now: datetime) -> None:
        self._connection.execute(
            f"UPDATE repair SET {column} = ? WHERE run = ?",  # noqa: S608  our columns
            (now.isoformat(), record.run),
        )
