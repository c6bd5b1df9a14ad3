"""An open simulated server: its database, settings, faults and event log."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.lab.rules import distribution_log


class RuleError(Exception):
    """An error that WSUS throws.

    Attributes:
        type_name: The exception's .NET name, for example ``InvalidOperationException`` or
            ``WsusObjectNotFoundException``.
    """

    def __init__(self, type_name: str, message: str) -> None:
        self.type_name = type_name
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Server:
    """A server's database and folders.

    Attributes:
        folder: ``DIR/<side>``.
        connection: The database in autocommit mode; write inside ``database.transaction``.
    """

    folder: Path
    connection: sqlite3.Connection

    @property
    def content_dir(self) -> Path:
        """WsusContent."""
        return self.folder / "WsusContent"

    @property
    def server_folder(self) -> Path:
        """The folder of the database and of the lab's other files of this server."""
        return self.folder / "server"

    def setting(self, name: str) -> Any:
        """Read a setting by its name; raises ``KeyError`` if there is none."""
        row = self.connection.execute(
            "SELECT value FROM setting WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            raise KeyError(name)
        return json.loads(row["value"])

    def set_setting(self, name: str, value: Any) -> None:
        """Write a setting."""
        self.connection.execute(
            "INSERT OR REPLACE INTO setting VALUES (?, ?)",
            (name, json.dumps(value, ensure_ascii=False)),
        )

    def fault(self, name: str) -> Any:
        """Read the value of a fault; None if it is not set."""
        row = self.connection.execute("SELECT value FROM fault WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def record_event(self, event_id: int, text: str) -> None:
        """Append to the event log, and to SoftwareDistribution.log, which repeats it."""
        self.connection.execute(
            "INSERT INTO event (time, event_id, text) VALUES (?, ?, ?)", (now(), event_id, text)
        )
        distribution_log.append_event(self.server_folder, event_id, text)

    def close(self) -> None:
        """Close the database."""
        self.connection.close()


def now() -> str:
    """The present time in the database's format."""
    return as_text(datetime.now(UTC))


def as_text(moment: datetime) -> str:
    """An aware time in the database's format, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
