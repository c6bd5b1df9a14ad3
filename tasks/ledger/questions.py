"""Questions that suspended a run of a deployment, and the answers that people gave in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tasks.ledger.damage import reading
from tasks.ledger.store import Ledger

VOLUME = "volume"
"""In place of a plan's digest: the next volume of a bundle was asked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """A plan that a person was asked to confirm, or the volume that was asked for.

    Attributes:
        flow_run: The run's id in Prefect.
        key: Prefect's key of the pause; unique in the run.
        digest: Digest of the plan, or ``VOLUME``.
        run: Name of the run that made the plan.
        until: The time after which the run ends without an answer.
    """

    flow_run: UUID
    key: str
    digest: str
    run: str
    until: datetime


class Questions:
    """All questions of a side. An open one has no answer yet."""

    def __init__(self, ledger: Ledger) -> None:
        self._connection = ledger.connection

    def ask(self, question: Question) -> None:
        """Record a question durably, before the run is suspended."""
        self._connection.execute(
            "INSERT OR REPLACE INTO question VALUES (?, ?, ?, ?, ?, NULL)",
            (
                str(question.flow_run),
                question.key,
                question.digest,
                question.run,
                question.until.isoformat(),
            ),
        )

    def count(self, flow_run: UUID, digest: str) -> int:
        """Count how often a run has asked about this plan, or for a volume."""
        rows = self._connection.execute(
            "SELECT count(*) FROM question WHERE flow_run=? AND digest=?", (str(flow_run), digest)
        )
        return int(rows.fetchone()[0])

    def open_of(self, flow_run: UUID) -> Question | None:
        """Find the open question of a run; None if it has none."""
        return next((q for q in self.open() if q.flow_run == flow_run), None)

    def open(self) -> list[Question]:
        """List all open questions, the latest first."""
        with reading(self._connection):
            rows = self._connection.execute(
                "SELECT * FROM question WHERE answer IS NULL ORDER BY until DESC"
            )
            return [
                Question(
                    UUID(row["flow_run"]),
                    row["key"],
                    row["digest"],
                    row["run"],
                    datetime.fromisoformat(row["until"]),
                )
                for row in rows
            ]

    def close(self, question: Question, answer: Mapping[str, str]) -> None:
        """Record an answer, or the reason why there is none."""
        self._connection.execute(
            "UPDATE question SET answer=? WHERE flow_run=? AND key=?",
            (json.dumps(dict(answer)), str(question.flow_run), question.key),
        )
