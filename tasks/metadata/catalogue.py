"""Questions to the index of a package: its revisions, their relations, its content files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tasks.content.names import ContentDigest, ContentName
from tasks.errors import PackageError
from tasks.metadata import schema
from tasks.metadata.index import PackageSummary, guid_bytes, guid_text
from tasks.revision import RevisionId

_CLEARING = ("DELETE FROM wanted WHERE scope = ?", "DELETE FROM chosen WHERE scope = ?")


_OWNERS = """
    CREATE TEMP TABLE owner (sha1 BLOB PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO owner SELECT needs.sha1, max(coalesce(parents.parent, needs.revision)) FROM needs
        LEFT JOIN (SELECT child, max(parent) AS parent FROM bundle GROUP BY child) AS parents
        ON parents.child = needs.revision GROUP BY needs.sha1;
"""


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """One revision in the package. All texts are foreign, apart from the update id."""

    update_id: str
    revision: int
    title: str
    kb: str
    update_type: str
    severity: str
    publication: str
    created: str
    license_id: str
    is_category: bool
    is_hidden: bool

    @property
    def key(self) -> RevisionId:
        """The revision as a key."""
        return RevisionId(self.update_id, self.revision)


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A content file that the package names; ``size_bytes`` is None if the size is unknown."""

    name: ContentName
    size_bytes: int | None
    has_decryption_key: bool


class PackageIndex:
    """An index, opened for reading. Use it in one thread; several may open the same file.

    Raises:
        PackageError: The file is missing, or it is not an index of this version.
    """

    def __init__(self, database: Path) -> None:
        address = f"file:{quote(str(database.absolute()))}?mode=ro&immutable=1"
        try:
            self.connection = sqlite3.connect(address, uri=True, isolation_level=None)
        except sqlite3.Error as error:
            raise _unreadable(database, error) from error
        try:
            self.summary = self._read_summary()
        except (sqlite3.Error, ValueError) as error:
            self.close()
            raise _unreadable(database, error) from error
        self._scopes = 0
        self._has_owners = False

    def _read_summary(self) -> PackageSummary:
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if version != schema.VERSION:
            raise ValueError(f"expected version {schema.VERSION}, found {version}")
        # The revisions of a question are stored in temporary tables, which go to disk when large.
        self.connection.executescript("""
            PRAGMA temp_store = FILE;
            CREATE TEMP TABLE wanted (scope INTEGER NOT NULL, position INTEGER NOT NULL,
                update_id BLOB NOT NULL, revision INTEGER NOT NULL, number INTEGER,
                PRIMARY KEY (scope, position)) WITHOUT ROWID;
            CREATE TEMP TABLE chosen (scope INTEGER NOT NULL, language TEXT NOT NULL,
                PRIMARY KEY (scope, language)) WITHOUT ROWID;
        """)
        tables = self.connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
        self._tables = frozenset(name for (name,) in tables)  # earlier versions made fewer
        (text,) = self.connection.execute("SELECT summary FROM package").fetchone()
        return PackageSummary.model_validate_json(text)

    def revision(self, update_id: str, revision: int) -> RevisionRecord | None:
        """Look up one revision; None if the package does not have it."""
        return self._one(
            "SELECT * FROM record WHERE update_id = ? AND revision = ?",
            (guid_bytes(update_id), revision),
        )

    def latest(self, update_id: str) -> RevisionRecord | None:
        """Look up the highest revision of an update; None if the package has none."""
        return self._one(
            "SELECT * FROM record WHERE update_id = ? ORDER BY revision DESC LIMIT 1",
            (guid_bytes(update_id),),
        )

    def superseders(self, update_id: str) -> tuple[RevisionRecord, ...]:
        """Look up the revisions that supersede an update, by update id and revision."""
        return self._all(
            """SELECT * FROM record WHERE number IN (
                SELECT revision FROM relation WHERE other = ? AND kind = 'supersedes')
            ORDER BY update_id, revision""",
            (guid_bytes(update_id),),
        )

    def titles_of(self, update_id: str, revision: int, kind: str) -> tuple[str, ...]:
        """Look up the titles of a revision's ``category`` or ``classification`` entries, sorted."""
        records = (self.latest(guid_text(raw)) for raw in self._related(update_id, revision, kind))
        return tuple(sorted(record.title for record in records if record is not None))

    def cves(self, update_id: str, revision: int) -> tuple[str, ...]:
        """Look up the CVE numbers that a revision names, sorted."""
        if "cve" not in self._tables:
            return ()
        rows = self.connection.execute(
            """SELECT cve FROM cve JOIN revision ON revision.number = cve.revision
            WHERE revision.update_id = ? AND revision.revision = ? ORDER BY cve""",
            (guid_bytes(update_id), revision),
        )
        return tuple(cve for (cve,) in rows)

    def superseded_by(self, update_id: str, revision: int) -> tuple[str, ...]:
        """Look up the ids of the updates that a revision supersedes, sorted."""
        return tuple(map(guid_text, self._related(update_id, revision, "supersedes")))

    def has_other_address(self, digests: Iterable[ContentDigest]) -> bool:
        """Return True if the package's file map has no address of Microsoft's for one of them."""
        query = "SELECT 1 FROM elsewhere WHERE sha1 = ?"
        return "elsewhere" in self._tables and any(
            self.connection.execute(query, (digest.raw,)).fetchone() for digest in digests
        )

    def revisions(self) -> Iterator[RevisionRecord]:
        """Yield all revisions, by update id and revision number."""
        yield from self._records("SELECT * FROM record ORDER BY update_id, revision", ())

    def count_updates(self) -> int:
        """Count the updates, with bundled children, without categories and detectoids."""
        query = "SELECT count(DISTINCT update_id) FROM revision WHERE NOT is_category"
        (count,) = self.connection.execute(query).fetchone()
        return int(count)

    def approvable(self, *, leaving_out: Iterable[RevisionId] = ()) -> Iterator[RevisionId]:
        """Yield the latest revision of every update that can be approved, by update id.

        Categories, detectoids and hidden children cannot be approved.

        Args:
            leaving_out: Revisions whose updates are left out (approved, parked or declined ones).
        """
        with Scope(self, leaving_out) as scope:
            rows = self.connection.execute(
                """SELECT update_id, max(revision) FROM revision
                WHERE NOT is_category AND NOT is_hidden
                AND update_id NOT IN (SELECT update_id FROM wanted WHERE scope = ?)
                GROUP BY update_id ORDER BY update_id""",
                (scope.number,),
            )
            for update_id, revision in rows:
                yield RevisionId(guid_text(update_id), revision)

    def files(self) -> Iterator[IndexedFile]:
        """Yield all content files that the package names, by SHA-1."""
        rows = self.connection.execute(
            "SELECT sha1, extension, size_bytes, has_decryption_key FROM file ORDER BY sha1"
        )
        for sha1, extension, size, has_key in rows:
            yield IndexedFile(ContentName(ContentDigest(sha1), extension), size, bool(has_key))

    def file(self, digest: ContentDigest) -> IndexedFile | None:
        """Look up one content file; None if the package does not name it."""
        row = self.connection.execute(
            "SELECT extension, size_bytes, has_decryption_key FROM file WHERE sha1 = ?",
            (digest.raw,),
        ).fetchone()
        return row and IndexedFile(ContentName(digest, row[0]), row[1], bool(row[2]))

    def owner_of(self, digest: ContentDigest) -> RevisionRecord | None:
        """Look up an update that needs a file: of several, the one that comes last in the package.

        For a file of a bundled child it is the parent, which people approve.
        """
        if not self._has_owners:
            self.connection.executescript(_OWNERS)
            self._has_owners = True
        return self._one(
            "SELECT * FROM record WHERE number = (SELECT revision FROM owner WHERE sha1 = ?)",
            (digest.raw,),
        )

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def next_scope(self) -> int:
        """Return a new number for the rows of one question; several may be open at once."""
        self._scopes += 1
        return self._scopes

    def _related(self, update_id: str, revision: int, kind: str) -> list[bytes]:
        rows = self.connection.execute(
            """SELECT DISTINCT relation.other FROM revision
            JOIN relation ON relation.revision = revision.number AND relation.kind = ?
            WHERE revision.update_id = ? AND revision.revision = ? ORDER BY relation.other""",
            (kind, guid_bytes(update_id), revision),
        )
        return [other for (other,) in rows]

    def _one(self, query: str, values: tuple[object, ...]) -> RevisionRecord | None:
        return next(self._records(query, values), None)

    def _all(self, query: str, values: tuple[object, ...]) -> tuple[RevisionRecord, ...]:
        return tuple(self._records(query, values))

    def _records(self, query: str, values: tuple[object, ...]) -> Iterator[RevisionRecord]:
        for row in self.connection.execute(query, values):
            texts: tuple[str, ...] = row[2:9]
            title, kb, update_type, severity, publication, created, license_id = texts
            yield RevisionRecord(
                update_id=guid_text(row[0]),
                revision=row[1],
                title=title,
                kb=kb,
                update_type=update_type,
                severity=severity,
                publication=publication,
                created=created,
                license_id=license_id,
                is_category=bool(row[9]),
                is_hidden=bool(row[10]),
            )


class Scope:
    """The revisions and languages of one question, in the index's temporary tables.

    Within the ``with`` block the table ``wanted`` has the revisions in the given order. ``number``
    is the number of the revision in the index, NULL if the package does not have it.
    """

    def __init__(
        self,
        index: PackageIndex,
        revisions: Iterable[RevisionId],
        languages: frozenset[str] | None = None,
    ) -> None:
        self._index = index
        self._revisions = revisions
        self._languages = languages or frozenset()
        self.number = index.next_scope()

    def __enter__(self) -> Self:
        connection = self._index.connection
        connection.executemany(
            """INSERT INTO wanted SELECT :scope, :position, :id, :revision, (
                SELECT number FROM revision WHERE update_id = :id AND revision = :revision)""",
            (
                {
                    "scope": self.number,
                    "position": position,
                    "id": guid_bytes(key[0]),
                    "revision": key[1],
                }
                for position, key in enumerate(self._revisions)
            ),
        )
        connection.executemany(
            "INSERT INTO chosen VALUES (?, ?)",
            ((self.number, language.lower()) for language in sorted(self._languages)),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A generator that was not read to its end may be closed after its index; the temporary
        # tables are gone then.
        with suppress(sqlite3.ProgrammingError):
            for statement in _CLEARING:
                self._index.connection.execute(statement, (self.number,))


def _unreadable(database: Path, error: Exception) -> PackageError:
    return PackageError(path=database, reason=f"its index cannot be read: {error}")


def read_titles(index_path: Path, update_ids: Iterable[str]) -> dict[str, str]:
    """Look up the titles of updates, by update id; foreign text."""
    with PackageIndex(index_path) as index:
        records = ((update_id, index.latest(update_id)) for update_id in sorted(set(update_ids)))
        return {update_id: record.title for update_id, record in records if record is not None}
