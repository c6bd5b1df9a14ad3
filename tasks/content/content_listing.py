"""The files of one scan of WsusContent, with the proof of each, in an SQLite file.

A listing is saved after a scan, and the next scan begins with a copy of it: folders whose state
(``Host.folder_states``) is the same are not listed again. It only saves time. A copy that was
damaged, or that belongs to another folder or another cache of digests, is not used.

One row per file. Rows are read in the order of scans and manifests, to compare them; single files
are found by digest, for an audit. 500,000 files take about 80 MB on disk and no memory.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from blake3 import blake3

from tasks.content.digest import blake3_of_file
from tasks.content.hash_cache import HashedFile
from tasks.content.names import Blake3, ContentDigest, ContentName, FileDigests
from tasks.content.scan import ContentFile
from tasks.hosts.paths import HostPath

_SCHEMA = """
DROP TABLE IF EXISTS content;
DROP TABLE IF EXISTS folder;
DROP TABLE IF EXISTS origin;
CREATE TABLE origin (text TEXT NOT NULL);
CREATE TABLE folder (
    folder INTEGER PRIMARY KEY, state TEXT, files INTEGER NOT NULL, digest BLOB);
CREATE TABLE content (
    folder INTEGER NOT NULL, sha1 BLOB NOT NULL, extension TEXT NOT NULL COLLATE NOCASE,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, file_id TEXT NOT NULL,
    blake3 BLOB, is_valid INTEGER,
    PRIMARY KEY (folder, sha1, extension)) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO content VALUES (?,?,?,?,?,?,?,?)"
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

    def __init__(self, path: Path, content_dir: HostPath, *, saved: Path | None = None) -> None:
        """Open a listing; a new one is empty, or a copy of a saved one if that is undamaged."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if saved is not None and _is_undamaged(saved):
            shutil.copyfile(saved, path)
        self.path = path
        self.content_dir = content_dir
        self._connection = sqlite3.connect(path, isolation_level=None)
        # Nobody else opens this file; to lock it for each query takes twice the time of the query.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("PRAGMA synchronous=OFF")

    def fill(self, files: Iterable[ContentFile]) -> Self:
        """Replace the contents by the files of a scan; their cached digests count as proof."""
        self.begin("")
        self._connection.execute("BEGIN")
        self._connection.executemany(_INSERT, map(_row, files))
        self._connection.execute(
            "INSERT INTO folder SELECT folder, NULL, count(*), NULL FROM content GROUP BY folder"
        )
        self._connection.execute("COMMIT")
        return self

    @property
    def origin(self) -> str | None:
        """Text that ``begin`` was given: folder and cache of digests; None for a new listing."""
        try:
            row = self._connection.execute("SELECT text FROM origin").fetchone()
        except sqlite3.OperationalError:
            return None  # it has no tables yet
        return row and str(row[0])

    def begin(self, origin: str) -> None:
        """Empty the listing, and note where what comes into it is from."""
        self._connection.executescript(_SCHEMA)
        self._connection.execute("INSERT INTO origin VALUES (?)", (origin,))

    def rename(self, origin: str) -> None:
        """Change the text that ``begin`` was given, and keep the files."""
        self._connection.execute("UPDATE origin SET text=?", (origin,))

    def folder_states(self) -> dict[int, tuple[str | None, int]]:
        """Return the state and the number of files of each listed folder, by its number."""
        rows = self._connection.execute("SELECT folder, state, files FROM folder")
        return {folder: (state, files) for folder, state, files in rows}

    def replace_folder(self, folder: int, files: Sequence[ContentFile], state: str | None) -> None:
        """Replace the files of one folder; ``state`` was read before they were listed."""
        self._connection.execute("BEGIN")
        self.remove_folder(folder)
        self._connection.executemany(_INSERT, map(_row, files))
        self._connection.execute(
            "INSERT INTO folder VALUES (?, ?, ?, NULL)", (folder, state, len(files))
        )
        self._connection.execute("COMMIT")

    def remove_folder(self, folder: int) -> None:
        """Remove a folder that does not exist any more."""
        self._connection.execute("DELETE FROM content WHERE folder=?", (folder,))
        self._connection.execute("DELETE FROM folder WHERE folder=?", (folder,))

    def refresh_proofs(self, hashed: Iterable[tuple[ContentName, HashedFile]]) -> None:
        """Store the digests of files that were hashed and have not changed since."""
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "UPDATE content SET blake3=?, is_valid=? WHERE folder=? AND sha1=? AND extension=?"
            " AND size_bytes=? AND mtime_ns=? AND file_id=?",
            (
                (
                    file.digests.blake3.raw,
                    file.digests.sha1 == name.digest,
                    *_key(name),
                    file.digests.size_bytes,
                    file.mtime_ns,
                    file.file_id,
                )
                for name, file in hashed
            ),
        )
        self._connection.execute("COMMIT")

    def save(self, path: Path) -> None:
        """Save a copy for the next scan, durably, and its digest beside it."""
        beside = path.with_name(path.name + ".new")
        shutil.copyfile(self.path, beside)
        with beside.open("rb+") as stream:
            os.fsync(stream.fileno())
        digest = blake3_of_file(beside)
        beside.replace(path)
        if digest is not None:
            _digest_path(path).write_text(digest.hex, encoding="utf-8")

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

    def has(self, file: ContentFile) -> bool:
        """Return True if the file has not changed since it was listed: name, size, time and id."""
        row = self._connection.execute(
            "SELECT size_bytes, mtime_ns, file_id FROM content"
            " WHERE folder=? AND sha1=? AND extension=?",
            _key(file.name),
        ).fetchone()
        return bool(row == (file.size_bytes, file.mtime_ns, file.file_id))

    def find(self, digest: ContentDigest) -> PresentFile | None:
        """Return the file with a digest, whatever its extension: valid, then wrong, then unread."""
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
        """Return the BLAKE3, in hex, of all names, sizes and modification times.

        It is the digest of the folders' digests, which are computed once for each listed folder.
        """
        hasher = blake3()
        rows = self._connection.execute("SELECT folder, files, digest FROM folder ORDER BY folder")
        for folder, files, digest in rows.fetchall():
            if files:
                hasher.update(digest or self._digest_folder(folder))
        return hasher.hexdigest()

    def _digest_folder(self, folder: int) -> bytes:
        hasher = blake3()
        rows = self._connection.execute(
            "SELECT sha1, extension, size_bytes, mtime_ns FROM content WHERE folder=?"
            " ORDER BY sha1, extension",
            (folder,),
        )
        for sha1, extension, size_bytes, mtime_ns in rows:
            name = ContentName(ContentDigest(sha1), extension)
            hasher.update(f"{name.text} {size_bytes} {mtime_ns}\n".encode())
        self._connection.execute(
            "UPDATE folder SET digest=? WHERE folder=?", (hasher.digest(), folder)
        )
        return hasher.digest()

    def _file(self, row: tuple[bytes, str, int, int, str, bytes | None]) -> ContentFile:
        sha1, extension, size_bytes, mtime_ns, file_id, proof = row
        name = ContentName(ContentDigest(sha1), extension)
        digests = FileDigests(name.digest, Blake3(proof), size_bytes) if proof else None
        path = self.content_dir.joined(name.folder, name.text)
        return ContentFile(name, path, size_bytes, mtime_ns, file_id, digests)


def _is_undamaged(saved: Path) -> bool:
    """Return True if a saved listing has the bytes that were saved."""
    try:
        expected = _digest_path(saved).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    digest = blake3_of_file(saved)
    return digest is not None and digest.hex == expected


def _digest_path(saved: Path) -> Path:
    return saved.with_name(saved.name + ".blake3")


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
