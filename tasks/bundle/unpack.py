"""Read a bundle from media: documents into the state folder, content into the intake.

Each byte of the media is read once, through both digests. Only the copies made here are parsed,
placed or given to anyone. All faults are collected; ``raise_for_faults`` says what they amount to,
and until it has returned nothing of the copies may be used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tasks.bundle.faults import Faults
from tasks.bundle.header import Binding
from tasks.bundle.layout import (
    APPROVALS,
    BLAKE3SUMS,
    MANIFEST,
    PACKAGE,
    SHA1SUMS,
    volume_name,
)
from tasks.bundle.manifest import (
    Entry,
    Piece,
    SealedManifest,
    TrustedManifest,
    pieces_of,
    verify_manifest,
)
from tasks.bundle.media import Media
from tasks.bundle.opened_bundle import OpenedBundle
from tasks.bundle.survey import FolderSurvey, survey_content
from tasks.content.place import beside_of, content_path
from tasks.content.transfer import CopyItem, CopyResult, copy_files
from tasks.errors import HostFileError
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.progress import Progress, Silence

Treatment = Literal["copy", "prove"]
"""What to do with a carried file: bring it into the intake, or only read it."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Where content waits until all is verified: a folder of ours beside WsusContent."""

    host: Host
    folder: HostPath


@dataclass(frozen=True, slots=True)
class UnpackedDocuments:
    """Copies on our own disk; each is the one that the header binds, or it is None."""

    manifest: TrustedManifest | None
    package: Path | None
    approvals: Path | None


@dataclass(slots=True)
class ContentRead:
    """How much content was read: ``written`` into the intake, ``adopted`` from an earlier run.

    ``proved`` files were only read.
    """

    written: int = 0
    adopted: int = 0
    proved: int = 0
    size_bytes: int = 0


def unpack_documents(bundle: OpenedBundle, folder: Path) -> UnpackedDocuments:
    """Copy manifest, package and approvals into a folder of ours, and prove the volumes' lists.

    They are read from the media every time, also where copies of an earlier run lie in the folder:
    a medium that was changed meanwhile is found out. Faults go to ``bundle.faults``.

    Args:
        bundle: Whose header is trusted.
        folder: On this machine, not on the media; it exists.

    Raises:
        DiskFullError: No room for the copies.
    """
    copying = _Copying(bundle, LocalHost(), str(folder.absolute()))
    header = bundle.header
    copies = {
        name: copying.copy(name, binding)
        for name, binding in (
            (MANIFEST, header.manifest),
            (PACKAGE, header.package),
            (APPROVALS, header.approvals),
        )
    }
    _prove_lists(bundle)
    manifest = copies[MANIFEST]
    return UnpackedDocuments(
        None if manifest is None else verify_manifest(SealedManifest(manifest), bundle.trusted),
        copies[PACKAGE],
        copies[APPROVALS],
    )


def unpack_content(
    bundle: OpenedBundle,
    manifest: TrustedManifest,
    *,
    intake: Intake | None = None,
    choose: Callable[[Entry], Treatment] | None = None,
    progress: Progress | None = None,
) -> ContentRead:
    """Bring carried content into the intake, or only prove it; faults go to ``bundle.faults``.

    A file that an earlier run left in the intake is proved there by both digests and used. Where
    there are copies of a volume, a file that is missing or damaged on one is taken from another.

    Args:
        bundle: Whose header is trusted.
        manifest: Of the same bundle.
        intake: Where content goes; None only proves.
        choose: What to do with each carried entry; without it all are copied (or proved).
        progress: Is advanced by bytes; begun and ended by the caller.

    Raises:
        TrustError: The manifest breaks the format although it is sealed.
        DiskFullError, ConnectionLostError: As from the intake's host; run again, it goes on.
    """
    reading = _Reading(bundle, intake, choose, progress or Silence())
    reading.run(_attempts(reading, manifest.entries()))
    while reading.again:
        again, reading.again = reading.again, []
        reading.run(iter(again))
    if intake is not None:
        intake.host.flush_folders([intake.folder])
    return reading.done


