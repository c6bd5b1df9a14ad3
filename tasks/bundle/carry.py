"""Copy planned content onto the volumes, and note what lies there as manifest entries.

Resumable: a file that already lies on its volume is adopted only when its bytes are those that
we ourselves read from the server before (the hash memory knows their BLAKE3); otherwise it is
copied again. What a killed run left under other names is overwritten or swept later.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from tasks.bundle.layout import CONTENT, part_name, volume_folder
from tasks.bundle.manifest import Entry, Part, read_entries
from tasks.bundle.parts import PartedDigests, PartTarget, digest_parts, prove_planned, split_file
from tasks.bundle.plan import HELD, PlannedFile, read_carry
from tasks.content.hash_cache import HashCache
from tasks.content.names import ContentName, FileDigests
from tasks.content.place import beside_of, content_path
from tasks.content.scan import ContentFile
from tasks.content.transfer import CopyItem, copy_files
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

_CARRIED = "carried.jsonl"
_PARTED = "parted.jsonl"
MOST_FAILURES = 1_000


@dataclass(frozen=True, slots=True)
class PackJob:
    """What one bundle is packed from and to.

    Attributes:
        server: The staging server.
        content_dir: Its WsusContent.
        media: This machine, which the media are mounted on.
        bundle: The bundle's folder on the media, ``<site>-<sequence>``.
        folder: The run's own folder on this machine, where the plan lies.
    """

    server: Host
    content_dir: HostPath
    media: Host
    bundle: HostPath
    folder: Path


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that was planned and is not carried: it could not be read, or its bytes are wrong."""

    name: ContentName
    size_bytes: int
    error: AirGapError


def carry_content(
    job: PackJob, memory: HashCache, *, now: datetime, progress: Progress | None = None
) -> tuple[LeftOut, ...]:
    """Copy all planned files onto their volumes; what is left out is not in the manifest either.

    Every copied file is durable under its final name when this returns, its folders' names not
    yet. Digests are remembered after each batch.

    Raises:
        BatchFailedError: More than a thousand files failed; something is wrong with the server.
        DiskFullError, ConnectionLostError: As from the hosts; run again, it goes on.
    """
    notes = _Notes(job, memory, now, progress or Silence())
    with _entries_file(job.folder / _CARRIED) as stream:
        _carry_whole(notes, stream)
    with _entries_file(job.folder / _PARTED) as stream:
        _carry_parted(notes, stream)
    return tuple(notes.left_out)


def packed_entries(job: PackJob) -> Iterator[Entry]:
    """Read the bundle's entries in manifest order: held, carried whole, carried in parts."""
    return heapq.merge(
        *(read_entries(job.folder / name) for name in (HELD, _CARRIED, _PARTED)),
        key=lambda entry: entry.order,
    )


@dataclass(frozen=True, slots=True)
class _Notes:
    """What is noted of files that were carried, and of those that were not."""

    job: PackJob
    memory: HashCache
    now: datetime
    progress: Progress
    left_out: list[LeftOut] = field(default_factory=list)

    def carried(self, planned: PlannedFile, digests: FileDigests) -> None:
        file = ContentFile(
            planned.name,
            content_path(self.job.content_dir, planned.name),
            planned.size_bytes,
            planned.mtime_ns,
            planned.file_id,
        )
        self.memory.remember([(file, digests)], now=self.now)

    def failed(self, planned: PlannedFile, error: AirGapError) -> None:
        self.left_out.append(LeftOut(planned.name, planned.size_bytes, error))
        if len(self.left_out) > MOST_FAILURES:
            first = self.left_out[0]
            raise BatchFailedError(
                what="copying content",
                failed=len(self.left_out),
                total="the planned files so far",
                first=f"{first.name.text}: {first.error.message}",
            )


