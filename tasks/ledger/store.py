"""Opens the ledger of one side, and keeps what is known of the side itself."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tasks.ledger.damage import ledger_fault, reading
from tasks.ledger.facts import FactName, read_fact, write_fact, write_fact_once
from tasks.ledger.schema import migrate, transaction
from tasks.ledger.steps import Attempt, Steps, read_attempts
from tasks.metadata.wsusutil import Verb
from tasks.names import Side

_SERVER_FACT: dict[Side, FactName] = {
    Side.STAGING: "staging_server",
    Side.DISCONNECTED: "disconnected_server",
}


class Ledger:
    """The ledger of one side. One connection, used by one thread; open it anew where needed.

    Attributes:
        path: The SQLite file.
        machine: A random id of this state folder (32 hex digits), drawn when it is first opened;
            it stands in locks instead of a host's name.
    """

    def __init__(self, state_dir: Path) -> None:
        """Open or create the ledger below ``state_dir``; the folder is made, for us alone.

        A ledger of an older version of the product is brought up to this one.

        Raises:
            HostFileError: It cannot be made, or is no ledger.
            SafetyError: A later version of the product wrote it; it is left as it is.
        """
        self.path = state_dir / "ledger.sqlite"
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                self.machine = self._prepare()
            except BaseException:
                self.connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise ledger_fault("open", self.path, str(error)) from None

    def _prepare(self) -> str:
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA synchronous=FULL")
        migrate(self.connection, self.path)
        self.connection.execute("PRAGMA journal_mode=WAL")
        machine = read_fact(self.connection, "machine")
        return machine or write_fact_once(self.connection, "machine", secrets.token_hex(16))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Do all or nothing; what is done is durable when it returns."""
        return transaction(self.connection)

    def reading(self) -> AbstractContextManager[None]:
        """Read rows; a damaged one is a ``HostFileError`` that names the ledger."""
        return reading(self.connection)

    def claim(self, owner: str) -> str:
        """Remember whose state this is unless it is known; return the owner that holds."""
        return write_fact_once(self.connection, "owner", owner)

    @property
    def chain(self) -> str | None:
        """The id of the chain that this side makes or follows; None before its first bundle."""
        return read_fact(self.connection, "chain")

    def adopt_chain(self, chain: str) -> str:
        """Remember a chain unless one is known; return the chain that holds."""
        return write_fact_once(self.connection, "chain", chain)

    def server_id(self, side: Side) -> str | None:
        """The id of a side's server as this site knows it; None while it does not."""
        return read_fact(self.connection, _SERVER_FACT[side])

    def adopt_server(self, side: Side, server_id: str) -> None:
        """Remember the id of a side's server unless one is known."""
        write_fact_once(self.connection, _SERVER_FACT[side], server_id)

    @property
    def content_dir(self) -> str | None:
        """The path of WsusContent on the server when a run last looked; None before."""
        return read_fact(self.connection, "content_dir")

    def remember_content_dir(self, path: str) -> None:
        """Remember where WsusContent lies on the server."""
        write_fact(self.connection, "content_dir", path)

    @property
    def newest_time(self) -> datetime | None:
        """The latest trusted moment (UTC) that this side has seen; None before its first bundle."""
        with self.reading():
            text = read_fact(self.connection, "latest_time")
            return datetime.fromisoformat(text).astimezone(UTC) if text else None

    def latest_time(self, now: datetime) -> datetime:
        """``now``, or the latest time ever seen here: the clock never runs backwards for us."""
        return max(now, self.newest_time or now)

    def note_time(self, moment: datetime) -> None:
        """Remember a trusted moment if it is later than all before."""
        self.replace_time(self.latest_time(moment))

    def replace_time(self, moment: datetime) -> None:
        """Remember a moment as the latest, also where a later one was remembered by mistake."""
        text = moment.astimezone(UTC).isoformat()
        write_fact(self.connection, "latest_time", text)

    def steps(self, work: str) -> Steps:
        """The steps of a piece of work."""
        return Steps(self.connection, work)

    def attempts(self, verb: Verb) -> tuple[Attempt, ...]:
        """The starts of wsusutil that nobody judged yet, in all pieces of work."""
        return read_attempts(self.connection, verb)
