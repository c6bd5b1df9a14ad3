"""Summary of a bundle: the updates that it brings, and those that will lack content."""

from __future__ import annotations

from dataclasses import replace

from tasks.approvals.model import approved_revisions
from tasks.bundle.brings import read_brings
from tasks.bundle.carry import read_left_out
from tasks.bundle.layout import APPROVALS, BRINGS
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.content_listing import PresentFile
from tasks.content.names import ContentDigest
from tasks.exporting.draft import Draft
from tasks.inspection.brought import describe_brought
from tasks.metadata.audit import MissingFile, MissingReason, Provenance, find_missing
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.reports.sections import brought_section
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import read_decisions_file
from tasks.server.snapshot import ServerSnapshot
from tasks.server.wsus_states import states_section


def describe_bundle(report: ReportDraft, draft: Draft, manifest: ManifestLookup) -> None:
    """Report counts, and the updates that the bundle brings.

    A bundle of format 1, which an earlier version made, has no list of them; it is made here.

    Args:
        report: The run's report.
        draft: The sealed bundle.
        manifest: Look-up of its manifest.
    """
    files, size_bytes = manifest.carried()
    report.note(files=files, bytes=size_bytes)
    if (draft.folder / BRINGS).is_file():
        report.sections.append(brought_section(read_brings(draft.folder / BRINGS)))
        return
    approved = approved_revisions(read_decisions_file(draft.folder / APPROVALS))
    with PackageIndex(draft.folder / INDEX) as index:
        brought = describe_brought(
            index, approved, lambda digest: manifest.carried_bytes(digest) is not None
        )
        report.sections.append(brought_section(brought))


def predict_missing(
    report: ReportDraft, draft: Draft, snapshot: ServerSnapshot, manifest: ManifestLookup
) -> tuple[MissingFile, ...]:
    """Name the files that approved updates will lack on the disconnected side, before the trip.

    A file that was listed on the staging server and is not in the manifest was left out: its bytes
    were wrong, it could not be read, or it vanished before it was.

    Args:
        report: The report; it notes when more files are missing than it lists.
        draft: The sealed bundle.
        snapshot: The staging server.
        manifest: Look-up of the bundle's manifest.
    """
    left_out = read_left_out(draft.folder)

    def find(digest: ContentDigest) -> PresentFile | None:
        file = snapshot.content.find(digest)
        if file is None or manifest.has(digest):
            return file
        reason = left_out.get(digest)
        if reason == MissingReason.VANISHED:
            return None
        is_readable = reason != MissingReason.READ_FAILED
        return replace(file, is_valid=False, is_readable=is_readable)

    def provenance(digest: ContentDigest) -> Provenance:
        is_gone = left_out.get(digest) == MissingReason.VANISHED
        return Provenance.PLACED if is_gone else Provenance.NEVER_HELD

    with PackageIndex(draft.folder / INDEX) as index:
        approved = approved_revisions(snapshot.decisions.approval_set)
        view = snapshot.content_view(find=find, provenance=provenance)
        missing = report.list_missing(find_missing(index, approved, view))
        section = states_section(index, snapshot.facts, snapshot.decisions, missing)
    if section is not None:
        report.sections.append(section)
    return missing
