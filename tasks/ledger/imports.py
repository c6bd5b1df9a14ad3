"""The records of the disconnected side: its imports, and its applied and waiting decisions.

States of an import record:

===========  ==========  =========  ===========================================================
from         call        to         when
===========  ==========  =========  ===========================================================
(no record)  ``begin``   ``begun``  before the first change on the server
begun        ``begin``   ``begun``  the import is run again; the record stays as it is
begun        ``finish``  ``done``   at the end of the import; the receipt is made from it
done         ``begin``   ``done``   the bundle is imported again as a repair; the record stays
===========  ==========  =========  ===========================================================
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from tasks.approvals.losses import Losses
from tasks.bundle.receipt import ReceiptOutcome
from tasks.content.fields import Blake3Field
from tasks.content.names import Blake3
from tasks.ledger.facts import read_fact, write_fact
from tasks.ledger.missing import MissingContent
from tasks.ledger.store import Ledger

ImportStatus = Literal["begun", "done"]
DecisionState = Literal["applied", "parked", "held"]


class ImportRecord(BaseModel):
    """A bundle whose import has begun to change the disconnected server.

    Attributes:
        status: See the table of this module.
        folder: Path of the bundle's documents in the state folder.
        created: Time at which the bundle was made, from its header.
        begun, done: Times of the import's beginning and end.
        outcome: The receipt's outcome; None until the import is done.
    """

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
    """A decision in the ledger.

    Attributes:
        state: The set that it belongs to.
        group_path: Its group, or the path of a group, as JSON.
        body: Its canonical JSON.
        reason: The reason for which it is parked or held; empty if it is applied.
        since: The time from which on it waits, whatever the reason; None if it is applied. The
            ledger sets it.
    """

    state: DecisionState
    update_id: str
    revision: int
    group_path: str
    body: str
    reason: str = ""
    since: AwareDatetime | None = field(default=None, compare=False)

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
_REMEMBER = """INSERT OR REPLACE INTO decision VALUES (
    :state, :update_id, :revision, :group_path, :body, :reason,
    CASE :state WHEN 'applied' THEN NULL ELSE coalesce((
        SELECT since FROM waited WHERE update_id = :update_id AND revision = :revision
        AND group_path = :group_path AND body = :body), :now) END)"""


class Imports:
    """The imports of one site on the disconnected side."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection = ledger.connection

    def reading(self) -> AbstractContextManager[None]:
        """Read rows lazily; a damaged one is a ``HostFileError`` that names the ledger."""
        return self._ledger.reading()

    def by_digest(self, header_digest: Blake3) -> ImportRecord | None:
        """Find the import of the bundle with a header digest."""
        return self._find("SELECT * FROM import WHERE header_digest=?", header_digest.hex)

    def newest(self) -> ImportRecord | None:
        """Find the import with the highest sequence number, finished or not."""
        return self._find("SELECT * FROM import ORDER BY sequence DESC LIMIT 1")

    def newest_done(self) -> ImportRecord | None:
        """Find the finished import with the highest sequence number."""
        return self._find("SELECT * FROM import WHERE status='done' ORDER BY sequence DESC LIMIT 1")

    def all(self) -> list[ImportRecord]:
        """List all records, oldest bundle first."""
        with self._ledger.reading():
            rows = self._connection.execute("SELECT * FROM import ORDER BY sequence")
            return [ImportRecord.model_validate(dict(row)) for row in rows]

    def begin(self, record: ImportRecord) -> None:
        """Record durably that the import of a bundle has begun; call it before the first change."""
        self._connection.execute(
            "INSERT INTO import VALUES (:header_digest,:sequence,:status,:folder,:created,:begun,"
            ":done,:outcome) ON CONFLICT(header_digest) DO NOTHING",
            record.model_dump(mode="json"),
        )

    def rejoin(self, record: ImportRecord) -> None:
        """Record an import that this state folder has lost; call it for a person's word only."""
        self._connection.execute(
            "INSERT OR REPLACE INTO import VALUES"
            " (:header_digest,:sequence,:status,:folder,:created,:begun,:done,:outcome)",
            record.model_dump(mode="json"),
        )

    def finish(self, header_digest: Blake3, *, outcome: ReceiptOutcome, now: datetime) -> None:
        """Record the end of an import durably; the receipt is made from this record."""
        self._connection.execute(
            "UPDATE import SET status='done', done=?, outcome=?"
            " WHERE header_digest=? AND status='begun'",
            (now.isoformat(), outcome, header_digest.hex),
        )

    @property
    def lost_bundle(self) -> int | None:
        """Number of a bundle that never came, although later ones build on it; None without one.

        It is None again as soon as a later bundle has brought the files of the lost one.
        """
        with self._ledger.reading():
            text = read_fact(self._connection, "lost_bundle")
            return int(text) if text else None

    def remember_lost(self, sequence: int | None) -> None:
        """Record the number of a bundle that never came; None once its files were brought."""
        text = "" if sequence is None else str(sequence)
        write_fact(self._connection, "lost_bundle", text)

    def remember(self, decisions: Iterable[RememberedDecision], *, now: datetime) -> None:
        """Replace all decisions in the ledger, in one transaction.

        A decision that waited before, parked or held, for whatever reason, waits on: it keeps the
        time from which on it waits. One that is new waits from ``now`` on.
        """
        time = now.astimezone(UTC).isoformat()
        with self._ledger.transaction():
            self._connection.execute(
                "CREATE TEMP TABLE waited AS SELECT update_id, revision, group_path, body,"
                " min(since) AS since FROM decision WHERE state <> 'applied' GROUP BY 1, 2, 3, 4"
            )
            self._connection.execute(
                "CREATE INDEX temp.waited_by_key ON waited (update_id, revision, group_path, body)"
            )
            self._connection.execute("DELETE FROM decision")
            self._connection.executemany(
                _REMEMBER, ({**asdict(decision), "now": time} for decision in decisions)
            )
            self._connection.execute("DROP TABLE waited")

    def forget_applied(self, decisions: Iterable[RememberedDecision]) -> None:
        """Forget that some decisions were applied, in one transaction."""
        with self._ledger.transaction():
            self._connection.executemany(
                "DELETE FROM decision WHERE state='applied' AND update_id=? AND revision=?"
                " AND group_path=? AND body=?",
                (
                    (decision.update_id, decision.revision, decision.group_path, decision.body)
                    for decision in decisions
                ),
            )

    def count_as_applied(self, decisions: Iterable[RememberedDecision]) -> None:
        """Remember beside the others that some decisions were applied, in one transaction."""
        with self._ledger.transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO decision VALUES"
                " ('applied', :update_id, :revision, :group_path, :body, '', NULL)",
                (asdict(decision) for decision in decisions),
            )

    def accept_losses(self, losses: Losses) -> None:
        """Record in one transaction that decisions of ours are gone on purpose."""
        rows = [
            *(("approval", key[0], json.dumps(key[1])) for key in losses.approvals),
            *(("decline", update_id, "[]") for update_id in losses.declines),
        ]
        with self._ledger.transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO accepted_loss VALUES (?,?,?)", rows
            )

    def accepted_losses(self) -> Losses:
        """Read the decisions of ours that a person has said are gone on purpose."""
        with self._ledger.reading():
            rows = self._connection.execute(
                "SELECT subject, update_id, group_path FROM accepted_loss"
            ).fetchall()
            return Losses(
                frozenset(
                    (row["update_id"], tuple(json.loads(row["group_path"])))
                    for row in rows
                    if row["subject"] == "approval"
                ),
                frozenset(row["update_id"] for row in rows if row["subject"] == "decline"),
            )

    @property
    def missing(self) -> MissingContent:
        """The files that approved and parked updates lack."""
        return MissingContent(self._ledger)

    def decisions(self, state: DecisionState) -> Iterator[RememberedDecision]:
        """Yield the decisions of one set, always in the same order."""
        with self._ledger.reading():
            rows = self._connection.execute(
                "SELECT state, update_id, revision, group_path, body, reason, since FROM decision"
                " WHERE state=? ORDER BY update_id, revision, group_path, body",
                (state,),
            )
            for row in rows:
                yield _DECISION.validate_python(dict(row))

    def counts(self) -> dict[DecisionState, int]:
        """Count the decisions of each set."""
        numbers: dict[DecisionState, int] = {"applied": 0, "parked": 0, "held": 0}
        with self._ledger.reading():
            rows = self._connection.execute("SELECT state, count(*) FROM decision GROUP BY state")
            numbers.update((row[0], row[1]) for row in rows)
        return numbers

    def _find(self, query: str, *values: object) -> ImportRecord | None:
        with self._ledger.reading():
            row: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return None if row is None else ImportRecord.model_validate(dict(row))
