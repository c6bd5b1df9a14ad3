"""Which files must lie in WsusContent so that a revision can be installed.

The revision's own files, those of its bundled children to any depth, and licence terms, as far as
the site keeps them: express files only where the server uses them, files, licence terms and
children in a language only where that language is enabled. Prerequisites are updates of their own
and not part of it: WSUS too calls a revision ready without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.content.names import ContentDigest, ContentName
from tasks.metadata.catalogue import PackageIndex, Scope
from tasks.metadata.index import guid_text
from tasks.metadata.model import FileKind
from tasks.revision import RevisionId


@dataclass(frozen=True, slots=True)
class ContentChoice:
    """What a server keeps: ``languages`` None means all of them; codes like ``en``, ``zh-tw``."""

    languages: frozenset[str] | None
    express: bool

    def takes_language(self, language: str) -> bool:
        """Whether files in this language are kept; no language is every language."""
        if not language or self.languages is None:
            return True
        return language.lower() in {code.lower() for code in self.languages}


@dataclass(frozen=True, slots=True)
class NeededFile:
    """One file that a wanted revision needs; ``size_bytes`` None where the package is silent."""

    name: ContentName
    size_bytes: int | None
    kind: FileKind
    language: str


@dataclass(frozen=True, slots=True)
class Closure:
    """All that one wanted revision needs.

    Attributes:
        key: The wanted revision.
        files: By SHA-1, each once.
        unknown: The revision itself, or children below it, that the package does not have. A child
            that is bundled without a revision number has the number 0.
    """

    key: RevisionId
    files: tuple[NeededFile, ...]
    unknown: tuple[RevisionId, ...]


# family: every wanted revision with all that is bundled below it. UNION, not UNION ALL, so that
# bundles that contain each other end.
_FAMILY = """
WITH RECURSIVE family (place, member) AS (
    SELECT place, number FROM wanted WHERE scope = :scope AND number IS NOT NULL
    UNION
    SELECT family.place, bundle.child FROM family
    JOIN bundle ON bundle.parent = family.member
    WHERE bundle.child IS NOT NULL AND (:all_languages
        OR NOT EXISTS (SELECT 1 FROM revision_language AS of WHERE of.revision = bundle.child)
        OR EXISTS (SELECT 1 FROM revision_language AS of
            JOIN chosen ON chosen.scope = :scope AND chosen.language = of.language
            WHERE of.revision = bundle.child))
)
"""

_NEEDED = f"""{_FAMILY}
SELECT family.place, needs.sha1, file.extension, file.size_bytes,
    needs.kind, needs.language, min(needs.revision)
FROM family
JOIN needs ON needs.revision = family.member
JOIN file ON file.sha1 = needs.sha1
WHERE (:express OR needs.kind <> 'express')
AND (:all_languages OR needs.language = '' OR needs.language IN (
    SELECT language FROM chosen WHERE scope = :scope))
GROUP BY family.place, needs.sha1
ORDER BY family.place, needs.sha1
"""  # noqa: S608 # constants of this module only

_UNKNOWN = f"""{_FAMILY}
SELECT place, update_id, revision FROM wanted WHERE scope = :scope AND number IS NULL
UNION
SELECT family.place, bundle.child_id, coalesce(bundle.child_revision, 0) FROM family
JOIN bundle ON bundle.parent = family.member AND bundle.child IS NULL
ORDER BY 1, 2, 3
"""  # noqa: S608 # constants of this module only

_WANTED = "SELECT place, update_id, revision FROM wanted WHERE scope = :scope ORDER BY place"


def read_closures(
    index: PackageIndex, wanted: Iterable[RevisionId], choice: ContentChoice
) -> Iterator[Closure]:
    """Yield what each wanted revision needs, in the order given, one revision in memory."""
    with Scope(index, wanted, choice.languages) as scope:
        values = {
            "scope": scope.number,
            "all_languages": choice.languages is None,
            "express": choice.express,
        }
        needed = _ByPlace(index.connection.execute(_NEEDED, values))
        unknown = _ByPlace(index.connection.execute(_UNKNOWN, values))
        for place, update_id, revision in index.connection.execute(_WANTED, values):
            yield Closure(
                key=RevisionId(guid_text(update_id), revision),
                files=tuple(map(_needed_file, needed.take(place))),
                unknown=tuple(RevisionId(guid_text(row[1]), row[2]) for row in unknown.take(place)),
            )


class _ByPlace:
    """Rows that begin with a place, in its order, taken place by place."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, place: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of one place; places are asked for in order, none left out."""
        while self._next is not None and self._next[0] == place:
            yield self._next
            self._next = next(self._rows, None)


def _needed_file(row: tuple[Any, ...]) -> NeededFile:
    return NeededFile(
        name=ContentName(ContentDigest(row[1]), row[2]),
        size_bytes=row[3],
        kind=row[4],
        language=row[5],
    )
