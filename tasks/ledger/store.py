"""The ledger of one side, and the facts of the side itself."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

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


_FAILURES: TypeAdapter[tuple[tuple[str, str], ...]] = TypeAdapter(tuple[tuple[str, str], ...])


class Rotation(BaseModel):
    """Times of the rotating audit.

    Attributes:
        last: Time of the last one; None before the first.
        read_at: By folder of WsusContent, the time at which its files were last read.
    """

    model_config = ConfigDict(frozen=True)

    last: AwareDatetime | None = None
    read_at: dict[str, AwareDatetime] = {}


class Ledger:
    """The ledger of one side, with one connection; open another ledger for another thread.

    Attributes:
        path: The SQLite file.
        machine: A random id of this state folder (32 hex digits), drawn when the ledger is first
            opened. Locks name it instead of the machine's host name.
    """

    def __init__(self, state_dir: Path) -> None:
        """Open or create the ledger in ``state_dir``; a missing folder is made for this user only.

        A ledger of an older version of the product is migrated.

        Raises:
            HostFileError: The ledger cannot be made, or the file is not a ledger.
            SafetyError: A later version of the product wrote the ledger; it is left unchanged.
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
        """Run the block in a transaction, which is durable when the block ends without an error."""
        return transaction(self.connection)

    def reading(self) -> AbstractContextManager[None]:
        """Read rows; a damaged one is a ``HostFileError`` that names the ledger."""
        return reading(self.connection)

    def claim(self, owner: str) -> str:
        """Record the owner of this state folder unless it has one; return the owner."""
        return write_fact_once(self.connection, "owner", owner)

    @property
    def chain(self) -> str | None:
        """Id of the chain that this side makes or follows; None before its first bundle."""
        return read_fact(self.connection, "chain")

    def adopt_chain(self, chain: str) -> str:
        """Record a chain unless there is one; return the recorded chain."""
        return write_fact_once(self.connection, "chain", chain)

    def replace_chain(self, chain: str) -> None:
        """Record another chain: a person has said that this side belongs to it."""
        write_fact(self.connection, "chain", chain)

    def server_id(self, side: Side) -> str | None:
        """Read the recorded id of a side's server; None if none is recorded yet."""
        return read_fact(self.connection, _SERVER_FACT[side])

    def adopt_server(self, side: Side, server_id: str) -> None:
        """Record the id of a side's server unless one is recorded."""
        write_fact_once(self.connection, _SERVER_FACT[side], server_id)

    def replace_server(self, side: Side, server_id: str) -> None:
        """Record the id of a side's server in place of another one, as a person has decided."""
        write_fact(self.connection, _SERVER_FACT[side], server_id)

    @property
    def content_dir(self) -> str | None:
        """Path of WsusContent on the server, as the last run read it; None before the first run."""
        return read_fact(self.connection, "content_dir")

    def remember_content_dir(self, path: str) -> None:
        """Record the path of WsusContent on the server."""
        write_fact(self.connection, "content_dir", path)

    @property
    def newest_time(self) -> datetime | None:
        """The latest trusted time (UTC) of this side; None before its first bundle."""
        with self.reading():
            text = read_fact(self.connection, "latest_time")
            return datetime.fromisoformat(text).astimezone(UTC) if text else None

    def latest_time(self, now: datetime) -> datetime:
        """Return ``now`` or ``newest_time``, whichever is later.

        A clock that was set back must not make an old bundle look young.
        """
        return max(now, self.newest_time or now)

    def note_time(self, moment: datetime) -> None:
        """Record a trusted time if it is later than ``newest_time``."""
        self.replace_time(self.latest_time(moment))

    def replace_time(self, moment: datetime) -> None:
        """Record a time as the latest one, even if a later one was recorded by mistake."""
        text = moment.astimezone(UTC).isoformat()
        write_fact(self.connection, "latest_time", text)

    @property
    def missing_files(self) -> int | None:
        """Number of missing files in the last report that counted them; None before the first."""
        text = read_fact(self.connection, "missing_files")
        return None if text is None else int(text)

    def remember_missing(self, number: int) -> None:
        """Record the number of missing files of a report."""
        write_fact(self.connection, "missing_files", str(number))

    @property
    def rotation(self) -> Rotation:
        """Times at which a scheduled audit last read content again."""
        with self.reading():
            text = read_fact(self.connection, "rotation")
            return Rotation() if text is None else Rotation.model_validate_json(text)

    def remember_rotation(self, rotation: Rotation) -> None:
        """Record the times at which content was read again."""
        write_fact(self.connection, "rotation", rotation.model_dump_json())

    @property
    def paused_downloads(self) -> str | None:
        """Name of the run that paused the server's downloads; None if they go on."""
        return read_fact(self.connection, "paused_downloads") or None

    def remember_paused(self, run: str | None) -> None:
        """Record durably that a run pauses the server's downloads; None: they go on."""
        write_fact(self.connection, "paused_downloads", run or "")

    @property
    def probe_failures(self) -> tuple[tuple[str, str], ...] | None:
        """Id and evidence of what would break a crossing, by the last probe; None before one."""
        with self.reading():
            text = read_fact(self.connection, "probe_failures")
            return None if text is None else _FAILURES.validate_json(text)

    def remember_probe(self, failures: Sequence[tuple[str, str]]) -> None:
        """Record what the server differs in so that a crossing would break; nothing: it fits."""
        text = _FAILURES.dump_json(tuple(failures)).decode()
        write_fact(self.connection, "probe_failures", text)

    def steps(self, work: str) -> Steps:
        """Return the steps of a piece of work, for example ``export-7``."""
        return Steps(self.connection, work)

    def attempts(self, verb: Verb) -> tuple[Attempt, ...]:
        """Read the starts of wsusutil that are not judged yet, of all pieces of work."""
        return read_attempts(self.connection, verb)
