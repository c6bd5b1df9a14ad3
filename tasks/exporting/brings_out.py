"""The list of what a bundle brings (``brings.jsonl``), as the export writes it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import revision_set
from tasks.approvals.model import approved_revisions
from tasks.bundle.brings import write_brings
from tasks.bundle.layout import APPROVALS
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.exporting.draft import Draft
from tasks.inspection.brought import describe_brought, largest_bytes
from tasks.ledger.exports import Exports
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.revision import RevisionId
from tasks.run.stored_documents import matches_binding, read_decisions_file, read_header_copy


def write_brings_of(
    exports: Exports, draft: Draft, manifest: Path, target: Path, *, decisions: ServerDecisions
) -> None:
    """Write the list into our own folder of the bundle; a committed draft keeps its own.

    Args:
        exports: The bundles of this side; the base is one of them.
        draft: The bundle; its package is indexed and its decisions are written.
        manifest: The manifest of what the bundle carries.
        target: Path of the list.
        decisions: The staging server's account of what was published there.
    """
    if draft.is_committed and target.is_file():
        return
    approved = approved_revisions(read_decisions_file(draft.folder / APPROVALS))
    base, in_base = _approved_in_base(exports, draft)
    local = revision_set(sorted(key for key, update in decisions.updates.items() if update.local))
    with closing(ManifestLookup(manifest)) as lookup, PackageIndex(draft.folder / INDEX) as index:
        updates = describe_brought(
            index,
            approved,
            lambda digest: lookup.carried_bytes(digest) is not None,
            in_base=in_base,
            local=local,
        )
        write_brings(target, updates, base=base)


def largest_brings_bytes(draft: Draft) -> int:
    """Return an upper limit of the list's size, for the plan of the volumes."""
    approved = approved_revisions(read_decisions_file(draft.folder / APPROVALS))
    with PackageIndex(draft.folder / INDEX) as index:
        return largest_bytes(index, approved)


def _approved_in_base(exports: Exports, draft: Draft) -> tuple[int | None, Collection[RevisionId]]:
    """Return the base, and the revisions that it had approved; nothing if its decisions are lost.

    Then everything that is approved is called new, and the list names no base.
    """
    record = None if draft.base is None else exports.by_sequence(draft.base)
    header = None if record is None else read_header_copy(record.folder)
    if record is None or header is None or header.digest != record.header_digest:
        return None, ()
    path = record.folder / APPROVALS
    if not matches_binding(path, header.approvals):
        return None, ()
    return record.sequence, revision_set(approved_revisions(read_decisions_file(path)))
