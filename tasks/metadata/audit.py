"""Compare the files that revisions need with the files in WsusContent, and explain each gap.

Pure apart from reading the index: the files in WsusContent and the provenance of a file are passed
in as functions. The staging side audits before the trip (approved there, but not downloaded); the
disconnected side audits after an import, for every approved or parked revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import tee

from pydantic import BaseModel, ConfigDict, Field

from tasks.content.content_listing import ContentLookup, PresentFile
from tasks.content.names import ContentDigest
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import Closure, ContentChoice, NeededFile, read_closures
from tasks.revision import RevisionId


class MissingReason(StrEnum):
    """The reasons for a missing content file: the closed list of the JSON document."""

    NEVER_DOWNLOADED = "never-downloaded"
    NOT_CARRIED = "not-carried"
    LOST_BUNDLE = "lost-bundle"
    NOT_PLACED = "not-placed"
    WRONG_DIGEST = "wrong-digest"
    READ_FAILED = "read-failed"
    VANISHED = "vanished"
    LANGUAGE_EXCLUDED = "language-excluded"
    EXPRESS_EXCLUDED = "express-excluded"
    REJECTED_BY_WSUS = "rejected-by-wsus"
    NOT_IN_PACKAGE = "unknown-revision"


REASON_TEXTS: dict[MissingReason, str] = {
    MissingReason.NEVER_DOWNLOADED: (
        "The staging server does not hold this file, or not intact (then the report of its export "
        "names it): approve the update there, or wait for its download, then export again."
    ),
    MissingReason.NOT_CARRIED: (
        "The staging server holds this file, but the bundle left it out because it was believed "
        "to be here: the next bundle must bring it."
    ),
    MissingReason.LOST_BUNDLE: (
        "A bundle that never came carried this file: find it, or have the next one bring the file."
    ),
    MissingReason.WRONG_DIGEST: (
        "A file of this name lies in WsusContent with other bytes: the next bundle must bring it "
        "anew."
    ),
    MissingReason.NOT_PLACED: (
        "The bundle brought this file, and it could not be moved into WsusContent: mend what the "
        "notices name, then import the same bundle again."
    ),
    MissingReason.READ_FAILED: (
        "A file of this name lies in WsusContent and cannot be read: look at the disk, at the "
        "account's rights, and at who has the file open, then run the same command again."
    ),
    MissingReason.VANISHED: (
        "This file was in place and is gone: find out who deletes in WsusContent; the next bundle "
        "must bring it."
    ),
    MissingReason.LANGUAGE_EXCLUDED: (
        "The staging server does not keep this language, the disconnected one does: enable it on "
        "staging, or disable it here."
    ),
    MissingReason.EXPRESS_EXCLUDED: (
        "The staging server does not keep express files, the disconnected one does: make both "
        "settings equal."
    ),
    # WSUS checks hash and signature of a file and deletes an invalid one (seen in its log).
    MissingReason.REJECTED_BY_WSUS: (
        "WSUS deleted this file after it was placed, mostly for a signature that it cannot trust: "
        "look at the root certificates here before the next bundle brings it."
    ),
    MissingReason.NOT_IN_PACKAGE: (
        "The metadata does not have this revision, so that its files are not known: synchronise "
        "the staging server, then export again."
    ),
}


class Provenance(StrEnum):
    """The last trace of a file in manifests and in our own records; the first that fits counts.

    Attributes:
        NOT_PLACED: The bundle brought the file, and it could not be moved into WsusContent.
        REJECTED: The file was in place before metadata were loaded, and gone afterwards.
        PLACED: This bundle carried the file, or it was hashed here once.
        IN_LOST_BUNDLE: The newest manifest names the file, no bundle brought it here, and a bundle
            that was never imported may have carried it.
        HELD_BY_STAGING: The newest manifest names the file, and no bundle brought it here.
        NEVER_HELD: No manifest names the file.
    """

    NOT_PLACED = "not-placed"
    REJECTED = "rejected"
    PLACED = "placed"
    IN_LOST_BUNDLE = "in-lost-bundle"
    HELD_BY_STAGING = "held-by-staging"
    NEVER_HELD = "never-held"


_REASONS = {
    Provenance.NOT_PLACED: MissingReason.NOT_PLACED,
    Provenance.REJECTED: MissingReason.REJECTED_BY_WSUS,
    Provenance.PLACED: MissingReason.VANISHED,
    Provenance.IN_LOST_BUNDLE: MissingReason.LOST_BUNDLE,
    Provenance.HELD_BY_STAGING: MissingReason.NOT_CARRIED,
}


ProvenanceLookup = Callable[[ContentDigest], Provenance]


def without_trace(_: ContentDigest) -> Provenance:
    """Stand for the look-up where no manifest and no record can name a file: on staging."""
    return Provenance.NEVER_HELD


class MissingFile(BaseModel):
    """A file that an update waits for.

    ``file`` is null if the package does not have the revision, so that its files are unknown.
    ``title`` is foreign text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    update_id: str
    revision: int
    title: str
    kb: str
    file: str | None = Field(description="<SHA-1>.<extension>")
    size_bytes: int | None
    reason: MissingReason
    reason_text: str


