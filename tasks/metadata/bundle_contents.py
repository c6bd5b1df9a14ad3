"""The updates that a bundle brings files of: for the people who carry, sign and import it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tasks.content.names import ContentDigest
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import Closure, ContentChoice, read_closures
from tasks.revision import RevisionId


@dataclass(frozen=True, slots=True)
class BroughtUpdate:
    """An approved revision with files in a bundle. All texts are foreign.

    Attributes:
        files, bytes: Number and size of the revision's files that the bundle carries. A file that
            two revisions share counts for both.
    """

    key: RevisionId
    title: str
    kb: str
    severity: str
    classification: str
    products: str
    files: int
    bytes: int


def describe_brought(
    index: PackageIndex,
    revisions: Iterable[RevisionId],
    choice: ContentChoice,
    is_carried: Callable[[ContentDigest], bool],
) -> Iterator[BroughtUpdate]:
    """Yield the revisions with at least one file in the bundle, in the given order."""
    for closure in read_closures(index, revisions, choice):
        carried = [file for file in closure.files if is_carried(file.name.digest)]
        if carried:
            size = sum(file.size_bytes or 0 for file in carried)
            yield _describe(index, closure, files=len(carried), size_bytes=size)


def _describe(
    index: PackageIndex, closure: Closure, *, files: int, size_bytes: int
) -> BroughtUpdate:
    key = closure.key
    record = index.revision(*key)
    severity = record.severity if record else ""
    return BroughtUpdate(
        key=key,
        title=record.title if record else "",
        kb=record.kb if record else "",
        severity="" if severity == "Unspecified" else severity,
        classification=", ".join(index.titles_of(*key, "classification")),
        products=", ".join(index.titles_of(*key, "category")),
        files=files,
        bytes=size_bytes,
    )
