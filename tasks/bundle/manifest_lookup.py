"""Look-ups by digest in a bundle's manifest, in an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from tasks.bundle.manifest import Entry
from tasks.content.names import ContentDigest

_SCHEMA = """
DROP TABLE IF EXISTS entry;
CREATE TABLE entry (sha1 BLOB PRIMARY KEY, size_bytes INTEGER NOT NULL, is_carried INTEGER NOT NULL)
    WITHOUT ROWID;
"""


class ManifestLookup:
    """Look-ups by digest in one manifest; made from a trusted manifest, and cheap to make again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("PRAGMA synchronous=OFF")

    def fill(self, entries: Iterable[Entry]) -> ManifestLookup:
        """Replace the contents by the entries of a manifest."""
        self._connection.executescript(_SCHEMA)
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT OR REPLACE INTO entry VALUES (?,?,?)",
            ((entry.sha1.raw, entry.size_bytes, entry.is_carried) for entry in entries),
        )
        self._connection.execute("COMMIT")
        return self

    def carried_bytes(self, digest: ContentDigest) -> int | None:
        """Return the size of a file that the bundle carries; None if it does not carry it."""
        row = self._row(digest)
        return int(row[0]) if row is not None and row[1] else None

    def carried(self) -> tuple[int, int]:
        """Return the number of files that the bundle carries, and their bytes."""
        row = self._connection.execute(
            "SELECT count(*), total(size_bytes) FROM entry WHERE is_carried"
        ).fetchone()
        return int(row[0]), int(row[1])

    def has(self, digest: ContentDigest) -> bool:
        """Return True if the staging server has a file with this digest."""
        return self._row(digest) is not None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _row(self, digest: ContentDigest) -> tuple[int, int] | None:
        row: tuple[int, int] | None = self._connection.execute(
            "SELECT size_bytes, is_carried FROM entry WHERE sha1=?", (digest.raw,)
        ).fetchone()
        return row