def _carry_whole(notes: _Notes, stream: BinaryIO) -> None:
    job = notes.job
    waiting: deque[PlannedFile] = deque()  # those whose results are not out yet: a few batches
    items = _copy_items(job, waiting)
    for batch in copy_files(job.server, job.media, items, progress=notes.progress):
        for result in batch:
            planned = waiting.popleft()
            if result.digests is None:
                notes.failed(planned, result.error or _vanished(result.item))
                continue
            notes.carried(planned, result.digests)
            stream.write(_entry(planned, result.digests, parts=()).line())
        notes.memory.flush()


def _copy_items(job: PackJob, waiting: deque[PlannedFile]) -> Iterator[CopyItem]:
    whole = (planned for planned in read_carry(job.folder) if len(planned.pieces) == 1)
    for folder, group in groupby(whole, key=lambda planned: planned.sha1.folder):
        present: dict[int, dict[str, int]] = {}
        for planned in group:
            volume = planned.pieces[0].volume
            if volume not in present:
                present[volume] = _present_sizes(job, volume, folder)
            waiting.append(planned)
            yield _copy_item(job, planned, present[volume])


def _copy_item(job: PackJob, planned: PlannedFile, present: dict[str, int]) -> CopyItem:
    root = volume_folder(job.bundle, planned.pieces[0].volume).joined(CONTENT)
    final = content_path(root, planned.name)
    return CopyItem(
        sources=(content_path(job.content_dir, planned.name),),
        size_bytes=planned.size_bytes,
        sha1=planned.sha1,
        blake3=planned.blake3,
        beside=beside_of(final),
        final=final,
        present=present.get(final.name) == planned.size_bytes,
    )


def _present_sizes(job: PackJob, volume: int, folder: str) -> dict[str, int]:
    """Make a content folder of a volume and say which files lie in it."""
    path = volume_folder(job.bundle, volume).joined(CONTENT, folder)
    job.media.make_folder(path)
    return {
        stat.name: stat.size_bytes for stat in job.media.list_folder(path) if stat.kind == "file"
    }


def _carry_parted(notes: _Notes, stream: BinaryIO) -> None:
    for planned in read_carry(notes.job.folder):
        if len(planned.pieces) == 1:
            continue
        try:
            digests = _carry_one_parted(notes.job, planned, notes.progress)
        except (ContentWrongError, HostFileError) as error:
            notes.failed(planned, error)
            continue
        notes.carried(planned, digests.whole)
        notes.memory.flush()
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
        present = _present_sizes(job, piece.volume, planned.sha1.folder)
        folder = volume_folder(job.bundle, piece.volume).joined(CONTENT, planned.sha1.folder)
        name = part_name(planned.name, number)
        final = folder.joined(name)
        targets.append(PartTarget(beside_of(final), final, piece.size_bytes))
        all_present = all_present and present.get(name) == piece.size_bytes
    source = content_path(job.content_dir, planned.name)
    if all_present and (found := _prove_parts(job.media, targets, planned, progress)):
        return found
    return split_file(job.server, source, job.media, targets, planned=planned, progress=progress)


def _prove_parts(
    media: Host, targets: list[PartTarget], planned: PlannedFile, progress: Progress
) -> PartedDigests | None:
    """Prove parts that lie there already; None when they are not what is expected."""
    finals = [target.final for target in targets]
    sizes = [target.size_bytes for target in targets]
    try:
        found = digest_parts(media, finals, sizes, progress)
        prove_planned(finals[0], planned, found.whole)
    except FailedError:
        return None
    return found


def _entry(planned: PlannedFile, digests: FileDigests, *, parts: tuple[Part, ...]) -> Entry:
    return Entry(
        sha1=planned.sha1,
        extension=planned.extension,
        size_bytes=digests.size_bytes,
        blake3=digests.blake3,
        volume=planned.pieces[0].volume,
        parts=parts,
    )


def _vanished(item: CopyItem) -> AirGapError:
    return HostFileError(operation="copy", path=item.sources[0], reason="nothing was read")


def _entries_file(path: Path) -> AbstractContextManager[BinaryIO]:
    return path.open("wb", buffering=262_144)
