"""The bounded document ``brings.jsonl``: the updates that a bundle brings, for people.

It is written by the export and bound by the header (FORMAT.md section 14), so that whoever carries,
signs or lets in a bundle can read it without the metadata package. No import acts on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tasks.bundle.canonical import Sealed, canonical_model, strict_json
from tasks.bundle.header import BRINGS_LIMIT_BYTES, SealedCount, SequenceNumber
from tasks.refusals import TrustError
from tasks.revision import RevisionId

LINE_LIMIT_BYTES: Final = 65_536
MOST_UPDATES: Final = 200_000
MOST_NAMED: Final = 200  # CVEs, superseded updates, products of one line
_GUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

Origin = Literal["microsoft", "locally-published", "no-microsoft-address"]
UpdateId = Annotated[str, Field(pattern=_GUID)]
_Short = Annotated[str, Field(max_length=100)]
_Named = Annotated[tuple[_Short, ...], Field(max_length=MOST_NAMED)]


class BroughtUpdate(Sealed):
    """An approved revision that a bundle brings. All texts are foreign.

    Attributes:
        is_new: True if the base did not have it approved; all are new without a base.
        files, size_bytes: Files of its closure that the bundle carries; one that two revisions
            share counts for both.
        cves, supersedes: The first of them, sorted; ``cve_count`` and ``supersedes_count`` count
            all.
        origin: ``locally-published`` by the server's own account, ``no-microsoft-address`` if the
            package names an address outside Microsoft for one of its files.
    """

    kind: Literal["update"] = "update"
    update_id: UpdateId
    revision: Annotated[int, Field(ge=0, le=999_999_999)]
    title: Annotated[str, Field(max_length=1_000)]
    kb: _Short
    severity: _Short
    classification: _Short
    products: _Named
    cves: _Named
    cve_count: SealedCount
    supersedes: Annotated[tuple[UpdateId, ...], Field(max_length=MOST_NAMED)]
    supersedes_count: SealedCount
    files: SealedCount
    size_bytes: SealedCount
    is_new: bool
    origin: Origin

    @property
    def key(self) -> RevisionId:
        """The revision as a key."""
        return RevisionId(self.update_id, self.revision)

    @property
    def name(self) -> str:
        """The KB number; without one the title, else the id."""
        return self.kb or self.title or self.update_id


class BringsEnd(Sealed):
    """The last line.

    Attributes:
        updates: Number of updates that the bundle brings; more than ``listed`` if the document
            reached its limits.
        base: Sequence number of the base that ``is_new`` compares with; None: all is new.
    """

    kind: Literal["end"] = "end"
    base: SequenceNumber | None
    updates: SealedCount
    listed: SealedCount


_LINE: TypeAdapter[BroughtUpdate | BringsEnd] = TypeAdapter(
    Annotated[BroughtUpdate | BringsEnd, Field(discriminator="kind")]
)


def brings_lines(updates: Iterable[BroughtUpdate], *, base: int | None) -> Iterator[bytes]:
    """Yield the lines of the document; updates beyond its limits are only counted.

    Args:
        updates: The updates, ascending by update id and revision.
        base: Sequence number of the base that ``is_new`` compares with.
    """
    room = BRINGS_LIMIT_BYTES - LINE_LIMIT_BYTES  # for the last line
    count = listed = 0
    for update in updates:
        count += 1
        line = canonical_model(update) + b"\n"
        room -= len(line)
        if listed == count - 1 and listed < MOST_UPDATES and room >= 0:
            listed += 1
            yield line
    yield canonical_model(BringsEnd(base=base, updates=count, listed=listed)) + b"\n"


def write_brings(path: Path, updates: Iterable[BroughtUpdate], *, base: int | None) -> None:
    """Write the document (see ``brings_lines``)."""
    with path.open("wb") as stream:
        stream.writelines(brings_lines(updates, base=base))


def read_brings(path: Path) -> Iterator[BroughtUpdate]:
    """Read the updates of our own copy of the document, whose bytes were compared with the header.

    Raises:
        TrustError: A line breaks the format, or a limit is exceeded.
    """
    yield from (line for line in _read_lines(path) if isinstance(line, BroughtUpdate))


def read_brings_end(path: Path) -> BringsEnd:
    """Read the last line of our own copy of the document.

    Raises:
        TrustError: As from ``read_brings``.
    """
    return next(line for line in _read_lines(path) if isinstance(line, BringsEnd))


def _read_lines(path: Path) -> Iterator[BroughtUpdate | BringsEnd]:
    last: tuple[str, int] | None = None
    listed = 0
    with path.open("rb") as stream:
        while line := stream.readline(LINE_LIMIT_BYTES + 1):
            item = _parse(line, path)
            if isinstance(item, BringsEnd):
                if stream.read(1) or item.listed != listed or item.updates < listed:
                    raise _broken(path, "its last line does not agree with the others")
                yield item
                return
            listed += 1
            if listed > MOST_UPDATES or (last is not None and item.key <= last):
                raise _broken(path, f"line {listed} is out of order, or one too many")
            last = item.key
            yield item
    raise _broken(path, "it has no last line")


def _parse(line: bytes, path: Path) -> BroughtUpdate | BringsEnd:
    """Parse a line, which must be exactly as we write it."""
    try:
        value: Any = strict_json(line)
        item = _LINE.validate_json(line)
    except (ValueError, ValidationError) as error:
        raise _broken(path, " ".join(str(error).split())[:200]) from error
    if len(line) > LINE_LIMIT_BYTES or canonical_model(item) + b"\n" != line or not value:
        raise _broken(path, "a line is not in its canonical form")
    return item


def _broken(path: Path, reason: str) -> TrustError:
    return TrustError(reason=f"{path}: {reason}")
