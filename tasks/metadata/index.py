"""Build the index of a metadata package: an SQLite file for content, approvals and reports.

The package is read once, in its own order, in constant memory. The index gets its name only when it
is complete.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.content.fields import Blake3Field
from tasks.content.names import extension_of
from tasks.errors import DiskFullError, HostFileError, PackageError
from tasks.hosts.os_errors import file_fault, retry_sharing
from tasks.metadata import license_files, schema
from tasks.metadata.model import (
    DescribedFile,
    FileKind,
    MappedFile,
    PackageEnd,
    PackageHeader,
    PackageLanguage,
    PackageUpdate,
)
from tasks.metadata.package import read_package
from tasks.progress import Progress

INDEX = "index.sqlite"
"""File name of an index, beside the documents of its bundle."""

# Hosts from which WSUS downloads: *.windowsupdate.com, *.download.microsoft.com and their like.
_MICROSOFT = (".microsoft.com", ".windowsupdate.com")
_CATEGORY_TYPES = frozenset({"category", "detectoid"})
_ROWS_PER_BATCH = 4_000

Row = tuple[object, ...]

_INSERTS = {
    "language": "INSERT INTO language VALUES (?, ?)",
    "seen_file": "INSERT INTO seen_file VALUES (?, ?, ?, ?, ?, ?)",
    "seen_need": "INSERT INTO seen_need VALUES (?, ?, ?, ?)",
    "revision": "INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
    "bundle": "INSERT INTO bundle VALUES (?, ?, ?, NULL)",
    "relation": "INSERT INTO relation VALUES (?, ?, ?)",
    "revision_language": "INSERT INTO revision_language VALUES (?, ?)",
    "cve": "INSERT INTO cve VALUES (?, ?)",
    "elsewhere": "INSERT OR IGNORE INTO elsewhere VALUES (?)",
}


class PackageSummary(BaseModel):
    """A package in numbers. Untrusted until ``blake3`` is compared with a trusted digest.

    Attributes:
        languages: Codes of the languages that the staging server has enabled, sorted.
        revisions: Number of ``Update`` elements, including categories, detectoids, children and
            older revisions.
        updates: Number of distinct update ids among them.
        files: Number of distinct content files that the file map or an update names.
        unmapped_files: Number of these that the package's file map does not have.
        blake3: Digest of the package's bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_id: str
    created: AwareDatetime
    protocol_version: str
    languages: tuple[str, ...]
    revisions: int
    updates: int
    files: int
    unmapped_files: int
    package_bytes: int
    xml_bytes: int
    blake3: Blake3Field


def index_package(
    package: Path, database: Path, *, progress: Progress | None = None
) -> PackageSummary:
    """Read a package and write its index, replacing an older index of that name.

    It writes to ``<database>.partial`` and renames the file at the end. May be killed and run
    again.

    Raises:
        PackageError: The package is not the complete output of a successful wsusutil.
        DiskFullError: The disk has no room for the index.
        HostFileError: The index cannot be written for another reason.
    """
    partial = database.with_name(database.name + ".partial")
    with _storing(partial):
        database.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
            summary = _Writer(connection, package).write(progress)
        _put_in_place(partial, database)
    return summary


@contextmanager
def _storing(partial: Path) -> Iterator[None]:
    """Translate errors of SQLite and of the disk into ours, and remove an incomplete index."""
    try:
        yield
    except sqlite3.Error as error:
        if error.sqlite_errorname == "SQLITE_FULL":
            raise DiskFullError(path=partial) from error
        raise HostFileError(operation="write", path=partial, reason=str(error)) from error
    except OSError as error:
        raise file_fault("write", partial, error) from error
    finally:
        with suppress(OSError):  # the next run replaces a file that cannot be removed now
            partial.unlink(missing_ok=True)


def _put_in_place(partial: Path, database: Path) -> None:
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    retry_sharing(lambda: partial.replace(database))


