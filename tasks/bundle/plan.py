"""Decide which files a bundle carries, and in which volumes, before anything is written on media.

Pure, except that the plan is written as JSON Lines into the run's own folder, because it is as
long as the content. The plan depends only on names, sizes and the baseline: after a kill the same
plan results, and files already on the media stay in their volumes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tasks.bundle.canonical import Sealed
from tasks.bundle.header import MOST_VOLUMES, SealedCount
from tasks.bundle.layout import DOCUMENTS, listed_path, part_name
from tasks.bundle.manifest import (
    MOST_PARTS,
    Difference,
    Entry,
    FormatCounts,
    compare_sorted,
    line_bytes,
    write_manifest,
)
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.content.fields import Blake3Field, Sha1Field
from tasks.content.names import ContentName
from tasks.content.scan import ContentFile
from tasks.quantities import size
from tasks.refusals import SafetyError

IN_BASE = "held.jsonl"  # entries that the base has; the name is that of version 0.1.0
UNASSIGNED = "wanted.jsonl"  # files to carry, before they have volumes
CARRY = "carry.jsonl"  # the same files with their volumes
_FAT_LIMIT_BYTES = 4_294_967_295
_FAT = ("vfat", "msdos", "fat", "fat32", "fat16")
_LARGER_MEDIA = "Use larger media, and raise media.volume_bytes."
_LIST_LINES_FIXED = 64 + 40 + 2 * len("  \n")


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Capacity of a volume (None: no limit), and the largest file on it."""

    volume_bytes: int | None
    max_file_bytes: int


class PlannedPiece(Sealed):
    """Part of a planned file in one volume."""

    volume: Annotated[int, Field(ge=1)]
    size_bytes: SealedCount


class PlannedFile(Sealed):
    """A file that the bundle carries: its state at the scan, and the volumes of its pieces.

    ``blake3`` comes from an earlier read of the file; None if it was never read. One piece is the
    whole file; several pieces are its numbered parts.
    """

    sha1: Sha1Field
    extension: str
    size_bytes: SealedCount
    mtime_ns: int
    file_id: str
    blake3: Blake3Field | None
    pieces: tuple[PlannedPiece, ...] = ()

    @property
    def name(self) -> ContentName:
        """The content file's name."""
        return ContentName(self.sha1, self.extension)


class Plan(Sealed):
    """Totals of a plan. The plan itself is in ``carry.jsonl`` and ``held.jsonl``.

    Attributes:
        files, size_bytes: All content of the staging server.
        carried_files, carried_bytes: The part of it that this bundle carries.
        files_in_base: Files that the baseline has already, so they are not carried.
        gone_files: Files that the baseline has and the staging server no longer has.
        volumes: Number of volumes.
        media_bytes: Upper limit of the bytes to be written on media.
    """

    files: SealedCount
    size_bytes: SealedCount
    carried_files: SealedCount
    carried_bytes: SealedCount
    files_in_base: SealedCount
    gone_files: SealedCount
    volumes: SealedCount
    media_bytes: SealedCount


def decide(difference: Difference[ContentFile, Entry]) -> Literal["carry", "in_base", "gone"]:
    """Decide about one name that the staging server or the baseline has."""
    file, entry = difference.first, difference.second
    if file is None:
        return "gone"
    if entry is None or entry.size_bytes != file.size_bytes:
        return "carry"
    if file.digests is not None and file.digests.blake3 != entry.blake3:
        return "carry"  # the other side has other bytes under the same name
    return "in_base"


def largest_file(configured_bytes: int, file_system: str) -> int:
    """Return the largest file for a medium: the site's limit, or the limit of FAT if lower."""
    if file_system.lower() in _FAT:
        return min(configured_bytes, _FAT_LIMIT_BYTES)
    return configured_bytes


