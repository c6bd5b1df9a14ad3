"""The updates that a bundle brings, from package, decisions and manifest; and their comparison.

The export writes them into ``brings.jsonl``. An import makes the same list from the package itself
and names what differs, so that nobody was shown another bundle than the one that came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from tasks.bundle.brings import LINE_LIMIT_BYTES, MOST_NAMED, BroughtUpdate, Origin
from tasks.bundle.canonical import canonical_model
from tasks.bundle.manifest import compare_sorted
from tasks.content.names import ContentDigest
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import Closure, ContentChoice, read_closures
from tasks.revision import RevisionId

_EVERYTHING = ContentChoice(languages=None, express=True)
_TITLE_CHARACTERS = 1_000
_SHORT_CHARACTERS = 100
_LARGEST = 1 << 50
_COMPARED = (
    "title", "kb", "severity", "classification", "products", "cves", "cve_count", "supersedes",
    "supersedes_count", "files", "size_bytes",
)  # fmt: skip


def describe_brought(
    index: PackageIndex,
    approved: Iterable[RevisionId],
    is_carried: Callable[[ContentDigest], bool],
    *,
    in_base: Collection[RevisionId] = (),
    local: Collection[RevisionId] = (),
) -> Iterator[BroughtUpdate]:
    """Yield the updates that a bundle brings, in the given order.

    A bundle brings an approved revision if it carries files of it, or if it is new: not approved in
    the base. Metadata and approvals are whole in every bundle; what the base has is not brought.

    Args:
        index: Index of the bundle's package.
        approved: The approved revisions, ascending.
        is_carried: Tells if the bundle carries a file.
        in_base: The revisions that were approved in the base; empty without one.
        local: The revisions that the staging server says were published there.
    """
    for closure in read_closures(index, approved, _EVERYTHING):
        carried = [file for file in closure.files if is_carried(file.name.digest)]
        is_new = closure.key not in in_base
        if carried or is_new:
            size_bytes = sum(file.size_bytes or 0 for file in carried)
            yield _describe(
                index,
                closure,
                (len(carried), size_bytes),
                is_new=is_new,
                origin=_origin(index, closure, local),
            )


def largest_bytes(index: PackageIndex, approved: Iterable[RevisionId]) -> int:
    """Return an upper limit of the list's size, which is needed before it is known what fits."""
    size_bytes = LINE_LIMIT_BYTES
    for key in approved:
        line = _describe(
            index,
            Closure(key, (), ()),
            (_LARGEST, _LARGEST),
            is_new=False,
            origin="no-microsoft-address",
        )
        size_bytes += len(canonical_model(line)) + 1
    return size_bytes


def differences(
    written: Iterable[BroughtUpdate], brought: Iterable[BroughtUpdate], *, knows_base: bool
) -> Iterator[str]:
    """Compare the list of a bundle with what it holds; yield a sentence for each difference.

    Args:
        written: The list that came with the bundle.
        brought: The list made here, from package, decisions and manifest.
        knows_base: True if ``brought`` was made with the decisions of the same base; without
            them it is unknown which updates without files are new.

    Both lists ascend by update id and revision.
    """
    for pair in compare_sorted(written, brought, first_order=_key, second_order=_key):
        line, update = pair.first, pair.second
        if update is None:
            if line is not None:
                yield f"{_name(line)} is listed and not brought"
        elif line is None:
            if update.files or knows_base:
                yield f"{_name(update)} is brought and not listed"
        elif names := _differing(line, update):
            yield f"{_name(update)} is listed with another {names}"


def first_differences(sentences: Iterator[str], most: int = 5) -> list[str]:
    """Return the first sentences, and one that counts the others."""
    shown = list(islice(sentences, most))
    more = sum(1 for _ in sentences)
    return [*shown, f"and {more} more differences"] if more else shown


def _key(update: BroughtUpdate) -> RevisionId:
    return update.key


def _differing(line: BroughtUpdate, update: BroughtUpdate) -> str:
    """Name what is otherwise; only the staging server knows what was published there."""
    names = [name for name in _COMPARED if getattr(line, name) != getattr(update, name)]
    is_hidden = line.origin == "microsoft" and update.origin != "microsoft"
    return ", ".join([*names, *(["origin"] if is_hidden else [])]).replace("_", " ")


def _name(update: BroughtUpdate) -> str:
    return f"{update.name} ({update.update_id} revision {update.revision})"


def _origin(index: PackageIndex, closure: Closure, local: Collection[RevisionId]) -> Origin:
    if closure.key in local:
        return "locally-published"
    digests = (file.name.digest for file in closure.files)
    return "no-microsoft-address" if index.has_other_address(digests) else "microsoft"


def _describe(
    index: PackageIndex,
    closure: Closure,
    carried: tuple[int, int],
    *,
    is_new: bool,
    origin: Origin,
) -> BroughtUpdate:
    key = closure.key
    record = index.revision(*key)
    severity = record.severity if record else ""
    cves, supersedes = index.cves(*key), index.superseded_by(*key)
    return BroughtUpdate(
        update_id=key.update_id,
        revision=key.revision,
        title=(record.title if record else "")[:_TITLE_CHARACTERS],
        kb=(record.kb if record else "")[:_SHORT_CHARACTERS],
        severity="" if severity == "Unspecified" else severity[:_SHORT_CHARACTERS],
        classification=", ".join(index.titles_of(*key, "classification"))[:_SHORT_CHARACTERS],
        products=tuple(
            title[:_SHORT_CHARACTERS] for title in index.titles_of(*key, "category")[:MOST_NAMED]
        ),
        cves=cves[:MOST_NAMED],
        cve_count=len(cves),
        supersedes=supersedes[:MOST_NAMED],
        supersedes_count=len(supersedes),
        files=carried[0],
        size_bytes=carried[1],
        is_new=is_new,
        origin=origin,
    )
