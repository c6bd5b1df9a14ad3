"""Copy the documents of a bundle from media into a folder of ours, and prove its lists.

All faults are collected in ``bundle.faults``; the copies may be used only after
``raise_for_faults`` has returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.faults import Faults
from tasks.bundle.header import Binding, Header
from tasks.bundle.layout import APPROVALS, BLAKE3SUMS, BRINGS, MANIFEST, PACKAGE, SHA1SUMS
from tasks.bundle.media import Media
from tasks.bundle.opened_bundle import OpenedBundle
from tasks.bundle.trusted_manifest import SealedManifest, TrustedManifest, verify_manifest
from tasks.content.copy_item import CopyItem
from tasks.content.transfer import copy_files
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost


@dataclass(frozen=True, slots=True)
class UnpackedDocuments:
    """Copies on our own disk that match the header's bindings; None if no intact copy exists.

    ``brings`` is None for a bundle of format 1 as well.
    """

    manifest: TrustedManifest | None
    package: Path | None
    approvals: Path | None
    brings: Path | None = None


def unpack_documents(bundle: OpenedBundle, folder: Path) -> UnpackedDocuments:
    """Copy the bundle's documents into a folder of ours, and prove the volumes' lists.

    All are read from the media every time, even if an earlier run left copies in the folder, so
    that a change of the medium is noticed. Faults go to ``bundle.faults``.

    Args:
        bundle: The opened bundle.
        folder: An existing folder on this machine, not on the media.

    Raises:
        DiskFullError: There is no room for the copies.
    """
    copier = _DocumentCopier(bundle, LocalHost(), str(folder.absolute()))
    header = bundle.header
    copies = {name: copier.copy(name, binding) for name, binding in documents_of(header)}
    _prove_lists(bundle)
    manifest = copies[MANIFEST]
    return UnpackedDocuments(
        None if manifest is None else verify_manifest(SealedManifest(manifest), bundle.trusted),
        copies[PACKAGE],
        copies[APPROVALS],
        copies.get(BRINGS),
    )


def documents_of(header: Header) -> tuple[tuple[str, Binding], ...]:
    """Return the documents in the first volume, with their bindings."""
    documents = (
        (MANIFEST, header.manifest),
        (PACKAGE, header.package),
        (APPROVALS, header.approvals),
    )
    return documents if header.brings is None else (*documents, (BRINGS, header.brings))


def copy_document(bundle: OpenedBundle, name: str, binding: Binding, folder: Path) -> Path | None:
    """Copy one document into a folder of ours and prove it; None if no intact copy is here.

    Faults go to ``bundle.faults``.
    """
    return _DocumentCopier(bundle, LocalHost(), str(folder.absolute())).copy(name, binding)


@dataclass(frozen=True, slots=True)
class _DocumentCopier:
    """Inputs for copying documents into a folder of ours on this machine."""

    bundle: OpenedBundle
    machine: Host
    folder: str

    def copy(self, name: str, binding: Binding) -> Path | None:
        """Copy one document from the first volume folder in which it is intact."""
        final = self.machine.path(self.folder).joined(name)
        tried = Faults()
        for volume_folder in self.bundle.volume_folders.get(1, ()):
            source = volume_folder.joined(name)
            item = CopyItem(
                sources=(source,),
                size_bytes=binding.size_bytes,
                blake3=binding.blake3,
                beside=final.parent.joined(name + ".new"),
                final=final,
            )
            if _transfer(self.bundle.media, item, self.machine, tried):
                self.bundle.faults.merge(tried, recovered=True)
                return Path(final.text)
        self.bundle.faults.merge(tried, recovered=False)
        return None


def _prove_lists(bundle: OpenedBundle) -> None:
    for volume in bundle.header.volumes:
        copies = bundle.volume_folders.get(volume.number, ())
        for name, binding in ((BLAKE3SUMS, volume.blake3sums), (SHA1SUMS, volume.sha1sums)):
            tried = Faults()
            items = (
                CopyItem((volume_folder.joined(name),), binding.size_bytes, blake3=binding.blake3)
                for volume_folder in copies
            )
            is_intact = any(_transfer(bundle.media, item, None, tried) for item in items)
            bundle.faults.merge(tried, recovered=is_intact)


def _transfer(media: Media, item: CopyItem, destination: Host | None, tried: Faults) -> bool:
    """Copy or prove one file if its size fits; add its fault to ``tried``. True if intact."""
    path = item.sources[0]
    stat = media.stat(path)
    if stat is None:
        tried.missing(path)
    elif stat.kind == "file" and stat.size_bytes != item.size_bytes:
        tried.size(path, item.size_bytes, stat.size_bytes)
    elif stat.kind == "file":
        (result,) = (result for batch in copy_files(media, destination, [item]) for result in batch)
        if result.error is None:
            return True
        tried.unread(path, result.error)
    # ``open_bundle`` has already added a fault for a link or device with this name.
    return False
