"""The files that must be in WsusContent so that a revision can be installed: its closure.

A closure has the files of the revision, of its bundled children to any depth, and of the licence
terms of all of them. Left out are express files if the server does not use them, and files, licence
terms and children in languages that are not enabled.

A bundle has no files of its own; they belong to its children (observed). Licence terms count,
because ``AcceptLicenseAgreement`` fails without their file (Microsoft's description of the API).
Prerequisites are updates of their own and not part of the closure. WSUS agrees: by MS-WSUSAR
2.2.5.11 a revision is ready when all files of it and of its children are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.content.names import ContentDigest, ContentName
from tasks.metadata.catalogue import PackageIndex, Scope
from tasks.metadata.index import guid_text
from tasks.metadata.license_files import UNKNOWN_LANGUAGE
from tasks.metadata.model import FileKind
from tasks.revision import RevisionId


@dataclass(frozen=True, slots=True)
class ContentChoice:
    """The files that a server keeps, by its settings.

    Attributes:
        languages: Codes like ``en`` or ``zh-tw``; None means all languages.
        express: True if it keeps express files (``DownloadExpressPackages``).
    """

    languages: frozenset[str] | None
    express: bool

    def takes_language(self, language: str) -> bool:
        """Return True if files in this language are kept; "" is a file for all languages.

        Licence terms in an unknown language may be kept; ``NeededFile.is_uncertain`` has these.
        """
        if not language or self.languages is None or language == UNKNOWN_LANGUAGE:
            return True
        return language.lower() in {code.lower() for code in self.languages}


@dataclass(frozen=True, slots=True)
class NeededFile:
    """A file that a revision needs; ``size_bytes`` is None if the package does not give it."""

    name: ContentName
    size_bytes: int | None
    kind: FileKind
    language: str

    @property
    def is_uncertain(self) -> bool:
        """True if nothing tells the language; it is needed only if the staging server has the file.

        WSUS downloads licence terms in the languages that are enabled. If the staging server, which
        has the same languages, does not have the file, then nobody needs it.
        """
        return self.language == UNKNOWN_LANGUAGE


@dataclass(frozen=True, slots=True)
class Closure:
    """The files that one revision needs.

    Attributes:
        files: Sorted by SHA-1, without duplicates.
        unknown: The revision itself, or children to any depth, if the package does not have them.
            A child that is bundled without a revision number has the number 0.
    """

    key: RevisionId
    files: tuple[NeededFile, ...]
    unknown: tuple[RevisionId, ...]


# family: every revision in question with all revisions that are bundled below it. UNION, not UNION
# ALL, ends the recursion if bundles contain each other.
_FAMILY = """
WITH RECURSIVE family (position, member) AS (
    SELECT position, number FROM wanted WHERE scope = :scope AND number IS NOT NULL
    UNION
    SELECT family.position, bundle.child FROM family
    JOIN bundle ON bundle.parent = family.member
    WHERE bundle.child IS NOT NULL AND (:all_languages
        OR NOT EXISTS (SELECT 1 FROM revision_language AS of WHERE of.revision = bundle.child)
        OR EXISTS (SELECT 1 FROM revision_language AS of
            JOIN chosen ON chosen.scope = :scope AND chosen.language = of.language
            WHERE of.revision = bundle.child))
)
"""

_NEEDED = f"""{_FAMILY}
SELECT family.position, needs.sha1, file.extension, file.size_bytes,
    needs.kind, needs.language, min(needs.revision)
FROM family
JOIN needs ON needs.revision = family.member
JOIN file ON file.sha1 = needs.sha1
WHERE (:express OR needs.kind <> 'express')
AND (:all_languages OR needs.language IN ('', '?') OR needs.language IN (
    SELECT language FROM chosen WHERE scope = :scope))
GROUP BY family.position, needs.sha1
ORDER BY family.position, needs.sha1
"""  # noqa: S608 # constants of this module only

_UNKNOWN = f"""{_FAMILY}
SELECT position, update_id, revision FROM wanted WHERE scope = :scope AND number IS NULL
UNION
SELECT family.position, bundle.child_id, coalesce(bundle.child_revision, 0) FROM family
JOIN bundle ON bundle.parent = family.member AND bundle.child IS NULL
ORDER BY 1, 2, 3
"""  # noqa: S608 # constants of this module only

_WANTED = "SELECT position, update_id, revision FROM wanted WHERE scope = :scope ORDER BY position"


def read_closures(
    index: PackageIndex, revisions: Iterable[RevisionId], choice: ContentChoice
) -> Iterator[Closure]:
    """Yield the closure of each revision in the given order; one is in memory at a time."""
    with Scope(index, revisions, choice.languages) as scope:
        values = {
            "scope": scope.number,
            "all_languages": choice.languages is None,
            "express": choice.express,
        }
        needed = _RowsByPosition(index.connection.execute(_NEEDED, values))
        unknown = _RowsByPosition(index.connection.execute(_UNKNOWN, values))
        for position, update_id, revision in index.connection.execute(_WANTED, values):
            yield Closure(
                key=RevisionId(guid_text(update_id), revision),
                files=tuple(map(_needed_file, needed.take(position))),
                unknown=tuple(
                    RevisionId(guid_text(row[1]), row[2]) for row in unknown.take(position)
                ),
            )


class _RowsByPosition:
    """Rows sorted by their first column, the position, and read one position after another."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, position: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a position; ask for every position, in ascending order."""
        while self._next is not None and self._next[0] == position:
            yield self._next
            self._next = next(self._rows, None)


def _needed_file(row: tuple[Any, ...]) -> NeededFile:
    return NeededFile(
        name=ContentName(ContentDigest(row[1]), row[2]),
        size_bytes=row[3],
        kind=row[4],
        language=row[5],
    )
