"""Write a planned bundle onto its media, seal last.

The order, and what it is good for:

1. an old seal in the folder goes first: from then on the folder is no bundle;
2. content, each file proved and durable before it has its name;
3. manifest and lists, made of what was really read, then the documents;
4. whatever else of ours lies in the folder is removed, a stranger's file stops us;
5. if the site wants it, every byte is read back from the media;
6. the caller builds the header, commits its digest, seals it, and
7. ``publish_header`` writes it into every volume, when all else is durable.

Killed anywhere, the same calls made again do what is left.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tasks.bundle.carry import LeftOut, PackJob, carry_content, packed_entries
from tasks.bundle.checksum_files import Documents, WrittenLists, write_lists
from tasks.bundle.header import Binding, VolumeBinding
from tasks.bundle.layout import CONTENT, HEADER, volume_folder
from tasks.bundle.manifest import ManifestSummary, pieces_of
from tasks.bundle.plan import Plan
from tasks.bundle.sweep import refuse_strangers, sweep
from tasks.content.hash_cache import HashCache
from tasks.content.place import beside_of
from tasks.content.transfer import CopyItem, copy_files
from tasks.errors import BatchFailedError
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.progress import Progress
from tasks.refusals import RoomError

CACHE_DROPPED = "page cache dropped file by file (posix_fadvise), then read again"
CACHE_KEPT = "read again; this system offers no way to drop its cache"


@dataclass(frozen=True, slots=True)
class Packed:
    """What lies on the media, as the header must say it. Nothing is sealed yet.

    ``left_out`` are planned files that could not be carried; the manifest does not name them.
    """

    manifest: ManifestSummary
    package: Binding
    approvals: Binding
    volumes: tuple[VolumeBinding, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """How the written bytes were read back, and how many. A drive's own cache may still lie."""

    method: str
    files: int
    size_bytes: int


