"""Read a bundle's content from media into the intake; ``documents.py`` reads the documents.

Each byte of the media is read once, and both digests are taken on the way. Only the copies made
here are parsed, placed or passed on. All faults are collected in ``bundle.faults``; the copies may
be used only after ``raise_for_faults`` has returned.

One file with copies of its volumes passes through these states:

| state | the copy is intact | the copy is missing or wrong |
|---|---|---|
| first or further copy is tried | done; earlier faults are ``recovered`` | try the next copy |
| last copy is tried | done; earlier faults are ``recovered`` | all its faults count |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from tasks.bundle.faults import Faults
from tasks.bundle.layout import volume_name
from tasks.bundle.manifest import Entry, Piece
from tasks.bundle.opened_bundle import OpenedBundle
from tasks.bundle.survey import FolderSurvey, survey_content
from tasks.bundle.trusted_manifest import TrustedManifest
from tasks.content.copy_item import CopyItem, CopyResult
from tasks.content.place import beside_of, content_path
from tasks.content.transfer import copy_files
from tasks.errors import HostFileError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress, Silence

Treatment = Literal["copy", "prove"]
"""Treatment of a carried file: copy it into the intake, or only read and prove it.

With an intake both digests of a file are computed, without one only the BLAKE3.
"""


@dataclass(frozen=True, slots=True)
class Intake:
    """Our folder beside WsusContent where content waits until the whole bundle is verified."""

    host: Host
    folder: HostPath


@dataclass(slots=True)
class ContentRead:
    """Totals of the content that was read.

    Attributes:
        written: Files copied into the intake.
        adopted: Files that an earlier run had left in the intake, proved there.
        proved: Files that were only read.
        size_bytes: Bytes of all these files.
    """

    written: int = 0
    adopted: int = 0
    proved: int = 0
    size_bytes: int = 0


def unpack_content(
    bundle: OpenedBundle,
    manifest: TrustedManifest,
    *,
    intake: Intake | None = None,
    choose: Callable[[Entry], Treatment] | None = None,
    progress: Progress | None = None,
) -> ContentRead:
    """Copy carried content into the intake, or only prove it; faults go to ``bundle.faults``.

    A file that an earlier run left in the intake is proved there by both digests and used. If
    there are copies of a volume, a file that is missing or damaged in one copy is read from
    another.

    Args:
        bundle: The opened bundle.
        manifest: The manifest of the same bundle.
        intake: Target of the content; None: only prove it.
        choose: Returns the treatment of a carried entry; None: the same for all.
        progress: Advanced by bytes; the caller begins and ends it.

    Raises:
        TrustError: The manifest breaks the format although it is sealed.
        DiskFullError, ConnectionLostError: As from the intake's host. A repeated call continues.
    """
    reading = _Reading(bundle, intake, choose, progress or Silence())
    reading.run(_attempts(reading, manifest.entries()))
    while reading.retries:
        retries, reading.retries = reading.retries, []
        reading.run(iter(retries))
    if intake is not None:
        intake.host.flush_folders([intake.folder])
    return reading.totals


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try to read a file.

    Attributes:
        item: The file; its sources are the pieces in one choice of volume folders.
        alternatives: Other choices of sources, not tried yet.
        tried: Faults of the tries so far.
    """

    item: CopyItem
    alternatives: tuple[tuple[HostPath, ...], ...]
    tried: Faults


@dataclass(slots=True)
class _Reading:
    """State of reading a bundle's content; ``retries`` are files to read from another copy."""

    bundle: OpenedBundle
    intake: Intake | None
    choose: Callable[[Entry], Treatment] | None
    progress: Progress
    totals: ContentRead = field(default_factory=ContentRead)
    retries: list[_Attempt] = field(default_factory=list)

    def treatment(self, entry: Entry) -> Treatment:
        chosen = "copy" if self.choose is None else self.choose(entry)
        return "prove" if chosen == "copy" and self.intake is None else chosen

    def run(self, attempts: Iterator[_Attempt]) -> None:
        """Read files, and record their results."""
        pending: deque[_Attempt] = deque()  # attempts of the batches that are under way

        def items() -> Iterator[CopyItem]:
            for attempt in attempts:
                pending.append(attempt)
                yield attempt.item

        destination = None if self.intake is None else self.intake.host
        for batch in copy_files(self.bundle.media, destination, items(), progress=self.progress):
            for result in batch:
                self.record(pending.popleft(), result)

    def record(self, attempt: _Attempt, result: CopyResult) -> None:
        """Count a file that is intact; else retry it from another copy, or add its faults."""
        item = result.item
        if result.error is None:
            self.totals.size_bytes += item.size_bytes
            self.totals.written += result.written
            self.totals.proved += item.final is None
            self.totals.adopted += item.final is not None and not result.written
            self.bundle.faults.merge(attempt.tried, recovered=True)
            return
        attempt.tried.unread(item.sources[0], result.error)
        if attempt.alternatives:
            retry = replace(item, sources=attempt.alternatives[0], present=False)
            self.retries.append(_Attempt(retry, attempt.alternatives[1:], attempt.tried))
        else:
            self.bundle.faults.merge(attempt.tried, recovered=False)


