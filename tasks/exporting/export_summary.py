"""Summary of a bundle: the updates that it brings, and those that will lack content."""

from __future__ import annotations

from dataclasses import replace

from tasks.approvals.model import approved_revisions
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.bundle.manifest import read_entries
from tasks.content.content_listing import PresentFile
from tasks.content.names import ContentDigest
from tasks.exporting.draft import (
    Draft,
)
from tasks.metadata.audit import MissingFile, find_missing
from tasks.metadata.bundle_contents import describe_brought
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import INDEX
from tasks.reports.sections import (
    brought_section,
)
from tasks.run.context import RunContext
from tasks.run.stored_documents import read_decisions_file
from tasks.server.snapshot import ServerSnapshot


def describe_bundle(run: RunContext, draft: Draft) -> None:
    """Note counts, and the approved updates of which the bundle carries files."""
    manifest = draft.folder / MANIFEST
    holdings = run.look_up_in(read_entries(manifest))
    files, size_bytes = holdings.carried()
    run.report.note(files=files, bytes=size_bytes)
    wanted = approved_revisions(read_decisions_file(draft.folder / APPROVALS))
    everything = ContentChoice(languages=None, express=True)
    with PackageIndex(draft.folder / INDEX) as index:
        brought = describe_brought(
            index,
            wanted,
            everything,
            lambda digest: holdings.carried_bytes(digest) is not None,
        )
        run.report.sections.append(brought_section(brought))


def predict_missing(run: RunContext, draft: Draft, view: ServerSnapshot) -> tuple[MissingFile, ...]:
    """Name what approved updates will lack over there, before the trip.

    A file that lies on the staging server and not in the manifest was read and found wrong.
    """
    manifest = run.look_up_in(read_entries(draft.folder / MANIFEST))

    def find(digest: ContentDigest) -> PresentFile | None:
        found = view.content.find(digest)
        return found if found is None or manifest.has(digest) else replace(found, is_valid=False)

    with PackageIndex(draft.folder / INDEX) as index:
        wanted = approved_revisions(view.decisions.approval_set)
        return run.report.list_missing(find_missing(index, wanted, view.content_view(find=find)))
