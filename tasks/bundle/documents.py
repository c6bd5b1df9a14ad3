"""Copy the documents of a bundle from media into a folder of ours, and prove its lists.

All faults are collected in ``bundle.faults``; the copies may be used only after
``raise_for_faults`` has returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.bundle.faults import Faults
from tasks.bundle.header import Binding, Header
from tasks.bundle.layout import APPROVALS, BLAKE3SUMS, BRINGS, MANIFEST, PACKAGE, SHA1SUMS
from tasks.bundle.opened_bundle import OpenedBundle
from tasks.bundle.trusted_manifest import SealedManifest, TrustedManifest, verify_manifest
from tasks.content.copy_item import CopyItem
from tasks.content.transfer import copy_files
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath


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
    documents = {
        name: _document(bundle, name, binding, folder)
        for name, binding in documents_of(bundle.header)
    }
    _read_all(bundle, [*documents.values(), *_lists(bundle)])
    copies = {name: document.copy for name, document in documents.items()}
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
    document = _document(bundle, name, binding, folder)
    _read_all(bundle, [document])
    return document.copy


@dataclass(slots=True)
class _Document:
    """A document to copy, or a list to prove, and what was tried for it.

    Attributes:
        sources: The file in each copy of its volume that was not tried yet.
        binding: Its sealed size and BLAKE3.
        target: The copy to write; None: only prove it.
        tried: Faults of the tries so far.
        is_intact: True once a copy was proved.
    """

    sources: list[HostPath]
    binding: Binding
    target: HostPath | None = None
    tried: Faults = field(default_factory=Faults)
    is_intact: bool = False

    @property
    def copy(self) -> Path | None:
        """Our proved copy."""
        return Path(self.target.text) if self.target is not None and self.is_intact else None


def _document(bundle: OpenedBundle, name: str, binding: Binding, folder: Path) -> _Document:
    target = LocalHost().path(str(folder.absolute())).joined(name)
    sources = [volume.joined(name) for volume in bundle.volume_folders.get(1, ())]
    return _Document(sources, binding, target)


def _lists(bundle: OpenedBundle) -> Iterator[_Document]:
    for volume in bundle.header.volumes:
        copies = bundle.volume_folders.get(volume.number, ())
        for name, binding in ((BLAKE3SUMS, volume.blake3sums), (SHA1SUMS, volume.sha1sums)):
            yield _Document([copy.joined(name) for copy in copies], binding)


def _read_all(bundle: OpenedBundle, documents: list[_Document]) -> None:
    """Read all documents together, so that the disk is flushed once; then again what was wrong."""
    while documents:
        trying = [(document, _next_item(bundle, document)) for document in documents]
        items = [item for _, item in trying if item is not None]
        batches = copy_files(bundle.media, LocalHost(), items)
        results = iter([result for batch in batches for result in batch])
        for document, item in trying:
            error = next(results).error if item is not None else None
            document.is_intact = item is not None and error is None
            if item is not None and error is not None:
                document.tried.unread(item.sources[0], error)
            if document.is_intact or not document.sources:
                bundle.faults.merge(document.tried, recovered=document.is_intact)
        documents = [
            document for document in documents if document.sources and not document.is_intact
        ]


def _next_item(bundle: OpenedBundle, document: _Document) -> CopyItem | None:
    """Return the next copy of a document whose size fits; add the faults of others to ``tried``."""
    while document.sources:
        path = document.sources.pop(0)
        stat = bundle.media.stat(path)
        if stat is None:
            document.tried.missing(path)
        elif stat.kind == "file" and stat.size_bytes != document.binding.size_bytes:
            document.tried.size(path, document.binding.size_bytes, stat.size_bytes)
        elif stat.kind == "file":
            target = document.target
            return CopyItem(
                sources=(path,),
                size_bytes=document.binding.size_bytes,
                blake3=document.binding.blake3,
                beside=target and target.parent.joined(target.name + ".new"),
                final=target,
            )
        # ``open_bundle`` has already added a fault for a link or device with this name.
    return None
