"""Opens the ledger of one side and keeps its small facts."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tasks.errors import HostFileError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS export (
    sequence INTEGER PRIMARY KEY, status TEXT NOT NULL, mode TEXT NOT NULL,
    base_digest TEXT, parent_digest TEXT, header_digest TEXT, fingerprint TEXT,
    bundle TEXT NOT NULL, folder TEXT NOT NULL, created TEXT NOT NULL, sealed TEXT,
    receipt TEXT, accepted TEXT);
CREATE TABLE IF NOT EXISTS import (
    header_digest TEXT PRIMARY KEY, sequence INTEGER NOT NULL, status TEXT NOT NULL,
    folder TEXT NOT NULL, created TEXT NOT NULL, begun TEXT NOT NULL, done TEXT,
    outcome TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decision (
    state TEXT NOT NULL, update_id TEXT NOT NULL, revision INTEGER NOT NULL,
    group_path TEXT NOT NULL, body TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (state, update_id, revision, group_path, body)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS step (
    work TEXT NOT NULL, name TEXT NOT NULL, result TEXT NOT NULL, done TEXT NOT NULL,
    PRIMARY KEY (work, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, command TEXT NOT NULL, started TEXT NOT NULL, ended TEXT,
    outcome TEXT, exit_code INTEGER, bundle TEXT, report TEXT) WITHOUT ROWID;
"""


_REMEDY = (
    "Check the disk and the account's rights there. If the file is damaged, restore the state "
    "folder from its backup; do not begin an empty one, it guards what may be imported."
)


class Ledger:
    """The ledger of one side. One connection, used by one thread; open it anew where needed."""

    def __init__(self, state_dir: Path) -> None:
        """Open or create the ledger below ``state_dir``; the folder is made, for us alone.

        Raises:
            HostFileError: It cannot be made, or is no ledger.
        """
        self.path = state_dir / "ledger.sqlite"
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self.connection.row_factory = sqlite3.Row
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise HostFileError(
                operation="open", path=self.path, reason=str(error), remedy=_REMEDY
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when it returns."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def fact(self, name: str) -> str | None:
        """A small fact by name, None when it is not known yet."""
        row = self.connection.execute("SELECT value FROM fact WHERE name=?", (name,)).fetchone()
        return None if row is None else str(json.loads(row["value"]))

    def set_fact(self, name: str, value: str) -> None:
        """Remember a small fact; the newest wins."""
        self.connection.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
            (name, json.dumps(value)),
        )

    def set_fact_once(self, name: str, value: str) -> str:
        """Remember a fact unless it is known already; return the one that holds."""
        self.connection.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT(name) DO NOTHING", (name, json.dumps(value))
        )
        return self.fact(name) or value

    @property
    def machine(self) -> str:
        """A random id of this state folder; it stands in locks instead of a host's name."""
        return self.set_fact_once("machine", secrets.token_hex(16))

    def latest_time(self, now: datetime) -> datetime:
        """``now``, or the latest time ever seen here: the clock never runs backwards for us."""
        text = self.fact("latest_time")
        seen = datetime.fromisoformat(text) if text else now
        return max(now, seen)

    def note_time(self, moment: datetime) -> None:
        """Remember a trusted moment (UTC) if it is later than all before."""
        self.set_fact("latest_time", self.latest_time(moment).astimezone(UTC).isoformat())

    # --- steps: what is done and need not be repeated ----------------------------------------

    def step(self, work: str, name: str) -> str | None:
        """The result (JSON) of a finished step of this piece of work, None when it is not done."""
        row = self.connection.execute(
            "SELECT result FROM step WHERE work=? AND name=?", (work, name)
        ).fetchone()
        return None if row is None else str(row["result"])

    def finish_step(self, work: str, name: str, result: str, *, now: datetime) -> None:
        """Remember that a step is done. The caller proves anew that what it made is still there."""
        self.connection.execute(
            "INSERT OR REPLACE INTO step VALUES (?,?,?,?)", (work, name, result, now.isoformat())
        )

    def forget_step(self, work: str, name: str) -> None:
        """Forget one step, so that it is done anew."""
        self.connection.execute("DELETE FROM step WHERE work=? AND name=?", (work, name))
