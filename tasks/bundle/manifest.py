"""The manifest: one line for every content file of the staging server.

A line gives the file's name, size, both digests, and the volume of this bundle that carries it.
The volume is ``null`` if the bundle does not carry the file: then the other side should have it.
So one document lists both the content that came and the content that should be there.

Lines are sorted by ``ContentName.order``, the order of scans. So a manifest and a folder, or two
manifests, are compared by reading both at once, in constant memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from blake3 import blake3
from pydantic import Field, ValidationError

from tasks.bundle.canonical import Sealed
from tasks.bundle.header import (
    MOST_FILES,
    MOST_VOLUMES,
    Binding,
    SealedCount,
)
from tasks.bundle.layout import part_name
from tasks.content.fields import Blake3Field, Sha1Field
from tasks.content.names import (
    MOST_EXTENSION_CHARACTERS,
    Blake3,
    ContentDigest,
    ContentName,
    FileDigests,
)
from tasks.refusals import SafetyError, TrustError

LINE_LIMIT_BYTES = 65_536
MOST_PARTS = 380  # fit into one line, whatever their sizes
MOST_PARTS_IN_ALL = 50_000
MOST_FILES_IN_FOLDER = 16_384
_CHUNK_BYTES = 1_048_576
_WRITE_BUFFER_BYTES = 262_144


# A line without parts in the exact form that ``Entry.line`` writes; most lines are so.
_LINE = re.compile(
    r'\{"blake3":"([0-9a-f]{64})","extension":"([A-Za-z0-9]{0,32})","sha1":"([0-9A-F]{40})",'
    r'"size_bytes":(0|[1-9][0-9]{0,14}),"volume":(null|[1-9][0-9]?)\}\n'
)
_Volume = Annotated[int, Field(ge=1, le=MOST_VOLUMES)]


class Part(Sealed):
    """One part of a file that is too large to travel whole; parts are numbered in order."""

    volume: _Volume
    size_bytes: Annotated[int, Field(ge=1)]
    sha1: Sha1Field
    blake3: Blake3Field

    @property
    def digests(self) -> FileDigests:
        """Expected digests and size of the part."""
        return FileDigests(self.sha1, self.blake3, self.size_bytes)


class Entry(Sealed):
    """One content file. Digests and size are those of the whole file, even if it has parts.

    Attributes:
        volume: The volume that carries the file or its first part; None if not carried.
        parts: Two or more parts if the file travels in parts; else empty.
    """

    sha1: Sha1Field
    extension: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]*$", max_length=MOST_EXTENSION_CHARACTERS)
    ]
    size_bytes: SealedCount
    blake3: Blake3Field
    volume: _Volume | None
    parts: Annotated[tuple[Part, ...], Field(max_length=MOST_PARTS)] = ()

    @property
    def name(self) -> ContentName:
        """Name of the content file, built from validated fields."""
        return ContentName(self.sha1, self.extension)

    @property
    def digests(self) -> FileDigests:
        """Expected digests and size of the whole file."""
        return FileDigests(self.sha1, self.blake3, self.size_bytes)

    @property
    def order(self) -> tuple[int, bytes, str]:
        """Sort key of manifests."""
        raw = self.sha1.raw
        return raw[-1], raw, self.extension.lower()

    @property
    def is_carried(self) -> bool:
        """True if this bundle carries the file's bytes."""
        return self.volume is not None

    def not_carried(self) -> Entry:
        """Return the entry of the same file for a bundle that does not carry it."""
        return _whole_entry(
            sha1=self.sha1, extension=self.extension, size_bytes=self.size_bytes,
            blake3=self.blake3, volume=None,
        )  # fmt: skip

    def line(self) -> bytes:
        """Return the entry as a line of the manifest, including the line break."""
        volume = "null" if self.volume is None else self.volume
        parts = f',"parts":[{",".join(map(_part_text, self.parts))}]' if self.parts else ""
        return (
            f'{{"blake3":"{self.blake3.hex}","extension":"{self.extension}"{parts},'
            f'"sha1":"{self.sha1.hex}","size_bytes":{self.size_bytes},"volume":{volume}}}\n'
        ).encode()


