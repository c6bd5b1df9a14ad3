"""The runs of commands on this side, for ``status``, the newest report, and runs that went away."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, field_validator

from tasks.hosts.locks import LockOwner
from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger


class RunRecord(BaseModel):
    """A run of a command.

    Attributes:
        ended: The time of its end; None while it runs, and after it was killed until
            ``tasks.lost_runs`` finds that.
        outcome: The outcome of its report; ``crashed`` or ``cancelled`` if its process went away.
        flow_run: The id of its run in Prefect; retries have the same.
        attempt: The number of the start of that run in Prefect, counted from 1.
        owner: The process that works on it; None in a record of version 0.1.0.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    command: str
    started: AwareDatetime
    ended: AwareDatetime | None = None
    outcome: str | None = None
    exit_code: int | None = None
    bundle: Path | None = None
    report: Path | None = None
    flow_run: UUID | None = None
    attempt: int | None = None
    owner: LockOwner | None = None

    @field_validator("owner", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value


class Runs:
    """The records of all runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._connection = ledger.connection

    def write(self, record: RunRecord) -> None:
        """Write the record of a run; at its end it replaces the record of its beginning."""
        values = record.model_dump(mode="json")
        values["owner"] = record.owner and record.owner.model_dump_json()
        columns = ", ".join(values)
        names = ", ".join(f":{name}" for name in values)
        self._connection.execute(
            f"INSERT OR REPLACE INTO run ({columns}) VALUES ({names})",  # noqa: S608  our fields
            values,
        )

    def read(self, run_id: str) -> RunRecord | None:
        """Read the record of a run; None if there is none."""
        return next(iter(self._select("WHERE id = ?", (run_id,))), None)

    def newest(self, count: int) -> list[RunRecord]:
        """List up to ``count`` runs, newest first."""
        return self._select("ORDER BY started DESC LIMIT ?", (count,))

    def all(self) -> list[RunRecord]:
        """List all runs, newest first."""
        return self._select("ORDER BY started DESC", ())

    def without_end(self) -> list[RunRecord]:
        """List the runs that work, or went away, newest first."""
        return self._select("WHERE ended IS NULL ORDER BY started DESC", ())

    def newest_of(self, flow_runs: Iterable[UUID]) -> list[RunRecord]:
        """List the newest run of each of these runs of Prefect that this side has begun."""
        newest: list[RunRecord] = []
        for flow_run in flow_runs:
            newest += self._select(
                "WHERE flow_run = ? ORDER BY started DESC LIMIT 1", (str(flow_run),)
            )
        return newest

    def _select(self, clause: str, values: tuple[Any, ...]) -> list[RunRecord]:
        with reading(self._connection):
            rows = self._connection.execute(f"SELECT * FROM run {clause}", values)  # noqa: S608
            return [RunRecord.model_validate(dict(row)) for row in rows]