def pack_bundle(
    job: PackJob,
    plan: Plan,
    documents: Documents,
    memory: HashCache,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> Packed:
    """Do steps 1 to 4: everything but reading back and the seal.

    Args:
        job: From where to where.
        plan: What ``plan_bundle`` said of the plan in ``job.folder``.
        documents: The metadata package and the approvals on this machine.
        memory: Digests of the staging server's files.
        now: When, for the memory.
        progress: Is advanced by bytes of content; begun and ended by the caller.

    Raises:
        SafetyError: Somebody else's file lies in the bundle's folder.
        RoomError: The media are too small for what is planned.
        BatchFailedError: Too many files could not be read.
        HostFileError, DiskFullError, ConnectionLostError: As from the hosts.
    """
    refuse_strangers(job.media, job.bundle)
    _require_room(job, plan)
    _open_volumes(job, plan.volumes)
    left_out = carry_content(job, memory, now=now, progress=progress)
    lists = write_lists(packed_entries(job), documents, folder=job.folder, volumes=plan.volumes)
    _copy_documents(job, lists)
    sweep(job.media, job.bundle, packed_entries(job), volumes=plan.volumes)
    _flush_volumes(job.media, job.bundle, plan.volumes)
    return Packed(lists.manifest, lists.package, lists.approvals, lists.volumes, left_out)


def read_back(job: PackJob, *, progress: Progress | None = None) -> ReadBack:
    """Read every content file back from the media and compare both digests.

    Raises:
        BatchFailedError: Bytes on the media are not those that were written. The bundle is not
            sealed; packed again, those files are written again.
    """
    files = size_bytes = 0
    bad: list[str] = []
    for batch in copy_files(job.media, None, _written_items(job), progress=progress):
        for result in batch:
            files += 1
            size_bytes += result.item.size_bytes
            if result.error is not None:
                bad.append(f"{result.item.sources[0]}: {result.error.message}")
    if bad:
        raise BatchFailedError(
            what="reading the media back", failed=len(bad), total=files, first=bad[0]
        )
    return ReadBack(CACHE_DROPPED if sys.platform == "linux" else CACHE_KEPT, files, size_bytes)


def publish_header(media: Host, bundle: HostPath, content: bytes, *, volumes: int) -> None:
    """Write the sealed header into every volume, durably: from now on this is a bundle.

    The caller has committed sequence, header digest and place before. The first volume is the
    last to get it, so that a set that looks whole from its first volume is whole.

    Raises:
        HostFileError, DiskFullError: As from the host; made again, it goes on.
    """
    _flush_volumes(media, bundle, volumes)
    for number in range(volumes, 0, -1):
        folder = volume_folder(bundle, number)
        final = folder.joined(HEADER)
        beside = beside_of(final)
        media.write(beside, [content])
        media.flush_files([beside]).require_all()
        media.rename([(beside, final)]).require_all()
        media.flush_folders([folder])


def _open_volumes(job: PackJob, volumes: int) -> None:
    """Make the volumes' folders; an old seal goes first, and durably."""
    job.media.make_folder(job.bundle)
    for stat in job.media.list_folder(job.bundle):
        folder = job.bundle.joined(stat.name)
        if job.media.stat(folder.joined(HEADER)) is not None:
            job.media.remove([folder.joined(HEADER)]).require_all()
            job.media.flush_folders([folder])
    for number in range(1, volumes + 1):
        job.media.make_folder(volume_folder(job.bundle, number))


def _require_room(job: PackJob, plan: Plan) -> None:
    """Compare room with what is planned, less what lies there already.

    Raises:
        RoomError: It will not fit.
    """
    present = _size_of_tree(job.media, job.bundle)
    free = job.media.space(job.bundle).free_bytes
    if free + present < plan.media_bytes:
        raise RoomError(where=job.bundle, free_bytes=free, needed_bytes=plan.media_bytes - present)


def _size_of_tree(media: Host, folder: HostPath) -> int:
    total = 0
    for stat in media.list_folder(folder):
        if stat.kind == "folder":
            total += _size_of_tree(media, folder.joined(stat.name))
        elif stat.kind == "file":
            total += stat.size_bytes
    return total


def _copy_documents(job: PackJob, lists: WrittenLists) -> None:
    """Copy manifest, package, approvals and lists to their volumes."""
    machine = LocalHost()
    items = []
    for file in lists.files:
        final = volume_folder(job.bundle, file.volume).joined(file.name)
        found = job.media.stat(final)
        items.append(
            CopyItem(
                sources=(machine.path(str(file.path.absolute())),),
                size_bytes=file.digests.size_bytes,
                sha1=file.digests.sha1,
                blake3=file.digests.blake3,
                beside=beside_of(final),
                final=final,
                present=found is not None and found.size_bytes == file.digests.size_bytes,
            )
        )
    for batch in copy_files(machine, job.media, items, threads=1):
        for result in batch:
            if result.error is not None:
                raise result.error


def _flush_volumes(media: Host, bundle: HostPath, volumes: int) -> None:
    """Make the names of all folders of a bundle durable, innermost first."""
    folders = []
    for number in range(1, volumes + 1):
        volume = volume_folder(bundle, number)
        content = volume.joined(CONTENT)
        inner = [stat.name for stat in media.list_folder(content) if stat.kind == "folder"]
        folders += [content.joined(name) for name in inner]
        folders += [content] if media.stat(content) is not None else []
        folders.append(volume)
    media.flush_folders([*folders, bundle, bundle.parent])


def _written_items(job: PackJob) -> Iterator[CopyItem]:
    for entry in packed_entries(job):
        pieces = pieces_of(entry)
        if not pieces:
            continue
        paths = tuple(
            volume_folder(job.bundle, piece.volume).joined(
                CONTENT, entry.sha1.folder, piece.file_name
            )
            for piece in pieces
        )
        for path in paths:
            _drop_cache(path)
        yield CopyItem(paths, entry.size_bytes, entry.sha1, entry.blake3)


def _drop_cache(path: HostPath) -> None:
    """Have the system forget a file's bytes, so that reading asks the medium. Best effort."""
    if sys.platform == "linux":
        try:
            descriptor = os.open(path.text, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return  # reading it will say what is wrong
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
