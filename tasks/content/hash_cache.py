"""Cache of digests, so that an unchanged file is not read again only to learn its digests.

An entry counts only for a file with the same path, size, modification time and file id as before,
and packing compares the bytes it reads with the remembered BLAKE3. Losing the cache costs only
time, and the reason that is given for some missing files (``content_trace``): so it is written
without waiting for the disk, and a damaged cache is deleted.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

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
# ``recent``: what was hashed since the last saved listing, so that only this is looked up again.
_RECENT = "CREATE TABLE IF NOT EXISTS recent (number INTEGER PRIMARY KEY, path TEXT NOT NULL)"
_IDENTITY = "CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL)"
_RECENT_ROWS = """
SELECT recent.path, hashed.size_bytes, hashed.mtime_ns, hashed.file_id, hashed.sha1, hashed.blake3
FROM recent JOIN hashed ON hashed.path = recent.path WHERE recent.number <= ?
ORDER BY recent.number
"""
_LOOKUP = (
    "SELECT sha1, blake3 FROM hashed"
    " WHERE path = ? AND size_bytes = ? AND mtime_ns = ? AND file_id = ?"
)


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file as it was when it was hashed, and its digests."""

    path: str
    mtime_ns: int
    file_id: str
    digests: FileDigests


class HashCache:
    """Digests of files that were hashed before, in one SQLite file. For one thread.

    A context manager: it writes pending entries at the end, even after an error, because these
    digests are still right.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the cache.

        Args:
            path: The SQLite file; its folder must exist.

        Raises:
            HostFileError: The file cannot be opened.
        """
        self._path = path
        # Rows by path. A scan of the same run must see them, or it would take files that were
        # hashed a moment ago for unread.
        self._pending: dict[str, tuple[str, int, int, str, bytes, bytes, str]] = {}
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise HostFileError(operation="open", path=path, reason=str(error)) from error
            _delete(path)
            self._connection = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lookup(self, file: ContentFile) -> FileDigests | None:
        """Return the digests of a file that has not changed since it was hashed; else None."""
        key = (file.path.text, file.size_bytes, file.mtime_ns, file.file_id)
        pending = self._pending.get(file.path.text)
        row = self._first(_LOOKUP, key) if pending is None or pending[:4] != key else pending[4:6]
        if row is None:
            return None
        return _digests(row[0], row[1], file.size_bytes)

    def knows(self, digest: ContentDigest) -> bool:
        """Return True if any file with this digest was ever hashed here."""
        self.flush()
        query = "SELECT 1 FROM hashed WHERE sha1 = ? LIMIT 1"
        return self._first(query, (digest.raw,)) is not None

    @property
    def identity(self) -> str:
        """Random id of this cache; another one after it was lost."""
        row = self._first("SELECT id, NULL FROM identity", ())
        if row is not None:
            return str(row[0])
        identity = secrets.token_hex(16)
        self._connection.execute("INSERT INTO identity VALUES (?)", (identity,))
        return identity

    def recent(self) -> tuple[int, Iterator[HashedFile]]:
        """Return what was hashed since ``forget_recent``, and the number to call that with."""
        self.flush()
        row = self._first("SELECT coalesce(max(number), 0), NULL FROM recent", ())
        last = 0 if row is None else int(row[0])
        return last, self._hashed_up_to(last)

    def _hashed_up_to(self, last: int) -> Iterator[HashedFile]:
        try:
            for row in self._connection.execute(_RECENT_ROWS, (last,)):
                path, size_bytes, mtime_ns, file_id, sha1, proof = row
                yield HashedFile(path, mtime_ns, file_id, _digests(sha1, proof, size_bytes))
        except sqlite3.DatabaseError as error:
            raise self._give_up(error) from error

    def forget_recent(self, last: int) -> None:
        """Forget what was recent up to a number, after a listing that shows it was saved."""
        self._connection.execute("DELETE FROM recent WHERE number <= ?", (last,))

    def remember(self, files: Iterable[tuple[ContentFile, FileDigests]], *, now: datetime) -> None:
        """Add digests of these files' bytes, read in place, or while they were copied.

        They were copied to their place by an import, or from there by an export.
        """
        hashed_at = now.isoformat()
        for file, digests in files:
            self._pending[file.path.text] = (
                file.path.text,
                file.size_bytes,
                file.mtime_ns,
                file.file_id,
                digests.sha1.raw,
                digests.blake3.raw,
                hashed_at,
            )
            if len(self._pending) >= BATCH_FILES:
                self.flush()

    def flush(self) -> None:
        """Write the pending entries in one transaction."""
        if not self._pending:
            return
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT OR REPLACE INTO hashed VALUES (?, ?, ?, ?, ?, ?, ?)",
                self._pending.values(),
            )
            self._connection.executemany(
                "INSERT INTO recent (path) VALUES (?)", ((path,) for path in self._pending)
            )
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise self._give_up(error) from error
        self._pending.clear()

    def close(self) -> None:
        """Write the pending entries, and close the file."""
        self.flush()
        self._connection.close()

    def _first(self, query: str, values: Sequence[object]) -> tuple[Any, Any] | None:
        try:
            row: tuple[Any, Any] | None = self._connection.execute(query, values).fetchone()
        except sqlite3.DatabaseError as error:
            raise self._give_up(error) from error
        return row

    def _give_up(self, error: sqlite3.DatabaseError) -> Exception:
        """Return the error to raise; delete a damaged cache first, so that the next run goes on."""
        if not _is_damage(error):
            return error
        self._pending.clear()
        self._connection.close()
        _delete(self._path)
        return HostFileError(
            operation="use",
            path=self._path,
            reason=f"{error}; it only saved time and was removed",
            remedy="Check that disk, then run the same command again; it hashes content anew.",
        )


def _digests(sha1: bytes, proof: bytes, size_bytes: int) -> FileDigests:
    return FileDigests(ContentDigest(sha1), Blake3(proof), size_bytes)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_SCHEMA)
        connection.execute(_BY_DIGEST)
        connection.execute(_RECENT)
        connection.execute(_IDENTITY)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return True if the file is damaged; False for a full disk or a lack of permissions."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _delete(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
