"""Unpack a bundle from media and prove every byte; its content goes into the intake."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.header import Header
from tasks.bundle.manifest import Entry, TrustedManifest
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.bundle.unpack import Intake, Treatment, unpack_content, unpack_documents
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3
from tasks.errors import PackageError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import write_atomic
from tasks.importing.incoming import _ROOM_BESIDES, IncomingBundle, refuse_faults
from tasks.ledger.work_id import WorkId
from tasks.metadata.index import index_package
from tasks.metadata.server import ContentVolume
from tasks.refusals import (
    RoomError,
    TrustError,
)
from tasks.run.context import RunContext
from tasks.run.folders import make_disk_folders
from tasks.run.stored_documents import PAYLOAD, is_kept_text, is_readable, read_decisions_file


@dataclass(frozen=True, slots=True)
class TrustedBundle:
    """A bundle that is proved to its last byte: documents on our own disk, content in the intake.

    Attributes:
        arrival: The bundle as it was opened.
        manifest, package, approvals: Copies of its documents; only these are used.
        holdings: The manifest, found by digest.
    """

    arrival: IncomingBundle
    manifest: TrustedManifest
    package: Path
    approvals: Path
    holdings: ManifestLookup

    @property
    def header(self) -> Header:
        """The verified header."""
        return self.arrival.header

    @property
    def digest(self) -> Blake3:
        """The header's digest."""
        return self.arrival.digest

    @property
    def work(self) -> WorkId:
        """What the steps of this import are remembered under."""
        return self.arrival.work

    @property
    def index(self) -> Path:
        """The index of the metadata package."""
        return self.arrival.index


@dataclass(frozen=True, slots=True)
class Unpacked:
    """How many content files came, were written into the intake, and lay in place already."""

    carried: int
    written: int
    in_place: int


def unpack(
    run: RunContext,
    arrival: IncomingBundle,
    listing: ContentListing,
    *,
    volume: ContentVolume | None,
) -> tuple[TrustedBundle, Unpacked]:
    """Copy the whole bundle from the media, proving every byte; content goes into the intake.

    What lies in WsusContent already, proved, is read from the media too, but not written again.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: It is not what
            its seal says. A run that is refused for trust ends with an empty intake.
        TrustError, PackageError: What is sealed breaks the format, or is of another server.
        RoomError: The intake's disk has less room than is needed; nothing was copied yet.
    """
    arrival.folder.mkdir(parents=True, exist_ok=True)
    documents = unpack_documents(arrival.opened, arrival.folder)
    bundle = arrival.header.bundle
    if documents.manifest is None or documents.package is None or documents.approvals is None:
        refuse_faults(run, arrival)
        raise TrustError(reason=f"bundle {bundle} lacks a document that its seal names")
    read_decisions_file(documents.approvals)
    _require_room(run, documents.manifest, listing, volume)
    run.progress.start("Unpack", total=arrival.header.counts.carried_bytes, unit="bytes")
    try:
        unpacked = _unpack_content(run, arrival, documents.manifest, listing)
    finally:
        run.progress.finish()
    refuse_faults(run, arrival)
    _index(arrival, documents.package)
    kept = run.media.path(str(arrival.folder.absolute())).joined(PAYLOAD)
    write_atomic(run.media, kept, [arrival.header.payload()])
    delivery = TrustedBundle(
        arrival=arrival,
        manifest=documents.manifest,
        package=documents.package,
        approvals=documents.approvals,
        holdings=run.look_up_in(documents.manifest.entries()),
    )
    return delivery, unpacked


def _unpack_content(
    run: RunContext, arrival: IncomingBundle, manifest: TrustedManifest, listing: ContentListing
) -> Unpacked:
    in_place = 0

    def choose(entry: Entry) -> Treatment:
        nonlocal in_place
        held = listing.look_up(entry.name)
        if held is not None and held.is_valid and held.size_bytes == entry.size_bytes:
            in_place += 1
            return "prove"
        return "copy"

    disk = run.folders.on_content_disk(listing.content_dir)
    make_disk_folders(run.server, disk, disk.intake)
    read = unpack_content(
        arrival.opened,
        manifest,
        intake=Intake(run.server, disk.intake),
        choose=choose,
        progress=run.progress,
    )
    return Unpacked(
        carried=arrival.header.counts.carried_files,
        written=read.written,
        in_place=in_place,
    )


def _index(arrival: IncomingBundle, package: Path) -> None:
    """Index the package once, unless there is an index that is whole and of this very package."""
    mark = arrival.folder / "index.json"
    expected = json.dumps({"blake3": arrival.header.package.blake3.hex}).encode()
    if is_kept_text(mark, expected) and is_readable(arrival.index):
        return
    summary = index_package(package, arrival.index)
    if summary.server_id.lower() != arrival.header.server.id.lower():
        raise PackageError(
            path=package,
            reason=f"it is of server {summary.server_id}, the bundle of {arrival.header.server.id}",
        )
    mark.write_bytes(expected)


def _require_room(
    run: RunContext,
    manifest: TrustedManifest,
    listing: ContentListing,
    volume: ContentVolume | None,
) -> None:
    """Compare the room of the content disk with what will be written, before it is.

    Raises:
        RoomError: Either what the volume says, or what the server says of it, is too little.
    """
    needed = 0
    intake = run.folders.on_content_disk(listing.content_dir).intake
    waiting = _intake_bytes(run.server, intake)
    for entry in manifest.entries():
        held = listing.look_up(entry.name) if entry.is_carried else None
        if entry.is_carried and not (held and held.is_valid):
            needed += entry.size_bytes
    needed = max(0, needed - waiting)
    if needed == 0:
        return
    free = run.server.space(intake).free_bytes
    if volume is not None:
        free = min(free, volume.free_bytes)
    if free < needed + _ROOM_BESIDES:
        raise RoomError(
            where="the content disk of the disconnected server",
            free_bytes=free,
            needed_bytes=needed + _ROOM_BESIDES,
        )


def _intake_bytes(server: Host, intake: HostPath) -> int:
    return sum(
        stat.size_bytes
        for folder in server.list_folder(intake)
        if folder.kind == "folder"
        for stat in server.list_folder(intake.joined(folder.name))
        if stat.kind == "file"
    )
