"""Compare what revisions need with what lies in WsusContent, and say why something misses.

Pure apart from reading the index: what lies there, and what manifests and records say of a file,
comes in as functions. Staging uses it before the trip (approved there but not downloaded), the
disconnected side after an import, for every approved or parked revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from tasks.content.content_listing import ContentLookup, PresentFile
from tasks.content.names import ContentDigest
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import Closure, ContentChoice, NeededFile, read_closures
from tasks.revision import RevisionId


class MissingReason(StrEnum):
    """Why a content file is not there: the closed list of the JSON document."""

    NEVER_DOWNLOADED = "never-downloaded"
    NOT_CARRIED = "not-carried"
    LOST_BUNDLE = "lost-bundle"
    WRONG_DIGEST = "wrong-digest"
    VANISHED = "vanished"
    LANGUAGE_EXCLUDED = "language-excluded"
    EXPRESS_EXCLUDED = "express-excluded"
    REJECTED_BY_WSUS = "rejected-by-wsus"
    UNKNOWN_REVISION = "unknown-revision"


REASON_TEXTS: dict[MissingReason, str] = {
    MissingReason.NEVER_DOWNLOADED: (
        "The staging server does not hold this file: approve the update there, or wait for its "
        "download, then export again."
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
    MissingReason.REJECTED_BY_WSUS: (
        "WSUS deleted this file after it was placed, mostly for a signature that it cannot trust: "
        "look at the root certificates here before the next bundle brings it."
    ),
    MissingReason.UNKNOWN_REVISION: (
        "The metadata does not have this revision, so that its files are not known: synchronise "
        "the staging server, then export again."
    ),
}


class Provenance(StrEnum):
    """What manifests and our own records say of a digest, the most telling one first.

    Attributes:
        REJECTED: It was in place before metadata were loaded, and gone after.
        PLACED: It was in place here before.
        IN_LOST_BUNDLE: A bundle that was never imported carried it.
        HELD_BY_STAGING: The newest manifest names it, and no bundle brought it here.
        NEVER_HELD: No manifest names it.
    """

    REJECTED = "rejected"
    PLACED = "placed"
    IN_LOST_BUNDLE = "in-lost-bundle"
    HELD_BY_STAGING = "held-by-staging"
    NEVER_HELD = "never-held"


_REASONS = {
    Provenance.REJECTED: MissingReason.REJECTED_BY_WSUS,
    Provenance.PLACED: MissingReason.VANISHED,
    Provenance.IN_LOST_BUNDLE: MissingReason.LOST_BUNDLE,
    Provenance.HELD_BY_STAGING: MissingReason.NOT_CARRIED,
}


ProvenanceLookup = Callable[[ContentDigest], Provenance]


class MissingFile(BaseModel):
    """One file that one update waits for; ``file`` is null where the files are not known.

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
    """How one wanted revision stands: how much it needs, and what of that misses."""

    key: RevisionId
    files: int
    bytes: int
    missing: tuple[MissingFile, ...]

    @property
    def is_complete(self) -> bool:
        """Whether an approval of it may be applied."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class ContentView:
    """One server's WsusContent as the audit sees it.

    Attributes:
        choice: What the server that is looked at keeps.
        find: Looks up the file that lies there under a digest.
        provenance: Where a file that does not could have come from.
        staging: What the staging server keeps, when it is not the one that is looked at.
    """

    choice: ContentChoice
    find: ContentLookup
    provenance: ProvenanceLookup = lambda _: Provenance.NEVER_HELD
    staging: ContentChoice | None = None


def audit_revisions(
    index: PackageIndex, wanted: Iterable[RevisionId], view: ContentView
) -> Iterator[RevisionContent]:
    """Yield one entry for every wanted revision, in the order given, one in memory.

    Several approvals of one revision are one entry: pass each revision once. A revision that
    needs no file is complete.
    """
    for closure in read_closures(index, wanted, view.choice):
        reasons = [(needed, _judge(needed, view)) for needed in closure.files]
        gaps = [(needed, reason) for needed, reason in reasons if reason is not None]
        yield RevisionContent(
            key=closure.key,
            files=len(closure.files),
            bytes=sum(needed.size_bytes or 0 for needed in closure.files),
            missing=tuple(_name_missing(index, closure, gaps)) if gaps or closure.unknown else (),
        )


def find_missing(
    index: PackageIndex, wanted: Iterable[RevisionId], view: ContentView
) -> Iterator[MissingFile]:
    """Yield all that the wanted revisions wait for, in their order, then by SHA-1."""
    for revision in audit_revisions(index, wanted, view):
        yield from revision.missing


def _judge(needed: NeededFile, view: ContentView) -> MissingReason | None:
    """Why a file does not count as being there; None when it does."""
    present = view.find(needed.name.digest)
    if present is not None:
        return None if _is_good(present, needed) else MissingReason.WRONG_DIGEST
    known = _REASONS.get(view.provenance(needed.name.digest))
    if known is not None:
        return known
    staging = view.staging
    if staging is not None and not staging.takes_language(needed.language):
        return MissingReason.LANGUAGE_EXCLUDED
    if staging is not None and needed.kind == "express" and not staging.express:
        return MissingReason.EXPRESS_EXCLUDED
    return MissingReason.NEVER_DOWNLOADED


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
    reasons += [(None, MissingReason.UNKNOWN_REVISION) for _ in closure.unknown]
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
