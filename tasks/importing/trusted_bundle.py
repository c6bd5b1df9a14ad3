"""Trusted bundle: unpack a bundle from media, prove every byte, put content into the intake."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.documents import unpack_documents
from tasks.bundle.header import Header
from tasks.bundle.manifest import Entry
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.bundle.trusted_manifest import TrustedManifest
from tasks.bundle.unpack import Intake, Treatment, unpack_content
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3
from tasks.content.scan import present_bytes
from tasks.errors import PackageError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import write_atomic
from tasks.importing.incoming import IncomingBundle, refuse_faults
from tasks.ledger.work_id import WorkId
from tasks.metadata.index import index_package
from tasks.metadata.server import ContentVolume
from tasks.refusals import RoomError, TrustError
from tasks.run.context import MakeLookup, RunContext
from tasks.run.folders import make_disk_folders
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import PAYLOAD, has_content, is_readable, read_decisions_file

_SPARE_ROOM_BYTES = 64 * 1_048_576


@dataclass(frozen=True)
class BundleDocuments:
    """The documents of a bundle, copied to our own disk and proved; its content is not.

    Attributes:
        incoming: The bundle as it was opened.
        manifest, package, approvals, brings: Copies of its documents; the media are not read
            again. ``brings`` is None for a bundle of format 1.
        manifest_lookup: Look-up of the manifest by digest.
    """

    incoming: IncomingBundle
    manifest: TrustedManifest
    package: Path
    approvals: Path
    brings: Path | None
    manifest_lookup: ManifestLookup

    @property
    def header(self) -> Header:
        """The verified header."""
        return self.incoming.header

    @property
    def digest(self) -> Blake3:
        """Digest of the header: the bundle's identity."""
        return self.incoming.digest

    @property
    def work(self) -> WorkId:
        """Key of this import's steps in the ledger."""
        return self.incoming.work

    @property
    def index(self) -> Path:
        """Path of the index of the metadata package."""
        return self.incoming.index


@dataclass(frozen=True)
class TrustedBundle(BundleDocuments):
    """A bundle that is proved to its last byte; its content lies in the intake, or in place."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Numbers of content files: carried, written into the intake, and in place already."""

    carried: int
    written: int
    in_place: int


def unpack(
    run: RunContext,
    incoming: IncomingBundle,
    listing: ContentListing,
    *,
    volume: ContentVolume | None,
) -> tuple[TrustedBundle, Unpacked]:
    """Copy the whole bundle from the media, proving every byte; content goes into the intake.

    A file that lies proved in WsusContent already is read from the media too, but not written.

    Args:
        run: The run.
        incoming: The opened bundle.
        listing: Listing of WsusContent.
        volume: The content disk as the server reports it; None if it does not.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: The media differ
            from the seal. A run that is refused for trust ends with an empty intake.
        TrustError: A sealed document breaks the format, or is missing.
        PackageError: The metadata package breaks its format, or is of another server.
        RoomError: The content disk has too little room; no content was copied yet.
    """
    documents = _copy_documents(run.report, run.look_up_in, incoming)
    intake = run.content_disk(listing.content_dir).intake
    is_measured = _require_room(run.server, intake, documents.manifest, listing, volume=volume)
    if not is_measured:
        run.report.notice(
            "neither the content disk's file system nor the server reports the free space; the "
            "import is tried, and stops with disk-full if the disk is too small"
        )
    total = incoming.header.counts.carried_bytes
    resumed_at = min(total, present_bytes(run.server, intake))
    run.progress.start("Unpack", total=total, unit="bytes", resumed_at=resumed_at)
    try:
        unpacked = _unpack_content(run, incoming, documents.manifest, listing)
    finally:
        run.progress.finish()
    refuse_faults(run.report, incoming)
    _index(incoming, documents.package)
    payload = run.media.path(str(incoming.folder.absolute())).joined(PAYLOAD)
    write_atomic(run.media, payload, [incoming.header.payload()])
    trusted = TrustedBundle(**vars(documents))
    return trusted, unpacked