# --- documents ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Copying:
    """Copies documents into a folder of ours on this machine."""

    bundle: OpenedBundle
    machine: Host
    folder: str

    def copy(self, name: str, binding: Binding) -> Path | None:
        """Copy one document from the first place that has it right."""
        final = self.machine.path(self.folder).joined(name)
        tried = Faults()
        for place in self.bundle.places.get(1, ()):
            source = place.joined(name)
            item = CopyItem(
                sources=(source,),
                size_bytes=binding.size_bytes,
                blake3=binding.blake3,
                beside=final.parent.joined(name + ".new"),
                final=final,
            )
            if _transfer(self.bundle.media, item, self.machine, tried):
                self.bundle.faults.settle(tried, recovered=True)
                return Path(final.text)
        self.bundle.faults.settle(tried, recovered=False)
        return None


def _prove_lists(bundle: OpenedBundle) -> None:
    for volume in bundle.header.volumes:
        places = bundle.places.get(volume.number, ())
        for name, binding in ((BLAKE3SUMS, volume.blake3sums), (SHA1SUMS, volume.sha1sums)):
            tried = Faults()
            items = (
                CopyItem((place.joined(name),), binding.size_bytes, blake3=binding.blake3)
                for place in places
            )
            is_right = any(_transfer(bundle.media, item, None, tried) for item in items)
            bundle.faults.settle(tried, recovered=is_right)


def _transfer(media: Media, item: CopyItem, destination: Host | None, tried: Faults) -> bool:
    """Read one file, after a look at it; note what is wrong with it."""
    path = item.sources[0]
    stat = media.stat(path)
    if stat is None:
        tried.missing(path)
    elif stat.kind == "file" and stat.size_bytes != item.size_bytes:
        tried.size(path, item.size_bytes, stat.size_bytes)
    elif stat.kind == "file":
        (result,) = (each for batch in copy_files(media, destination, [item]) for each in batch)
        if result.error is None:
            return True
        tried.unread(path, result.error)
    # A link or device under this name is noted as such when the bundle is opened.
    return False


# --- content --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One file to read, from one choice of places for its pieces; others are still to be tried.

    ``tried`` are the faults of the copies so far.
    """

    item: CopyItem
    others: tuple[tuple[HostPath, ...], ...]
    tried: Faults


@dataclass(slots=True)
class _Reading:
    """One reading of a bundle's content."""

    bundle: OpenedBundle
    intake: Intake | None
    choose: Callable[[Entry], Treatment] | None
    progress: Progress
    done: ContentRead = field(default_factory=ContentRead)
    again: list[_Attempt] = field(default_factory=list)

    def treatment(self, entry: Entry) -> Treatment:
        chosen = "copy" if self.choose is None else self.choose(entry)
        return "prove" if chosen == "copy" and self.intake is None else chosen

    def run(self, attempts: Iterator[_Attempt]) -> None:
        """Read files, note what became of them, and keep those that may be read elsewhere."""
        waiting: dict[CopyItem, _Attempt] = {}  # of the batches that are under way

        def items() -> Iterator[CopyItem]:
            for attempt in attempts:
                waiting[attempt.item] = attempt
                yield attempt.item

        destination = None if self.intake is None else self.intake.host
        for batch in copy_files(self.bundle.media, destination, items(), progress=self.progress):
            for result in batch:
                self.note(waiting.pop(result.item), result)

    def note(self, attempt: _Attempt, result: CopyResult) -> None:
        item = result.item
        if result.error is None:
            self.done.size_bytes += item.size_bytes
            self.done.written += result.written
            self.done.proved += item.final is None
            self.done.adopted += item.final is not None and not result.written
            self.bundle.faults.settle(attempt.tried, recovered=True)
            return
        attempt.tried.unread(item.sources[0], result.error)
        if attempt.others:
            again = replace(item, sources=attempt.others[0], present=False)
            self.again.append(_Attempt(again, attempt.others[1:], attempt.tried))
        else:
            self.bundle.faults.settle(attempt.tried, recovered=False)


