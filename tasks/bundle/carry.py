"""Copy planned content onto the volumes, and write a manifest entry for each copied file.

Resumable: a file that already lies on its volume is adopted only if its bytes equal the bytes
that we read from the server before (the plan has their BLAKE3, from the listing); otherwise it is
copied again. Unfinished files of a killed run are overwritten, or removed by ``sweep_content``.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Literal

from tasks.bundle.layout import CONTENT, part_name, volume_folder
from tasks.bundle.manifest import Entry, Part, read_entries
from tasks.bundle.parts import PartedDigests, PartTarget, digest_parts, prove_planned, split_file
from tasks.bundle.plan import IN_BASE, PlannedFile, read_carry
from tasks.content.copy_item import CopyItem
from tasks.content.hash_cache import HashCache
from tasks.content.names import ContentDigest, ContentName, FileDigests
from tasks.content.place import BESIDE_SUFFIX, beside_of, content_path
from tasks.content.scan import ContentFile
from tasks.content.transfer import copy_files
from tasks.errors import (
    AirGapError,
    BatchFailedError,
    ContentWrongError,
    FailedError,
    HostFileError,
)
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress, Silence
from tasks.refusals import FolderUnsafeError

_CARRIED = "carried.jsonl"
_PARTED = "parted.jsonl"
_LEFT_OUT = "left-out.txt"
MOST_FAILURES = 1_000


@dataclass(frozen=True, slots=True)
class PackJob:
    """Source and target of packing one bundle.

    Attributes:
        server: The staging server.
        content_dir: Its WsusContent.
        media: The machine that the media are mounted on: this one.
        bundle: The bundle's folder on the media, ``<site>-<sequence>``.
        folder: The draft's folder on this machine; it contains the plan.
    """

    server: Host
    content_dir: HostPath
    media: Host
    bundle: HostPath
    folder: Path


LeftOutReason = Literal["wrong-digest", "vanished", "read-failed"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A planned file that is not carried, because it could not be read or its bytes are wrong."""

    name: ContentName
    size_bytes: int
    error: AirGapError
    reason: LeftOutReason


def carry_content(
    job: PackJob, hash_cache: HashCache, *, now: datetime, progress: Progress | None = None
) -> tuple[LeftOut, ...]:
    """Copy all planned files onto their volumes, and return the files that were left out.

    Files that were left out get no manifest entry. When this returns, the bytes and names of all
    copied files are durable, but the names of their folders are not yet. The hash cache is
    written after each batch.

    Raises:
        BatchFailedError: More than a thousand files failed; something is wrong with the server.
        DiskFullError, ConnectionLostError: As from the hosts. A repeated call continues.
    """
    record = _CarryRecord(job, hash_cache, now, progress or Silence())
    with _entries_file(job.folder / _CARRIED) as stream:
        parted = _carry_whole(record, stream)
    with _entries_file(job.folder / _PARTED) as stream:
        _carry_parted(record, parted, stream)
    lines = (f"{file.name.digest.hex} {file.reason}\n" for file in record.left_out)
    (job.folder / _LEFT_OUT).write_text("".join(lines), encoding="ascii")
    return tuple(record.left_out)


def read_left_out(folder: Path) -> dict[ContentDigest, str]:
    """Read the reasons of the files that a bundle left out, from our own folder of it.

    Empty for a bundle of version 0.1.0, which did not write them down.
    """
    path = folder / _LEFT_OUT
    lines = path.read_text(encoding="ascii").splitlines() if path.is_file() else []
    return {ContentDigest.from_hex(line[:40]): line[41:] for line in lines}


def packed_entries(job: PackJob) -> Iterator[Entry]:
    """Read the entries of the bundle in manifest order, merged from three files.

    The files list the entries in the base, the entries carried whole, and the entries in parts.
    """
    return heapq.merge(
        *(read_entries(job.folder / name) for name in (IN_BASE, _CARRIED, _PARTED)),
        key=lambda entry: entry.order,
    )


@dataclass(frozen=True, slots=True)
class _CarryRecord:
    """Record of the files that were carried (in the hash cache) and of the files left out."""

    job: PackJob
    hash_cache: HashCache
    now: datetime
    progress: Progress
    left_out: list[LeftOut] = field(default_factory=list)

    def add_carried(self, planned: PlannedFile, path: HostPath, digests: FileDigests) -> None:
        file = ContentFile(
            planned.name, path, planned.size_bytes, planned.mtime_ns, planned.file_id
        )
        self.hash_cache.remember([(file, digests)], now=self.now)

    def add_failed(self, planned: PlannedFile, error: AirGapError) -> None:
        reason = self._reason(planned, error)
        self.left_out.append(LeftOut(planned.name, planned.size_bytes, error, reason))
        if len(self.left_out) > MOST_FAILURES:
            first = self.left_out[0]
            raise BatchFailedError(
                what="copying content",
                failed=len(self.left_out),
                total="the planned files so far",
                first=f"{first.name.text}: {first.error.message}",
            )

    def _reason(self, planned: PlannedFile, error: AirGapError) -> LeftOutReason:
        if isinstance(error, ContentWrongError):
            return "wrong-digest"
        with suppress(HostFileError, FolderUnsafeError):
            if self.job.server.stat(content_path(self.job.content_dir, planned.name)) is None:
                return "vanished"
        return "read-failed"