class _Writer:
    """Fills a new database from one package."""

    def __init__(self, connection: sqlite3.Connection, package: Path) -> None:
        self._connection = connection
        self._package = package
        self._rows: dict[str, list[Row]] = {table: [] for table in _INSERTS}
        self._waiting = 0
        self._revisions = 0

    def write(self, progress: Progress | None) -> PackageSummary:
        connection = self._connection
        connection.create_function("extension_of", 1, extension_of, deterministic=True)
        connection.create_function("is_terms", 2, license_files.is_terms, deterministic=True)
        connection.create_function(
            "terms_language", 2, license_files.terms_language, deterministic=True
        )
        connection.executescript(schema.WRITING + schema.TABLES)
        connection.execute("BEGIN")
        header: PackageHeader | None = None
        end: PackageEnd | None = None
        for item in read_package(self._package, progress=progress):
            match item:
                case PackageUpdate():
                    self._add_update(item)
                case MappedFile():
                    self._add_mapped(item)
                case PackageLanguage():
                    self._add("language", (item.code, item.is_enabled))
                case PackageHeader():
                    header = item
                case PackageEnd():
                    end = item
        self._flush()
        self._finish()
        if header is None or end is None:
            raise PackageError(path=self._package, reason="it has no beginning or no end")
        summary = self._summarise(header, end)
        connection.execute("INSERT INTO package VALUES (?)", (summary.model_dump_json(),))
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        return summary

    def _add(self, table: str, row: Row) -> None:
        self._rows[table].append(row)
        self._waiting += 1
        if self._waiting >= _ROWS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        for table, rows in self._rows.items():
            if rows:
                self._connection.executemany(_INSERTS[table], rows)
                rows.clear()
        self._waiting = 0

    def _add_mapped(self, file: MappedFile) -> None:
        name = file.name or _last_step(file.url)
        # The language of licence terms is in the original name, which the address ends in.
        if name.lower().endswith(".txt") and not license_files.language_in_name(name):
            original = _last_step(file.url)
            name = original if license_files.language_in_name(original) else name
        self._add("seen_file", (file.sha1, name, None, None, True, file.has_decryption_key))
        if not _is_microsofts(file.url):
            self._add("elsewhere", (file.sha1,))

    def _add_update(self, update: PackageUpdate) -> None:
        self._revisions += 1
        number = self._revisions
        metadata = update.metadata
        is_category = metadata.update_type.lower() in _CATEGORY_TYPES
        self._add(
            "revision",
            (
                number, update.update_id, update.revision, metadata.title, metadata.kb,
                metadata.update_type, metadata.severity, metadata.publication, metadata.created,
                metadata.license_id, metadata.is_deployable, is_category,
            ),
        )  # fmt: skip
        for child in metadata.bundled:
            self._add("bundle", (number, child.update_id, child.revision))
        for language in metadata.languages:
            self._add("revision_language", (number, language))
        for cve in metadata.cves:
            self._add("cve", (number, cve))
        for kind, others in (
            ("supersedes", metadata.supersedes),
            ("requires", metadata.requires),
            ("category", update.categories),
            ("classification", update.classifications),
        ):
            for other in others:
                self._add("relation", (number, kind, other))
        self._add_files(number, update)

    def _add_files(self, number: int, update: PackageUpdate) -> None:
        """Add the files that a revision lists or that its XML describes, each once."""
        needs: dict[bytes, tuple[FileKind | str, str]] = dict.fromkeys(update.sha1s, ("", ""))
        for file in update.metadata.files:
            self._add_described(file)
            earlier = needs.get(file.sha1)
            # A file that several languages share is needed for any of them, so it gets no language.
            is_shared = (
                earlier is not None and earlier[0] == file.kind and earlier[1] != file.language
            )
            needs[file.sha1] = (file.kind, "" if is_shared else file.language)
        for sha1, (kind, language) in needs.items():
            if not kind:  # only listed: neither the XML nor the file map may have it
                self._add("seen_file", (sha1, "", None, None, False, False))
            self._add("seen_need", (number, sha1, kind, language))

    def _add_described(self, file: DescribedFile) -> None:
        self._add("seen_file", (file.sha1, file.name, file.size_bytes, file.sha256, False, False))

    def _finish(self) -> None:
        for statement in schema.FINISHING:
            try:
                self._connection.execute(statement)
            except sqlite3.IntegrityError as error:
                reason = "it names the same revision of an update twice"
                raise PackageError(path=self._package, reason=reason) from error

    def _summarise(self, header: PackageHeader, end: PackageEnd) -> PackageSummary:
        return PackageSummary(
            server_id=header.server_id,
            created=header.created,
            protocol_version=header.protocol_version,
            languages=tuple(
                code
                for (code,) in self._connection.execute(
                    "SELECT DISTINCT code FROM language WHERE is_enabled ORDER BY code"
                )
            ),
            revisions=self._revisions,
            updates=self._count("SELECT count(DISTINCT update_id) FROM revision"),
            files=self._count("SELECT count(*) FROM file"),
            unmapped_files=self._count("SELECT count(*) FROM file WHERE NOT is_mapped"),
            package_bytes=end.package_bytes,
            xml_bytes=end.xml_bytes,
            blake3=end.blake3,
        )

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


def _is_microsofts(url: str) -> bool:
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:  # the text is not an address
        return False
    return host.endswith(_MICROSOFT)


def _last_step(url: str) -> str:
    try:
        return urlsplit(url).path.rpartition("/")[2]
    except ValueError:  # the text is not an address
        return ""


def guid_bytes(update_id: str) -> bytes:
    """Convert a GUID in any usual form to 16 bytes (``ValueError`` if it is not a GUID)."""
    return UUID(update_id).bytes


def guid_text(raw: bytes) -> str:
    """Convert 16 bytes to a GUID in lower case with dashes, the form outside the index."""
    return str(UUID(bytes=raw))
