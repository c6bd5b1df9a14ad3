"""The choices of persons that a run went by: a base, a gap, a chain that was re-joined."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger

ChoiceKind = Literal["since", "bring", "accept-gap", "recover", "restore-deleted"]


class Choice(BaseModel):
    """A choice that a person made for one run.

    Attributes:
        run: Id of the run.
        sequence: Number of the bundle that it is about; None without one.
        reason: The person's reason, or what was chosen.
        made: Time of the run.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    kind: ChoiceKind
    sequence: int | None
    reason: str
    made: AwareDatetime


class Choices:
    """The choices of persons on one side."""

    def __init__(self, ledger: Ledger) -> None:
        self._connection = ledger.connection

    def remember(
        self, run: str, kind: ChoiceKind, *, sequence: int | None, reason: str, now: datetime
    ) -> None:
        """Record a choice durably; the same choice of the same run is recorded once."""
        choice = Choice(run=run, kind=kind, sequence=sequence, reason=reason, made=now)
        self._connection.execute(
            "INSERT OR REPLACE INTO choice VALUES (:run,:kind,:sequence,:reason,:made)",
            choice.model_dump(mode="json"),
        )

    def all(self) -> list[Choice]:
        """List all choices, oldest first."""
        with reading(self._connection):
            rows = self._connection.execute("SELECT * FROM choice ORDER BY made, kind")
            return [Choice.model_validate(dict(row)) for row in rows]