def _whole_entry(**values: object) -> Entry:
    """Make an entry without parts of all its other values, which are valid.

    It does what ``model_construct`` does; for every file of a site that takes too long.
    """
    entry = Entry.__new__(Entry)
    object.__setattr__(entry, "__dict__", {**values, "parts": ()})
    object.__setattr__(entry, "__pydantic_fields_set__", _FIELDS)
    object.__setattr__(entry, "__pydantic_extra__", None)
    object.__setattr__(entry, "__pydantic_private__", None)
    return entry


_FIELDS = set(Entry.model_fields)


def _part_text(part: Part) -> str:
    return (
        f'{{"blake3":"{part.blake3.hex}","sha1":"{part.sha1.hex}",'
        f'"size_bytes":{part.size_bytes},"volume":{part.volume}}}'
    )


def line_bytes(name: ContentName, size_bytes: int, *, parts: int = 0) -> int:
    """Return the greatest possible length of an entry's line, before its digests are known."""
    fixed = 64 + 40 + len('{"blake3":"","extension":"","sha1":"","size_bytes":,"volume":null}\n')
    parts_bytes = 0
    if parts:
        part_bytes = 64 + 40 + len('{"blake3":"","sha1":"","size_bytes":,"volume":100},')
        part_bytes += len(str(size_bytes))
        parts_bytes = len(',"parts":[]') + parts * part_bytes
    return fixed + len(name.extension) + len(str(size_bytes)) + parts_bytes


# --- writing and reading --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A file in a volume: a whole content file or one part of it."""

    volume: int
    file_name: str
    size_bytes: int


def pieces_of(entry: Entry) -> tuple[Piece, ...]:
    """Return the files in volumes that together make up an entry; none if it is not carried."""
    if entry.parts:
        return tuple(
            Piece(part.volume, part_name(entry.name, number), part.size_bytes)
            for number, part in enumerate(entry.parts, start=1)
        )
    if entry.volume is None:
        return ()
    return (Piece(entry.volume, entry.name.text, entry.size_bytes),)


def last_volume(entry: Entry) -> int:
    """Return the highest number of a volume that carries any of an entry; 0 if none does."""
    if entry.parts:
        return max(part.volume for part in entry.parts)
    return entry.volume or 0


@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """Binding and totals of a written manifest, for the header."""

    binding: Binding
    files: int
    size_bytes: int
    carried_files: int
    carried_bytes: int


@dataclass(slots=True)
class FormatCounts:
    """Counts of a manifest's entries in order, against the limits of the format."""

    files: int = 0
    in_folder: int = 0
    parts: int = 0
    folder: int = -1

    def add(self, sha1: ContentDigest, parts: int) -> str | None:
        """Count an entry, and describe the limit that it breaks; None if it breaks none.

        Args:
            sha1: Its content digest.
            parts: Number of its parts; 0 if it travels whole.
        """
        folder = sha1.raw[-1]
        self.files += 1
        self.in_folder = self.in_folder + 1 if folder == self.folder else 1
        self.parts += parts
        self.folder = folder
        if self.files > MOST_FILES:
            return f"more than {MOST_FILES} content files"
        if self.in_folder > MOST_FILES_IN_FOLDER:
            return f"more than {MOST_FILES_IN_FOLDER} content files in one folder"
        if self.parts > MOST_PARTS_IN_ALL:
            return f"more than {MOST_PARTS_IN_ALL} parts"
        return None

    def require(self, sha1: ContentDigest, parts: int) -> None:
        """Count an entry of a bundle of ours.

        Raises:
            SafetyError: There are more than the format allows.
        """
        if broken := self.add(sha1, parts):
            raise SafetyError(
                reason=f"the staging server holds more than a bundle can name: {broken}",
                remedy="Have WSUS clean up, and decline updates that nobody needs.",
            )


def write_manifest(path: Path, entries: Iterable[Entry]) -> ManifestSummary:
    """Write entries, ascending by ``order``, to a file of ours.

    Raises:
        ValueError: Two entries are equal or out of order: a mistake of the caller.
        SafetyError: There are more entries than the format allows.
    """
    counts = FormatCounts()
    digest, written = blake3(), 0
    files = size_bytes = carried_files = carried_bytes = 0
    last: tuple[int, bytes, str] | None = None
    with path.open("wb", buffering=_WRITE_BUFFER_BYTES) as stream:
        for entry in entries:
            order = entry.order
            if last is not None and order <= last:
                raise ValueError(f"{entry.name.text} is out of order")
            last = order
            counts.require(entry.sha1, len(entry.parts))
            line = entry.line()
            digest.update(line)
            written += stream.write(line)
            files += 1
            size_bytes += entry.size_bytes
            if entry.is_carried:
                carried_files += 1
                carried_bytes += entry.size_bytes
    binding = Binding(size_bytes=written, blake3=Blake3(digest.digest()))
    return ManifestSummary(binding, files, size_bytes, carried_files, carried_bytes)


