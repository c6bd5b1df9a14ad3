"""Write a planned bundle onto its media, and the seal last.

The steps, in the order that keeps them safe:

1. Refuse a folder with files of somebody else, and remove an old seal: from now on the folder
   does not look like a finished bundle.
2. Copy content; each file is proved and durable before it gets its final name.
3. Write manifest and lists from the bytes that were really read, remove what earlier runs left
   beside this content, and copy the documents.
4. Remove what earlier runs left beside the documents.
5. If the site file asks for it, read every byte back from the media.
6. The caller builds the header, commits its digest to the ledger, and seals it.
7. ``publish_header`` writes it into every volume when everything else is durable.

After a kill at any point, the same calls complete the work.
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
from tasks.bundle.sweep import refuse_strangers, sweep_content, sweep_volumes
from tasks.content.copy_item import CopyItem
from tasks.content.hash_cache import HashCache
from tasks.content.place import beside_of
from tasks.content.transfer import copy_files
from tasks.errors import BatchFailedError
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.progress import Progress
from tasks.refusals import RoomError

CACHE_DROPPED = "the medium itself was read, past this machine's memory (posix_fadvise)"
CACHE_KEPT = "perhaps from this machine's memory, which this system does not let us empty"


@dataclass(frozen=True, slots=True)
class Packed:
    """Bindings of the files on the media, for the header. Nothing is sealed yet.

    ``left_out`` are planned files that could not be carried; the manifest does not list them.
    """

    manifest: ManifestSummary
    package: Binding
    approvals: Binding
    brings: Binding | None
    volumes: tuple[VolumeBinding, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Method and totals of reading the media back. A drive's own cache may hide a bad medium."""

    method: str
    files: int
    size_bytes: int


def pack_bundle(
    job: PackJob,
    plan: Plan,
    documents: Documents,
    hash_cache: HashCache,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> Packed:
    """Do steps 1 to 4: everything before reading back and sealing.

    Args:
        job: Source and target.
        plan: Result of ``plan_bundle``; the plan itself is in ``job.folder``.
        documents: The metadata package and the approvals on this machine.
        hash_cache: Digests of the staging server's files.
        now: Time to write into the hash cache.
        progress: Advanced by bytes of content; the caller begins and ends it.

    Raises:
        SafetyError: A file of somebody else lies in the bundle's folder.
        RoomError: The media are too small for the plan.
        BatchFailedError: Too many files could not be read.
        HostFileError, DiskFullError, ConnectionLostError: As from the hosts.
    """
    refuse_strangers(job.media, job.bundle)
    _require_room(job, plan)
    _open_volumes(job, plan.volumes)
    left_out = carry_content(job, hash_cache, now=now, progress=progress)
    entries = sweep_content(job.media, job.bundle, packed_entries(job), volumes=plan.volumes)
    lists = write_lists(entries, documents, folder=job.folder, volumes=plan.volumes)
    _copy_documents(job, lists)
    sweep_volumes(job.media, job.bundle, volumes=plan.volumes)
    _flush_volumes(job.media, job.bundle, plan.volumes)
    return Packed(
        lists.manifest, lists.package, lists.approvals, lists.brings, lists.volumes, left_out
    )


def read_back(job: PackJob, *, progress: Progress | None = None) -> ReadBack:
    """Read every content file back from the media and compare both digests.

    Raises:
        BatchFailedError: Bytes on the media differ from the written bytes. The bundle is not
            sealed; the next ``pack_bundle`` writes these files again.
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
    """Write the sealed header into every volume, durably; this completes the bundle.

    The caller has committed sequence, header digest and media folder before. The first volume
    gets its header last: if the first volume has a header, all volumes have one.

    Raises:
        HostFileError, DiskFullError: As from the host. A repeated call continues.
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
    """Remove old seals durably, then make the folders of the volumes."""
    job.media.make_folder(job.bundle)
    for stat in job.media.list_folder(job.bundle):
        folder = job.bundle.joined(stat.name)
        if job.media.stat(folder.joined(HEADER)) is not None:
            job.media.remove([folder.joined(HEADER)]).require_all()
            job.media.flush_folders([folder])
    for number in range(1, volumes + 1):
        job.media.make_folder(volume_folder(job.bundle, number))


def _require_room(job: PackJob, plan: Plan) -> None:
    """Require room for what is not in the bundle's folder yet, as an upper limit.

    It is required before an old seal is removed.

    Raises:
        RoomError: The bundle does not fit.
    """
    present_bytes = _size_of_tree(job.media, job.bundle)
    free_bytes = job.media.space(job.bundle).free_bytes
    needed_bytes = plan.media_bytes - present_bytes
    if free_bytes is not None and free_bytes < needed_bytes:
        raise RoomError(where=job.bundle, free_bytes=free_bytes, needed_bytes=needed_bytes)


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
        existing = job.media.stat(final)
        items.append(
            CopyItem(
                sources=(machine.path(str(file.path.absolute())),),
                size_bytes=file.digests.size_bytes,
                sha1=file.digests.sha1,
                blake3=file.digests.blake3,
                beside=beside_of(final),
                final=final,
                present=existing is not None and existing.size_bytes == file.digests.size_bytes,
            )
        )
    for batch in copy_files(machine, job.media, items, threads=1):
        for result in batch:
            if result.error is not None:
                raise result.error


def _flush_volumes(media: Host, bundle: HostPath, volumes: int) -> None:
    """Make the names in all folders of a bundle durable, innermost folders first."""
    folders = []
    for number in range(1, volumes + 1):
        volume = volume_folder(bundle, number)
        content = volume.joined(CONTENT)
        names = [stat.name for stat in media.list_folder(content) if stat.kind == "folder"]
        folders += [content.joined(name) for name in names]
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
    """Drop a file from the system's page cache, so that it is read from the medium. Best effort."""
    if sys.platform == "linux":
        try:
            descriptor = os.open(path.text, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return  # reading the file will raise the error
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
