"""Prove a whole bundle and list all that is wrong with it. Changes nothing on any server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.faults import Faults, raise_for_faults
from tasks.bundle.header import TrustedHeader
from tasks.bundle.layout import APPROVALS, BLAKE3SUMS, MANIFEST, PACKAGE, SHA1SUMS
from tasks.bundle.manifest import Entry, pieces_of
from tasks.bundle.opening import OpenedBundle, open_bundle
from tasks.bundle.seal import Trust
from tasks.bundle.survey import survey_content
from tasks.bundle.unpack import ContentRead, unpack_content, unpack_documents
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress


@dataclass(frozen=True, slots=True)
class Verification:
    """What a bundle was found to be."""

    trusted: TrustedHeader
    content: ContentRead
    faults: Faults

    def raise_for_faults(self) -> None:
        """Raise what the faults amount to; nothing when the bundle is whole.

        Raises:
            TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: See there.
        """
        raise_for_faults(self.trusted.header.bundle, self.faults)


def verify_bundle(
    media: Host,
    folders: Sequence[HostPath],
    trust: Trust,
    *,
    scratch: Path,
    machine: Host | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Prove seal, documents, lists and every content file of a bundle.

    Args:
        media: The machine that the media are mounted on.
        folders: The bundle's folder; several are its volumes, or copies of it.
        trust: Whose seals count.
        scratch: A folder of ours on this machine, for copies of the documents; the caller
            removes it afterwards.
        machine: This machine; left out, the one that the media are mounted on.
        progress: Is advanced by bytes; begun and ended by the caller.

    Raises:
        PathMissingError, SealError, WrongSiteError, SafetyError: There is no bundle to verify.
        TrustError: The sealed manifest breaks the format.
    """
    bundle = open_bundle(media, folders, trust)
    documents = unpack_documents(bundle, scratch, machine=machine)
    content = ContentRead()
    if documents.manifest is not None:
        content = unpack_content(bundle, documents.manifest, progress=progress)
    return Verification(bundle.trusted, content, bundle.faults)


def lies_whole(bundle: OpenedBundle, entries: Iterable[Entry]) -> bool:
    """Whether every name that a bundle's seal knows lies there with its size, and no other name.

    Nothing is read: this finds what was moved, cut off or added, not what has rotted.

    Args:
        bundle: Whose header is trusted.
        entries: Its manifest, from our own copy.
    """
    if bundle.faults or not all(_documents_lie_there(bundle)):
        return False
    for survey in survey_content(bundle.media, bundle.places, entries):
        if any(survey.extras()):
            return False
        for piece in (piece for entry in survey.entries for piece in pieces_of(entry)):
            if not any(_has_size(stat, piece.size_bytes) for _, stat in survey.find(piece)):
                return False
    return True


def _documents_lie_there(bundle: OpenedBundle) -> Iterator[bool]:
    header = bundle.header
    first = ((MANIFEST, header.manifest), (PACKAGE, header.package), (APPROVALS, header.approvals))
    for volume in header.volumes:
        lists = ((BLAKE3SUMS, volume.blake3sums), (SHA1SUMS, volume.sha1sums))
        for place in bundle.places.get(volume.number, ()):
            for name, binding in (*lists, *(first if volume.number == 1 else ())):
                yield _has_size(bundle.media.stat(place.joined(name)), binding.size_bytes)


def _has_size(stat: FileStat | None, size_bytes: int) -> bool:
    return stat is not None and stat.kind == "file" and stat.size_bytes == size_bytes