def _attempts(reading: _Reading, entries: Iterator[Entry]) -> Iterator[_Attempt]:
    """Read manifest and media together, and yield the files to read; others become faults."""
    bundle = reading.bundle
    for survey in _surveys(bundle, entries):
        for path, stat in survey.extras():
            bundle.faults.undeclared(path, stat)
        present = _intake_sizes(reading.intake, survey)
        for entry, pieces in zip(survey.entries, survey.pieces, strict=True):
            if not entry.is_carried:
                continue
            attempt = _attempt(reading, survey, (entry, pieces), present)
            if attempt is not None:
                yield attempt


def _surveys(bundle: OpenedBundle, entries: Iterator[Entry]) -> Iterator[FolderSurvey]:
    """Survey the content folders; stop with a fault at a folder that cannot be listed.

    Another copy of the volume cannot replace the listing, because the unreadable folder may
    contain undeclared names.
    """
    try:
        yield from survey_content(bundle.media, bundle.volume_folders, entries)
    except HostFileError as error:
        bundle.faults.unread(error.facts["path"], error)


def _attempt(
    reading: _Reading,
    survey: FolderSurvey,
    carried: tuple[Entry, tuple[Piece, ...]],
    present: dict[str, int],
) -> _Attempt | None:
    entry, pieces = carried
    treatment = reading.treatment(entry)
    tried = Faults()
    choices = _choices(reading.bundle, survey, pieces, tried)
    if choices is None:
        return None
    # The seal binds the BLAKE3. What is not to be placed needs no proof that its name is its SHA-1.
    sha1 = None if reading.intake is None else entry.sha1
    item = CopyItem(choices[0], entry.size_bytes, sha1, entry.blake3)
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
    bundle: OpenedBundle, survey: FolderSurvey, pieces: tuple[Piece, ...], tried: Faults
) -> tuple[tuple[HostPath, ...], ...] | None:
    """Return the choices of sources for a file: several if there are copies of its volumes.

    None, after the faults were added, if any piece has no file of the right size.
    """
    candidates = [(piece, _candidate_folders(bundle, survey, piece, tried)) for piece in pieces]
    if not all(folders for _, folders in candidates):
        bundle.faults.merge(tried, recovered=False)
        return None
    if len(candidates) == len(candidates[0][1]) == 1:  # one whole file on one medium
        return ((survey.path_in(candidates[0][1][0], pieces[0]),),)
    count = max(len(folders) for _, folders in candidates)
    return tuple(
        tuple(
            survey.path_in(folders[min(number, len(folders) - 1)], piece)
            for piece, folders in candidates
        )
        for number in range(count)
    )


def _candidate_folders(
    bundle: OpenedBundle, survey: FolderSurvey, piece: Piece, tried: Faults
) -> list[HostPath]:
    """Return the volume folders with a plain file of a piece's name and size.

    Missing files and wrong sizes are added to ``tried``, and may be recovered from another copy. A
    link or device with the piece's name always counts as a fault of the bundle.
    """
    candidates = []
    for volume_folder, stat in survey.find(piece):
        path = survey.path_in(volume_folder, piece)
        if stat is None:
            tried.missing(path)
        elif stat.kind != "file":
            bundle.faults.undeclared(path, stat)
        elif stat.size_bytes != piece.size_bytes:
            tried.size(path, piece.size_bytes, stat.size_bytes)
        else:
            candidates.append(volume_folder)
    if piece.volume not in bundle.volume_folders:
        tried.missing(_path_in_missing_volume(bundle, survey, piece))
    return candidates


def _path_in_missing_volume(bundle: OpenedBundle, survey: FolderSurvey, piece: Piece) -> HostPath:
    """Return the path that a piece would have if its missing volume lay beside another one."""
    bundle_folder = next(iter(bundle.volume_folders.values()))[0].parent
    return survey.path_in(bundle_folder.joined(volume_name(piece.volume)), piece)


def _intake_sizes(intake: Intake | None, survey: FolderSurvey) -> dict[str, int]:
    """Return the sizes of the files that an earlier run left in this folder of the intake."""
    if intake is None or not survey.entries:
        return {}
    return {
        stat.name: stat.size_bytes
        for stat in intake.host.list_folder(intake.folder.joined(survey.folder))
        if stat.kind == "file"
    }
