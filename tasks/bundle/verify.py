"""Prove a whole bundle and collect all its faults. Changes nothing on any server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.bundle.documents import documents_of, unpack_documents
from tasks.bundle.layout import BLAKE3SUMS, SHA1SUMS
from tasks.bundle.manifest import Entry, pieces_of
from tasks.bundle.opened_bundle import OpenedBundle
from tasks.bundle.survey import survey_content
from tasks.bundle.unpack import ContentRead, unpack_content
from tasks.hosts.host import FileStat
from tasks.progress import Progress


def prove_bundle(
    bundle: OpenedBundle,
    *,
    scratch: Path,
    progress: Progress | None = None,
) -> ContentRead:
    """Prove documents, lists and every content file; faults go to ``bundle.faults``.

    Args:
        bundle: The opened bundle.
        scratch: A folder of ours on this machine, for copies of the documents; the caller
            removes it afterwards.
        progress: Advanced by bytes; the caller begins and ends it.

    Raises:
        TrustError: The sealed manifest breaks the format.
    """
    documents = unpack_documents(bundle, scratch)
    if documents.manifest is None:
        return ContentRead()
    return unpack_content(bundle, documents.manifest, progress=progress)


def looks_complete(bundle: OpenedBundle, entries: Iterable[Entry]) -> bool:
    """Return True if exactly the sealed names exist on the media, each with its sealed size.

    No content is read, so files that were moved, cut off or added are noticed, but files whose
    bytes have decayed are not.

    Args:
        bundle: The opened bundle.
        entries: The entries of its manifest, from our own copy.
    """
    if bundle.faults or not all(documents_have_size(bundle)):
        return False
    for survey in survey_content(bundle.media, bundle.volume_folders, entries):
        if any(survey.extras()):
            return False
        for piece in (piece for entry in survey.entries for piece in pieces_of(entry)):
            if not any(_has_size(stat, piece.size_bytes) for _, stat in survey.find(piece)):
                return False
    return True


def documents_have_size(bundle: OpenedBundle) -> Iterator[bool]:
    """Yield for each document and list on the media whether it has its sealed size."""
    header = bundle.header
    first = documents_of(header)
    for volume in header.volumes:
        lists = ((BLAKE3SUMS, volume.blake3sums), (SHA1SUMS, volume.sha1sums))
        for volume_folder in bundle.volume_folders.get(volume.number, ()):
            for name, binding in (*lists, *(first if volume.number == 1 else ())):
                yield _has_size(bundle.media.stat(volume_folder.joined(name)), binding.size_bytes)


def _has_size(stat: FileStat | None, size_bytes: int) -> bool:
    return stat is not None and stat.kind == "file" and stat.size_bytes == size_bytes
