"""The findings of checks that a person accepted, so that an export or import went on."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger


class AcceptedFinding(BaseModel):
    """One finding that was accepted (``--accept-finding``), with the reason of the person."""

    model_config = ConfigDict(frozen=True)

    run: str
    finding: str
    evidence: str
    reason: str
    accepted: AwareDatetime


class AcceptedFindings:
    """The records of all of them."""

    def __init__(self, ledger: Ledger) -> None:
        self._connection = ledger.connection

    def remember(
        self, run: str, *, finding: str, evidence: str, reason: str, now: datetime
    ) -> None:
        """Write a record; a step that is retried replaces it."""
        record = AcceptedFinding(
            run=run, finding=finding, evidence=evidence, reason=reason, accepted=now
        )
        self._connection.execute(
            "INSERT OR REPLACE INTO accepted_finding"
            " VALUES (:run,:finding,:evidence,:reason,:accepted)",
            record.model_dump(mode="json"),
        )

    def all(self) -> list[AcceptedFinding]:
        """List all records, oldest first."""
        with reading(self._connection):
            rows = self._connection.execute(
                "SELECT * FROM accepted_finding ORDER BY accepted, run, finding"
            )
            return [AcceptedFinding.model_validate(dict(row)) for row in rows]
