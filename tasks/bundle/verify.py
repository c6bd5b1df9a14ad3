"""Prove a whole bundle and list all that is wrong with it. Changes nothing on any server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.faults import Faults, raise_for_faults
from tasks.bundle.header import TrustedHeader
from tasks.bundle.opening import open_bundle
from tasks.bundle.seal import Trust
from tasks.bundle.unpack import ContentRead, unpack_content, unpack_documents
from tasks.hosts.host import Host
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