def _attempts(reading: _Reading, entries: Iterator[Entry]) -> Iterator[_Attempt]:
    """Walk along manifest and media and yield what is to be read; note what is not there."""
    bundle = reading.bundle
    for survey in _surveys(bundle, entries):
        for path, stat in survey.extras():
            bundle.faults.undeclared(path, stat)
        present = _intake_sizes(reading.intake, survey)
        for entry in survey.entries:
            if not entry.is_carried:
                continue
            attempt = _attempt(reading, survey, entry, present)
            if attempt is not None:
                yield attempt


def _surveys(bundle: OpenedBundle, entries: Iterator[Entry]) -> Iterator[FolderSurvey]:
    """Survey the content folders up to one that cannot be listed, which is noted.

    No other copy makes up for it: nobody knows which undeclared names that folder holds.
    """
    try:
        yield from survey_content(bundle.media, bundle.places, entries)
    except HostFileError as error:
        bundle.faults.unread(error.facts["path"], error)


def _attempt(
    reading: _Reading, survey: FolderSurvey, entry: Entry, present: dict[str, int]
) -> _Attempt | None:
    treatment = reading.treatment(entry)
    tried = Faults()
    choices = _choices(reading.bundle, survey, entry, tried)
    if choices is None:
        return None
    item = CopyItem(choices[0], entry.size_bytes, entry.sha1, entry.blake3)
    if treatment == "copy" and reading.intake is not None:
        root = reading.intake.folder
        if survey.folder not in present:
            reading.intake.host.make_folder(root.joined(survey.folder))
            present[survey.folder] = 0
        final = content_path(root, entry.name)
        item = replace(
            item,
            beside=beside_of(final),
            final=final,
            present=present.get(entry.name.text) == entry.size_bytes,
        )
    return _Attempt(item, choices[1:], tried)


def _choices(
    bundle: OpenedBundle, survey: FolderSurvey, entry: Entry, tried: Faults
) -> tuple[tuple[HostPath, ...], ...] | None:
    """Say from where a file can be read: several ways when there are copies of its volumes.

    None, and faults noted, when a piece of it is nowhere as it should be.
    """
    found = [(piece, _sound_places(bundle, survey, piece, tried)) for piece in pieces_of(entry)]
    if not all(sound for _, sound in found):
        bundle.faults.settle(tried, recovered=False)
        return None
    ways = max(len(sound) for _, sound in found)
    return tuple(
        tuple(survey.path_in(sound[min(way, len(sound) - 1)], piece) for piece, sound in found)
        for way in range(ways)
    )


def _sound_places(
    bundle: OpenedBundle, survey: FolderSurvey, piece: Piece, tried: Faults
) -> list[HostPath]:
    """Give the places that show a piece as a plain file of its size; note what is wrong elsewhere.

    A link or device under its name is never spared, whatever lies in another place.
    """
    sound = []
    for place, stat in survey.find(piece):
        path = survey.path_in(place, piece)
        if stat is None:
            tried.missing(path)
        elif stat.kind != "file":
            bundle.faults.undeclared(path, stat)
        elif stat.size_bytes != piece.size_bytes:
            tried.size(path, piece.size_bytes, stat.size_bytes)
        else:
            sound.append(place)
    if piece.volume not in bundle.places:
        tried.missing(_unplaced(bundle, survey, piece))
    return sound


def _unplaced(bundle: OpenedBundle, survey: FolderSurvey, piece: Piece) -> HostPath:
    """Name where a piece of a volume that is nowhere would lie."""
    beside = next(iter(bundle.places.values()))[0].parent
    return survey.path_in(beside.joined(volume_name(piece.volume)), piece)


def _intake_sizes(intake: Intake | None, survey: FolderSurvey) -> dict[str, int]:
    """Say which files an earlier run left in this folder of the intake."""
    if intake is None or not survey.entries:
        return {}
    return {
        stat.name: stat.size_bytes
        for stat in intake.host.list_folder(intake.folder.joined(survey.folder))
        if stat.kind == "file"
    }
