"""The files of one scan of WsusContent, with the proof of each, in an SQLite file.

One row per file. Rows are read in the order of scans and manifests, to compare them; single files
are found by digest, for an audit. 500,000 files take about 80 MB on disk and no memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from blake3 import blake3

from tasks.content.names import Blake3, ContentDigest, ContentName, FileDigests
from tasks.content.scan import ContentFile
from tasks.hosts.paths import HostPath

_SCHEMA = """
DROP TABLE IF EXISTS content;
CREATE TABLE content (
    folder INTEGER NOT NULL, sha1 BLOB NOT NULL, extension TEXT NOT NULL COLLATE NOCASE,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, file_id TEXT NOT NULL,
    blake3 BLOB, is_valid INTEGER,
    PRIMARY KEY (folder, sha1, extension)) WITHOUT ROWID;
"""
_ROWS_AT_ONCE = 5_000
_PRESENT = "SELECT size_bytes, is_valid, blake3 IS NOT NULL FROM content"
_COLUMNS = "sha1, extension, size_bytes, mtime_ns, file_id, blake3"


@dataclass(frozen=True, slots=True)
class PresentFile:
    """A file that is present in WsusContent.

    Attributes:
        size_bytes: Its size.
        is_readable: False if the bytes could not be read; ``is_valid`` is then False too.
        is_valid: True if the SHA-1 of its bytes is the SHA-1 in its name, False if not. None if
            the file was not read since it changed; then only its size can be compared.
    """

    size_bytes: int
    is_valid: bool | None = None
    is_readable: bool = True


ContentLookup = Callable[[ContentDigest], PresentFile | None]


class ContentListing:
    """The files of one WsusContent folder. For one thread.

    The column ``is_valid`` has the meaning of ``PresentFile.is_valid``.
    """

    def __init__(self, path: Path, content_dir: HostPath) -> None:
        """Open a listing; a new one is empty."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.content_dir = content_dir
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("PRAGMA synchronous=OFF")

    def fill(self, files: Iterable[ContentFile]) -> Self:
        """Replace the contents by the files of a scan; their cached digests count as proof."""
        self._connection.executescript(_SCHEMA)
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO content VALUES (?,?,?,?,?,?,?,?)", map(_row, files)
        )
        self._connection.execute("COMMIT")
        return self

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __iter__(self) -> Iterator[ContentFile]:
        """Yield the files in the order of scans, possibly without changes made meanwhile."""
        return self._select("1")

    def unproved(self) -> Iterator[ContentFile]:
        """Yield the files that were not read since they changed."""
        return self._select("is_valid IS NULL")

    def _select(self, condition: str) -> Iterator[ContentFile]:
        last: tuple[int, bytes, str] = (-1, b"", "")
        while True:
            # Read a whole page before yielding its first row, so that callers may write between
            # two rows.
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM content WHERE (folder, sha1, extension) > (?, ?, ?)"  # noqa: S608
                f" AND {condition} ORDER BY folder, sha1, extension LIMIT {_ROWS_AT_ONCE}",
                last,
            ).fetchall()
            if not rows:
                return
            for row in rows:
                yield self._file(row)
            last = (rows[-1][0][-1], rows[-1][0], rows[-1][1])

    def record_digests(self, results: Iterable[tuple[ContentFile, FileDigests | None]]) -> None:
        """Store the digests of files that were read; None for a file that cannot be read."""
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "UPDATE content SET blake3=?, is_valid=? WHERE folder=? AND sha1=? AND extension=?",
            (
                (
                    (digests and digests.blake3.raw) or None,
                    digests is not None and digests.sha1 == file.name.digest,
                    *_key(file.name),
                )
                for file, digests in results
            ),
        )
        self._connection.execute("COMMIT")

    def look_up(self, name: ContentName) -> PresentFile | None:
        """Return the file with a name; None if there is none."""
        row = self._connection.execute(
            f"{_PRESENT} WHERE folder=? AND sha1=? AND extension=?", _key(name)
        ).fetchone()
        return row and _present(row)

    def find(self, digest: ContentDigest) -> PresentFile | None:
        """Return the file with a digest, whatever its extension; a valid file is preferred."""
        row = self._connection.execute(
            f"{_PRESENT} WHERE folder=? AND sha1=? ORDER BY is_valid DESC LIMIT 1",
            (digest.raw[-1], digest.raw),
        ).fetchone()
        return row and _present(row)

    def totals(self) -> tuple[int, int]:
        """Return the number of files and their bytes."""
        row = self._connection.execute("SELECT count(*), total(size_bytes) FROM content").fetchone()
        return int(row[0]), int(row[1])

    def digest(self) -> str:
        """Return the BLAKE3, in hex, of all names, sizes and modification times."""
        hasher = blake3()
        for file in self:
            hasher.update(f"{file.name.text} {file.size_bytes} {file.mtime_ns}\n".encode())
        return hasher.hexdigest()

    def _file(self, row: tuple[bytes, str, int, int, str, bytes | None]) -> ContentFile:
        sha1, extension, size_bytes, mtime_ns, file_id, proof = row
        name = ContentName(ContentDigest(sha1), extension)
        digests = FileDigests(name.digest, Blake3(proof), size_bytes) if proof else None
        path = self.content_dir.joined(name.folder, name.text)
        return ContentFile(name, path, size_bytes, mtime_ns, file_id, digests)


def _present(row: tuple[int, int | None, int]) -> PresentFile:
    size_bytes, is_valid, has_digest = row
    if is_valid is None:
        return PresentFile(size_bytes)
    return PresentFile(size_bytes, bool(is_valid), is_readable=bool(has_digest))


def _key(name: ContentName) -> tuple[int, bytes, str]:
    return name.digest.raw[-1], name.digest.raw, name.extension


def _row(file: ContentFile) -> tuple[object, ...]:
    proof = file.digests.blake3.raw if file.digests else None
    valid = None if file.digests is None else file.digests.sha1 == file.name.digest
    return (*_key(file.name), file.size_bytes, file.mtime_ns, file.file_id, proof, valid)