def read_entries(path: Path) -> Iterator[Entry]:
    """Read a manifest line by line. Every line must be in the exact form that we write.

    Raises:
        TrustError: A line is too long, wrong, or out of order; or a limit is exceeded.
    """
    last: tuple[int, bytes, str] | None = None
    number, counts = 0, FormatCounts()
    with path.open("rb", buffering=_WRITE_BUFFER_BYTES) as stream:
        while line := stream.readline(LINE_LIMIT_BYTES + 1):
            number += 1
            entry = parse_line(line, path, number)
            order = entry.order
            if last is not None and order <= last:
                raise TrustError(reason=f"manifest {path}, line {number}: out of order")
            last = order
            if broken := counts.add(entry.sha1, len(entry.parts)):
                raise TrustError(reason=f"manifest {path}, line {number}: {broken}")
            yield entry


def parse_line(line: bytes, path: Path, number: int | None = None) -> Entry:
    """Read one line of a manifest, which must be in the exact form that we write.

    Args:
        line: The line with its line break.
        path: The manifest, for the error.
        number: Number of the line in it; None: one that was looked up.

    Raises:
        TrustError: The line is too long or wrong.
    """
    if len(line) > LINE_LIMIT_BYTES:
        raise TrustError(reason=f"manifest {path}, line {number}: too long")
    try:
        match = _LINE.fullmatch(line.decode("ascii", "replace"))
        if match is not None:
            return _plain_entry(match)
        entry = Entry.model_validate_json(line)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise TrustError(reason=f"manifest {path}, line {number}: {reason}") from error
    if entry.line() != line or not _parts_fit(entry):
        raise TrustError(reason=f"manifest {path}, line {number}: not in its canonical form")
    return entry


def _plain_entry(texts: re.Match[str]) -> Entry:
    """Make an entry of a line without parts, all of whose values the pattern has checked."""
    blake3_hex, extension, sha1_hex, size_bytes, volume = texts.groups()
    return _whole_entry(
        sha1=ContentDigest(bytes.fromhex(sha1_hex)),
        extension=extension,
        size_bytes=int(size_bytes),
        blake3=Blake3(bytes.fromhex(blake3_hex)),
        volume=None if volume == "null" else int(volume),
    )


def _parts_fit(entry: Entry) -> bool:
    if not entry.parts:
        return True
    return (
        len(entry.parts) > 1
        and entry.volume == entry.parts[0].volume
        and sum(part.size_bytes for part in entry.parts) == entry.size_bytes
    )


# --- comparing ------------------------------------------------------------------------------------

First = TypeVar("First")
Second = TypeVar("Second")


class Difference(NamedTuple, Generic[First, Second]):
    """One name of two sorted lists, with its item in each list; None where the list lacks it."""

    first: First | None
    second: Second | None


def compare_sorted(
    first: Iterable[First],
    second: Iterable[Second],
    *,
    first_order: Callable[[First], Any],
    second_order: Callable[[Second], Any],
) -> Iterator[Difference[First, Second]]:
    """Read two lists that are sorted by the same order, and pair their equal items.

    Every item of either list is in exactly one result; results ascend.
    """
    firsts = ((first_order(entry), entry) for entry in first)
    seconds = ((second_order(entry), entry) for entry in second)
    item, other = next(firsts, None), next(seconds, None)
    while item is not None or other is not None:
        if other is None or (item is not None and item[0] < other[0]):
            yield Difference(item and item[1], None)
            item = next(firsts, None)
        elif item is None or other[0] < item[0]:
            yield Difference(None, other[1])
            other = next(seconds, None)
        else:
            yield Difference(item[1], other[1])
            item, other = next(firsts, None), next(seconds, None)


def subtract_missing(
    entries: Iterable[Entry], missing: Collection[ContentDigest]
) -> Iterator[Entry]:
    """Return the entries that a receipt confirms: a manifest without the missing content."""
    return (entry for entry in entries if entry.sha1 not in missing)