@dataclass(frozen=True, slots=True)
class RevisionContent:
    """The result of the audit for one revision.

    Attributes:
        files, bytes: Number and size of all files that it needs; unknown sizes count as 0.
        missing: The needed files that are missing or wrong.
    """

    key: RevisionId
    files: int
    bytes: int
    missing: tuple[MissingFile, ...]

    @property
    def is_complete(self) -> bool:
        """True if no file is missing, so that an approval of the revision may be applied."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class ContentView:
    """The WsusContent of the audited server.

    Attributes:
        choice: The languages and express files that the audited server keeps.
        find: Returns the file with a digest in WsusContent, or None.
        provenance: Returns the last trace of a file that is not in WsusContent. An uncertain file
            (``NeededFile.is_uncertain``) counts as missing only if it has a trace.
        staging: The languages and express files that the staging server keeps; None if it is the
            audited server, or if they are unknown.
    """

    choice: ContentChoice
    find: ContentLookup
    provenance: ProvenanceLookup
    staging: ContentChoice | None = None


def audit_revisions(
    index: PackageIndex, revisions: Iterable[RevisionId], view: ContentView
) -> Iterator[RevisionContent]:
    """Yield one result for each revision, in the given order; only one is in memory at a time.

    Pass each revision once, however many approvals it has. A revision without files is complete.
    """
    for closure, on_staging in _closures(index, revisions, view):
        reasons = [(needed, _missing_reason(needed, view, on_staging)) for needed in closure.files]
        gaps = [(needed, reason) for needed, reason in reasons if reason is not None]
        yield RevisionContent(
            key=closure.key,
            files=len(closure.files),
            bytes=sum(needed.size_bytes or 0 for needed in closure.files),
            missing=tuple(_name_missing(index, closure, gaps)) if gaps or closure.unknown else (),
        )


def _closures(
    index: PackageIndex, revisions: Iterable[RevisionId], view: ContentView
) -> Iterator[tuple[Closure, frozenset[ContentDigest] | None]]:
    """Yield the closure of each revision, and the files of it that the staging server keeps.

    None stands for all of them: both servers have the same settings, or staging's are unknown.
    """
    staging = view.staging
    if staging is None or staging == view.choice:
        yield from ((closure, None) for closure in read_closures(index, revisions, view.choice))
        return
    ours, theirs = tee(revisions)
    pairs = zip(
        read_closures(index, ours, view.choice), read_closures(index, theirs, staging), strict=True
    )
    for closure, staging_closure in pairs:
        yield closure, frozenset(needed.name.digest for needed in staging_closure.files)


def find_missing(
    index: PackageIndex, revisions: Iterable[RevisionId], view: ContentView
) -> Iterator[MissingFile]:
    """Yield the missing files of revisions, in the order of the revisions, then by SHA-1."""
    for content in audit_revisions(index, revisions, view):
        yield from content.missing


def _missing_reason(
    needed: NeededFile, view: ContentView, on_staging: frozenset[ContentDigest] | None
) -> MissingReason | None:
    """Find the reason for which a file counts as missing; None if it is there and good.

    None as well for a file that is only needed if the staging server has it, which it never had.

    Args:
        needed: The file.
        view: The content of the audited server.
        on_staging: The files that the staging server keeps by its settings; None for all.
    """
    present = view.find(needed.name.digest)
    if present is not None and not present.is_readable:
        return MissingReason.READ_FAILED
    if present is not None:
        return None if _is_good(present, needed) else MissingReason.WRONG_DIGEST
    reason = _REASONS.get(view.provenance(needed.name.digest))
    if reason is not None:
        return reason
    if needed.is_uncertain:
        return None
    if on_staging is None or needed.name.digest in on_staging:
        return MissingReason.NEVER_DOWNLOADED
    is_express = needed.kind == "express"
    return MissingReason.EXPRESS_EXCLUDED if is_express else MissingReason.LANGUAGE_EXCLUDED


def _is_good(present: PresentFile, needed: NeededFile) -> bool:
    if present.is_valid is not None:
        return present.is_valid
    return needed.size_bytes is None or present.size_bytes == needed.size_bytes


def _name_missing(
    index: PackageIndex, closure: Closure, gaps: list[tuple[NeededFile, MissingReason]]
) -> Iterator[MissingFile]:
    record = index.revision(*closure.key)
    title, kb = (record.title, record.kb) if record else ("", "")
    reasons: list[tuple[NeededFile | None, MissingReason]] = [*gaps]
    reasons += [(None, MissingReason.NOT_IN_PACKAGE) for _ in closure.unknown]
    for needed, reason in reasons:
        yield MissingFile(
            update_id=closure.key.update_id,
            revision=closure.key.revision,
            title=title,
            kb=kb,
            file=needed.name.text if needed else None,
            size_bytes=needed.size_bytes if needed else None,
            reason=reason,
            reason_text=REASON_TEXTS[reason],
        )