def plan_bundle(
    scanned: Iterable[ContentFile],
    baseline: Iterable[Entry],
    *,
    folder: Path,
    limits: MediaLimits,
    document_bytes: int,
) -> Plan:
    """Plan a bundle and write the plan into the run's folder.

    Args:
        scanned: The staging server's content, as ``scan`` yields it.
        baseline: Content of the other side, ascending by ``order``; empty to carry everything.
        folder: The run's own folder on this machine.
        limits: Limits of the media.
        document_bytes: Size of all documents but the manifest together.

    Raises:
        SafetyError: The limits leave no room, or the bundle needs too many volumes or parts, or
            there are more content files than the format allows.
    """
    totals = _Totals()
    pairs = compare_sorted(
        scanned,
        baseline,
        first_order=lambda file: file.name.order,
        second_order=lambda entry: entry.order,
    )
    path = folder / (CARRY if limits.volume_bytes is None else UNASSIGNED)
    write_manifest(folder / IN_BASE, _split_by_base(pairs, path, totals, limits))
    reserved = document_bytes + totals.manifest_bytes + _document_lines()
    volumes = 1
    if limits.volume_bytes is not None:  # how much room the first volume has is known only now
        with (folder / CARRY).open("wb") as stream:
            for planned in assign_volumes(_read_planned(path), limits, reserved):
                stream.write(planned.model_dump_json().encode() + b"\n")
                volumes = max(volumes, planned.pieces[-1].volume)
    return Plan(
        files=totals.carried_files + totals.files_in_base,
        size_bytes=totals.size_bytes,
        carried_files=totals.carried_files,
        carried_bytes=totals.carried_bytes,
        files_in_base=totals.files_in_base,
        gone_files=totals.gone_files,
        volumes=volumes,
        media_bytes=reserved + totals.volume_bytes + volumes * HEADER_LIMIT_BYTES,
    )


def read_carry(folder: Path) -> Iterator[PlannedFile]:
    """Read the files that a planned bundle carries, in manifest order."""
    return _read_planned(folder / CARRY)


def fill_digests(folder: Path, entries: Iterable[Entry]) -> None:
    """Give the files of a plan the digests with which they were sealed.

    What lies on the media with these digests is then not written again.

    Args:
        folder: The run's own folder with the plan.
        entries: Entries of the manifest that was sealed by this plan.
    """
    pairs = compare_sorted(
        read_carry(folder),
        entries,
        first_order=lambda planned: planned.name.order,
        second_order=lambda entry: entry.order,
    )
    beside = folder / f"{CARRY}.new"
    with beside.open("wb") as stream:
        for pair in pairs:
            if pair.first is not None:
                digest = pair.second.blake3 if pair.second else pair.first.blake3
                planned = pair.first.model_copy(update={"blake3": digest})
                stream.write(planned.model_dump_json().encode() + b"\n")
    beside.replace(folder / CARRY)


def assign_volumes(
    files: Iterable[PlannedFile], limits: MediaLimits, first_reserved_bytes: int
) -> Iterator[PlannedFile]:
    """Assign a volume to each file, or volumes to its parts.

    Next fit, not best fit: each volume then has one unbroken range of the manifest, and a person
    can tell from a file's name which medium it is on.

    Args:
        files: Files to carry, in manifest order.
        limits: Limits of the media.
        first_reserved_bytes: Bytes of the documents in the first volume.

    Raises:
        SafetyError: The limits leave no room, or the bundle needs too many volumes or parts.
    """
    room = _Room(limits, first_reserved_bytes)
    for file in files:
        sizes = _piece_sizes(file.name, file.size_bytes, limits)
        pieces = [
            PlannedPiece(volume=room.take(size, file.name), size_bytes=size) for size in sizes
        ]
        yield file.model_copy(update={"pieces": tuple(pieces)})


class _Room:
    """Free space of the volume that is being filled."""

    def __init__(self, limits: MediaLimits, first_reserved_bytes: int) -> None:
        self._capacity = limits.volume_bytes
        self._volume = 1
        self._free = self._capacity_less(first_reserved_bytes)

    def take(self, size_bytes: int, name: ContentName) -> int:
        """Reserve room for a piece, and return the volume's number."""
        needed = size_bytes + _overhead(name, 2)
        if self._free is None:
            return self._volume
        if needed > self._free:
            self._volume += 1
            self._free = self._capacity_less(0) or 0
            if self._volume > MOST_VOLUMES:
                raise SafetyError(
                    reason=f"the bundle needs more than {MOST_VOLUMES} volumes",
                    remedy=_LARGER_MEDIA,
                )
        self._free -= needed
        return self._volume

    def _capacity_less(self, reserved_bytes: int) -> int | None:
        if self._capacity is None:
            return None
        free = self._capacity - reserved_bytes - HEADER_LIMIT_BYTES
        if free < 0:
            raise SafetyError(
                reason=f"media.volume_bytes is {self._capacity}, and the bundle's own documents "
                f"need {reserved_bytes + HEADER_LIMIT_BYTES}",
                remedy=_LARGER_MEDIA,
            )
        return free


