"""Old runs of the embedded server: its database is set aside as a whole, and begun anew.

The server of one command lives too short for Prefect's own vacuum, and nobody else may delete rows
of its tables. So a database that was begun too long ago is renamed to ``prefect.db.old``, in the
place of an older one, while no other command uses it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.prefect_server.embedded_child import DATABASE

_BEGUN = "begun"


def set_old_runs_aside(home: Path, *, days: int, now: datetime) -> bool:
    """Set the database aside if it was begun earlier; return True if it was.

    A folder that cannot be written, or a database in use, stays as it is until the next time.

    Args:
        home: Folder of the embedded server.
        days: The largest age of the database.
        now: The time, UTC.
    """
    database = home / DATABASE
    try:
        if not database.is_file():
            _note_begin(home, now)
            return False
        begun = _begin_of(home)
        if begun is None:
            _note_begin(home, now)  # a database of a version that did not note it
            return False
        if now - begun < timedelta(days=days) or _is_in_use(database):
            return False
        database.replace(home / f"{DATABASE}.old")
        _note_begin(home, now)
    except OSError:
        return False
    return True


def _begin_of(home: Path) -> datetime | None:
    try:
        begun = datetime.fromisoformat((home / _BEGUN).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
    return begun if begun.tzinfo is not None else None


def _note_begin(home: Path, now: datetime) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / _BEGUN).write_text(f"{now.astimezone(UTC).isoformat()}\n", encoding="ascii")


def _is_in_use(database: Path) -> bool:
    """Return True if another process has the database open; else its file has all of it then."""
    try:
        with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
            return str(mode) != "delete"
    except sqlite3.Error:
        return True