def _carry_whole(record: _CarryRecord, stream: BinaryIO) -> list[PlannedFile]:
    """Carry the files that travel whole, and return the others; the format limits their number."""
    job = record.job
    pending: deque[PlannedFile] = deque()  # files without a result yet: at most a few batches
    parted: list[PlannedFile] = []
    items = _copy_items(job, pending, parted)
    for batch in copy_files(job.server, job.media, items, progress=record.progress):
        for result in batch:
            planned = pending.popleft()
            if result.digests is None:
                record.add_failed(planned, result.error or _nothing_read(result.item))
                continue
            record.add_carried(planned, result.item.sources[0], result.digests)
            stream.write(_entry(planned, result.digests, parts=()).line())
        record.hash_cache.flush()
    return parted


def _copy_items(
    job: PackJob, pending: deque[PlannedFile], parted: list[PlannedFile]
) -> Iterator[CopyItem]:
    """Yield the files that travel whole, and add them to ``pending``; the others to ``parted``."""
    for folder, group in groupby(read_carry(job.folder), key=lambda planned: planned.sha1.folder):
        source = job.content_dir.joined(folder)
        targets: dict[int, _Target] = {}  # by volume
        for planned in group:
            if len(planned.pieces) > 1:
                parted.append(planned)
                continue
            volume = planned.pieces[0].volume
            if volume not in targets:
                targets[volume] = _make_target(job, volume, folder)
            pending.append(planned)
            yield _copy_item(planned, source, targets[volume])


@dataclass(frozen=True, slots=True)
class _Target:
    """A content folder of a volume, and the sizes of the files in it by name."""

    folder: HostPath
    present_sizes: dict[str, int]


def _copy_item(planned: PlannedFile, source: HostPath, target: _Target) -> CopyItem:
    name = planned.name.text
    return CopyItem(
        sources=(source.joined(name),),
        size_bytes=planned.size_bytes,
        sha1=planned.sha1,
        blake3=planned.blake3,
        beside=target.folder.joined(name + BESIDE_SUFFIX),
        final=target.folder.joined(name),
        present=target.present_sizes.get(name) == planned.size_bytes,
    )


def _make_target(job: PackJob, volume: int, folder: str) -> _Target:
    """Make a content folder of a volume, and list the files that lie in it."""
    path = volume_folder(job.bundle, volume).joined(CONTENT, folder)
    job.media.make_folder(path)
    stats = job.media.list_folder(path)
    return _Target(path, {stat.name: stat.size_bytes for stat in stats if stat.kind == "file"})


def _carry_parted(record: _CarryRecord, parted: Iterable[PlannedFile], stream: BinaryIO) -> None:
    for planned in parted:
        try:
            digests = _carry_one_parted(record.job, planned, record.progress)
        except (ContentWrongError, HostFileError) as error:
            record.add_failed(planned, error)
            continue
        source = content_path(record.job.content_dir, planned.name)
        record.add_carried(planned, source, digests.whole)
        record.hash_cache.flush()
        parts = tuple(
            Part(
                volume=piece.volume,
                size_bytes=piece.size_bytes,
                sha1=part.sha1,
                blake3=part.blake3,
            )
            for piece, part in zip(planned.pieces, digests.parts, strict=True)
        )
        stream.write(_entry(planned, digests.whole, parts=parts).line())


def _carry_one_parted(job: PackJob, planned: PlannedFile, progress: Progress) -> PartedDigests:
    targets, all_present = [], planned.blake3 is not None
    for number, piece in enumerate(planned.pieces, start=1):
        target = _make_target(job, piece.volume, planned.sha1.folder)
        name = part_name(planned.name, number)
        final = target.folder.joined(name)
        targets.append(PartTarget(beside_of(final), final, piece.size_bytes))
        all_present = all_present and target.present_sizes.get(name) == piece.size_bytes
    source = content_path(job.content_dir, planned.name)
    if all_present and (digests := _prove_parts(job.media, targets, planned, progress)):
        return digests
    return split_file(job.server, source, job.media, targets, planned=planned, progress=progress)


def _prove_parts(
    media: Host, targets: list[PartTarget], planned: PlannedFile, progress: Progress
) -> PartedDigests | None:
    """Read parts that are already on the media; None if they are not the planned file."""
    finals = [target.final for target in targets]
    sizes = [target.size_bytes for target in targets]
    try:
        digests = digest_parts(media, finals, sizes, progress)
        prove_planned(finals[0], planned, digests.whole)
    except FailedError:
        return None
    return digests


def _entry(planned: PlannedFile, digests: FileDigests, *, parts: tuple[Part, ...]) -> Entry:
    return Entry(
        sha1=planned.sha1,
        extension=planned.extension,
        size_bytes=digests.size_bytes,
        blake3=digests.blake3,
        volume=planned.pieces[0].volume,
        parts=parts,
    )


def _nothing_read(item: CopyItem) -> AirGapError:
    return HostFileError(operation="copy", path=item.sources[0], reason="nothing was read")


def _entries_file(path: Path) -> AbstractContextManager[BinaryIO]:
    return path.open("wb", buffering=262_144)