def _piece_sizes(name: ContentName, size_bytes: int, limits: MediaLimits) -> list[int]:
    """Return the sizes of a file's pieces on the media: mostly one piece."""
    limit = limits.max_file_bytes
    if limits.volume_bytes is not None:
        limit = min(limit, limits.volume_bytes - HEADER_LIMIT_BYTES - _overhead(name, 2))
    if size_bytes <= limit:
        return [size_bytes]
    count = -(-size_bytes // limit) if limit > 0 else MOST_PARTS + 1
    if count > MOST_PARTS:
        raise SafetyError(
            reason=f"{name.text} has {size(size_bytes)} and would travel in more than "
            f"{MOST_PARTS:,} parts of {size(limit)}",
            remedy="Raise media.max_file_bytes, or media.volume_bytes with larger media.",
        )
    sizes = [limit] * (count - 1)
    return [*sizes, size_bytes - sum(sizes)]


def _overhead(name: ContentName, pieces: int) -> int:
    """Return the bytes of a file's lines in both lists."""
    path = listed_path(name.folder, part_name(name, 1))
    return pieces * (_LIST_LINES_FIXED + 2 * len(path))


def _document_lines() -> int:
    return sum(_LIST_LINES_FIXED + 2 * len(name) for name in DOCUMENTS)


@dataclass(slots=True)
class _Totals:
    carried_files: int = 0
    carried_bytes: int = 0
    files_in_base: int = 0
    gone_files: int = 0
    size_bytes: int = 0
    manifest_bytes: int = 0
    volume_bytes: int = 0  # of the carried files and their lines in both lists


def _split_by_base(
    pairs: Iterable[Difference[ContentFile, Entry]],
    carried: Path,
    totals: _Totals,
    limits: MediaLimits,
) -> Iterator[Entry]:
    """Yield the entries that the base has; write the files to carry to ``carried``.

    They have their volume if there is only one.
    """
    counts = FormatCounts()
    with carried.open("wb") as stream:
        for pair in pairs:
            if pair.first is None:
                totals.gone_files += 1
                continue
            file = pair.first
            totals.size_bytes += file.size_bytes
            parts = 0
            if pair.second is not None and decide(pair) == "in_base":
                totals.files_in_base += 1
                yield pair.second.not_carried()
            else:
                sizes = _piece_sizes(file.name, file.size_bytes, limits)
                planned = _planned(file, sizes if limits.volume_bytes is None else ())
                totals.carried_files += 1
                totals.carried_bytes += file.size_bytes
                totals.volume_bytes += file.size_bytes + _overhead(file.name, len(sizes))
                stream.write(planned.model_dump_json().encode() + b"\n")
                parts = len(sizes) if len(sizes) > 1 else 0
            counts.require(file.name.digest, parts)
            totals.manifest_bytes += line_bytes(file.name, file.size_bytes, parts=parts)


def _planned(file: ContentFile, sizes: Sequence[int]) -> PlannedFile:
    """Plan a file whose pieces, if their sizes are given, are all in the first volume."""
    return PlannedFile(
        sha1=file.name.digest,
        extension=file.name.extension,
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        file_id=file.file_id,
        blake3=file.digests.blake3 if file.digests else None,
        pieces=tuple(PlannedPiece(volume=1, size_bytes=piece_bytes) for piece_bytes in sizes),
    )


def _read_planned(path: Path) -> Iterator[PlannedFile]:
    with path.open("rb") as stream:
        for line in stream:
            yield PlannedFile.model_validate_json(line)
