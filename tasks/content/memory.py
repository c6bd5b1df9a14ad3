"""What was hashed once is remembered, so that an unchanged file is not read again to be named.

A memory, never the truth about bytes: it is asked only with path, size, modification time and
file id as the file system shows them now, and a copy checks the bytes against it on the way.
Losing the file costs time, nothing else; so it is written without waiting for the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Self

from tasks.content.names import Blake3, ContentDigest, FileDigests
from tasks.content.scan import ContentFile

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


class HashMemory:
    """Digests of files that were hashed before, in one SQLite file. Used by one thread.

    A context manager: what is not yet written is written at the end, also after an error, since
    what was hashed stays true.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the memory.

        Args:
            path: The SQLite file; its folder must exist.
        """
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_SCHEMA)
        self._connection.execute(_BY_DIGEST)
        self._waiting: list[tuple[str, int, int, str, bytes, bytes, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lookup(self, file: ContentFile) -> FileDigests | None:
        """Give the digests of a file that looks as it did when it was hashed; else None."""
        row = self._connection.execute(
            _LOOKUP, (file.path.text, file.size_bytes, file.mtime_ns, file.file_id)
        ).fetchone()
        if row is None:
            return None
        return FileDigests(ContentDigest(row[0]), Blake3(row[1]), file.size_bytes)

    def knows(self, digest: ContentDigest) -> bool:
        """Whether any file with this digest was ever hashed here."""
        query = "SELECT 1 FROM hashed WHERE sha1 = ? LIMIT 1"
        return self._connection.execute(query, (digest.raw,)).fetchone() is not None

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
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT OR REPLACE INTO hashed VALUES (?, ?, ?, ?, ?, ?, ?)", self._waiting
        )
        self._connection.execute("COMMIT")
        self._waiting.clear()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        self._connection.close()
