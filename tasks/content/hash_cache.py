"""What was hashed once is remembered, so that an unchanged file is not read again to be named.

A memory, never the truth about bytes: it is asked only with path, size, modification time and
file id as the file system shows them now, and a copy checks the bytes against it on the way.
Losing the file costs time, nothing else; so it is written without waiting for the disk, and one
that is damaged is thrown away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from tasks.content.names import Blake3, ContentDigest, FileDigests
from tasks.content.scan import ContentFile
from tasks.errors import HostFileError

BATCH_FILES = 1_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS hashed (
    path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    file_id TEXT NOT NULL, sha1 BLOB NOT NULL, blake3 BLOB NOT NULL, hashed_at TEXT NOT NULL
) WITHOUT ROWID
"""
_BY_DIGEST = "CREATE INDEX IF NOT EXISTS by_sha1 ON hashed (sha1)"
_LOOKUP = (
    "SELECT sha1, blake3 FROM hashed"
    " WHERE path = ? AND size_bytes = ? AND mtime_ns = ? AND file_id = ?"
)


class HashCache:
    """Digests of files that were hashed before, in one SQLite file. Used by one thread.

    A context manager: what is not yet written is written at the end, also after an error, since
    what was hashed stays true.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the memory.

        Args:
            path: The SQLite file; its folder must exist.

        Raises:
            HostFileError: It cannot be opened.
        """
        self._path = path
        self._waiting: list[tuple[str, int, int, str, bytes, bytes, str]] = []
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise HostFileError(operation="open", path=path, reason=str(error)) from error
            _throw_away(path)
            self._connection = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lookup(self, file: ContentFile) -> FileDigests | None:
        """Give the digests of a file that looks as it did when it was hashed; else None."""
        row = self._first(_LOOKUP, (file.path.text, file.size_bytes, file.mtime_ns, file.file_id))
        if row is None:
            return None
        return FileDigests(ContentDigest(row[0]), Blake3(row[1]), file.size_bytes)

    def knows(self, digest: ContentDigest) -> bool:
        """Whether any file with this digest was ever hashed here."""
        query = "SELECT 1 FROM hashed WHERE sha1 = ? LIMIT 1"
        return self._first(query, (digest.raw,)) is not None

    def remember(self, files: Iterable[tuple[ContentFile, FileDigests]], *, now: datetime) -> None:
        """Keep digests that were just computed from these files' bytes."""
        when = now.isoformat()
        for file, digests in files:
            self._waiting.append(
                (
                    file.path.text,
                    file.size_bytes,
                    file.mtime_ns,
                    file.file_id,
                    digests.sha1.raw,
                    digests.blake3.raw,
                    when,
                )
            )
            if len(self._waiting) >= BATCH_FILES:
                self.flush()

    def flush(self) -> None:
        """Write what waits, in one transaction."""
        if not self._waiting:
            return
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT OR REPLACE INTO hashed VALUES (?, ?, ?, ?, ?, ?, ?)", self._waiting
            )
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise self._give_up(error) from error
        self._waiting.clear()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        self._connection.close()

    def _first(self, query: str, values: Sequence[object]) -> tuple[bytes, bytes] | None:
        try:
            row: tuple[bytes, bytes] | None = self._connection.execute(query, values).fetchone()
        except sqlite3.DatabaseError as error:
            raise self._give_up(error) from error
        return row

    def _give_up(self, error: sqlite3.DatabaseError) -> Exception:
        """Throw a memory away that turns out to be damaged; the next run begins another."""
        if not _is_damage(error):
            return error
        self._waiting.clear()
        self._connection.close()
        _throw_away(self._path)
        return HostFileError(
            operation="use",
            path=self._path,
            reason=f"{error}; it only saved time and was removed",
            remedy="Check that disk, then run the same command again; it hashes content anew.",
        )


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_SCHEMA)
        connection.execute(_BY_DIGEST)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is damaged, not the disk full or the folder closed to us."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _throw_away(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