def read_documents(
    report: ReportDraft, make_lookup: MakeLookup, incoming: IncomingBundle
) -> BundleDocuments:
    """Copy and prove the documents of a bundle, and index its package; no content is read.

    Args:
        report: The report.
        make_lookup: Opens a manifest of ours.
        incoming: The opened bundle, whose folder of ours is a scratch folder.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: A document, or a
            name on the media, differs from the seal.
        TrustError: A sealed document breaks the format, or is missing.
        PackageError: The metadata package breaks its format, or is of another server.
    """
    documents = _copy_documents(report, make_lookup, incoming)
    _index(incoming, documents.package)
    return documents


def _copy_documents(
    report: ReportDraft, make_lookup: MakeLookup, incoming: IncomingBundle
) -> BundleDocuments:
    incoming.folder.mkdir(parents=True, exist_ok=True)
    documents = unpack_documents(incoming.opened, incoming.folder)
    bundle = incoming.header.bundle
    if (
        documents.manifest is None
        or documents.package is None
        or documents.approvals is None
        or (documents.brings is None and incoming.header.brings is not None)
    ):
        refuse_faults(report, incoming)
        raise TrustError(reason=f"bundle {bundle} lacks a document that its seal names")
    read_decisions_file(documents.approvals)
    return BundleDocuments(
        incoming=incoming,
        manifest=documents.manifest,
        package=documents.package,
        approvals=documents.approvals,
        brings=documents.brings,
        manifest_lookup=make_lookup(documents.manifest.path),
    )


def _unpack_content(
    run: RunContext, incoming: IncomingBundle, manifest: TrustedManifest, listing: ContentListing
) -> Unpacked:
    in_place = 0

    def choose(entry: Entry) -> Treatment:
        nonlocal in_place
        present = listing.look_up(entry.name)
        if present is not None and present.is_valid and present.size_bytes == entry.size_bytes:
            in_place += 1
            return "prove"
        return "copy"

    disk = run.content_disk(listing.content_dir)
    make_disk_folders(run.server, disk, disk.intake)
    read = unpack_content(
        incoming.opened,
        manifest,
        intake=Intake(run.server, disk.intake),
        choose=choose,
        progress=run.progress,
    )
    return Unpacked(
        carried=incoming.header.counts.carried_files,
        written=read.written,
        in_place=in_place,
    )


def _index(incoming: IncomingBundle, package: Path) -> None:
    """Index the package, unless a whole index of this same package is there."""
    index_note = incoming.folder / "index.json"
    expected = json.dumps({"blake3": incoming.header.package.blake3.hex}).encode()
    if has_content(index_note, expected) and is_readable(incoming.index):
        return
    summary = index_package(package, incoming.index)
    expected_server = incoming.header.server.id
    if summary.server_id.lower() != expected_server.lower():
        raise PackageError(
            path=package,
            reason=f"it is of server {summary.server_id}, the bundle of {expected_server}",
        )
    index_note.write_bytes(expected)


def _require_room(
    server: Host,
    intake: HostPath,
    manifest: TrustedManifest,
    listing: ContentListing,
    *,
    volume: ContentVolume | None,
) -> bool:
    """Require room on the content disk for the files that will be written into the intake.

    Returns:
        False if neither the host nor the server reports the free space.

    Raises:
        RoomError: The free space is too little, as measured or as the server reports it.
    """
    needed_bytes = 0
    for entry in manifest.entries():
        present = listing.look_up(entry.name) if entry.is_carried else None
        if entry.is_carried and not (present and present.is_valid):
            needed_bytes += entry.size_bytes
    needed_bytes = max(0, needed_bytes - _intake_bytes(server, intake))
    if needed_bytes == 0:
        return True
    sizes = (server.space(intake).free_bytes, None if volume is None else volume.free_bytes)
    reported = [free_bytes for free_bytes in sizes if free_bytes is not None]
    free_bytes = min(reported, default=None)
    if free_bytes is None:
        return False
    if free_bytes < needed_bytes + _SPARE_ROOM_BYTES:
        raise RoomError(
            where="the content disk of the disconnected server",
            free_bytes=free_bytes,
            needed_bytes=needed_bytes + _SPARE_ROOM_BYTES,
        )
    return True


def _intake_bytes(server: Host, intake: HostPath) -> int:
    return sum(
        stat.size_bytes
        for folder in server.list_folder(intake)
        if folder.kind == "folder"
        for stat in server.list_folder(intake.joined(folder.name))
        if stat.kind == "file"
    )
