"""Compare metadata with content on the disconnected server, and write what may go back of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import revision_set
from tasks.approvals.model import approved_revisions
from tasks.bundle.layout import MANIFEST
from tasks.bundle.manifest import read_entries
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentDigest
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.metadata.audit import MissingFile, Provenance, audit_revisions, find_missing
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.stored_documents import require_newest_import
from tasks.server import queries
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.server.snapshot import ServerSnapshot


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the last import brought: the package's index, and the manifest by digest."""

    index: Path
    holdings: ManifestLookup


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Outcome of an audit.

    Attributes:
        missing: Files that approved or parked updates lack, each with its reason.
    """

    missing: tuple[MissingFile, ...]


def find_missing_content(
    run: RunContext, metadata: Metadata, view: ServerSnapshot
) -> tuple[MissingFile, ...]:
    """The files that approved and parked updates lack, each with the reason."""
    holdings = metadata.holdings
    is_lost = run.imports.lost_bundle is not None

    def provenance(digest: ContentDigest) -> Provenance:
        if not holdings.has(digest):
            return Provenance.NEVER_HELD
        if holdings.carried_bytes(digest) is not None or run.hash_cache.knows(digest):
            return Provenance.PLACED
        return Provenance.IN_LOST_BUNDLE if is_lost else Provenance.HELD_BY_STAGING

    with PackageIndex(metadata.index) as index:
        wanted = _wanted_revisions(run, view.decisions)
        files = find_missing(index, wanted, view.content_view(provenance=provenance))
        return run.report.list_missing(files)


def _wanted_revisions(run: RunContext, present: ServerDecisions) -> Collection[RevisionId]:
    """Approved and parked revisions, each once."""
    parked = (
        RevisionId(decision.update_id, decision.revision)
        for decision in run.imports.decisions("parked")
    )
    return revision_set(chain(approved_revisions(present.approval_set), parked))


def count_unapproved(
    run: RunContext, metadata: Metadata, view: ServerSnapshot, *, listed: bool
) -> tuple[int, tuple[MissingFile, ...]]:
    """How many other updates lack files (with deferred download: normal), and which if asked."""
    declined = (decline.id for decline in view.decisions.approval_set.declines)
    left_out = chain(_wanted_revisions(run, view.decisions), declined)
    count = 0

    def incomplete() -> Iterator[MissingFile]:
        nonlocal count
        for revision in audit_revisions(index, others, view.content_view()):
            if not revision.is_complete:
                count += 1
                yield from revision.missing if listed else ()

    with PackageIndex(metadata.index) as index:
        others = revision_set(index.approvable(leaving_out=left_out))
        remaining = incomplete()
        files = run.report.list_missing(remaining)
        deque(remaining, maxlen=0)
    return count, files


def resume_downloads(run: RunContext, index_path: Path, view: ServerSnapshot) -> int:
    """Have WSUS look again at approved updates that failed and whose files are whole.

    Gives how many it took up; one that it refused is looked at by the next run.
    """
    stuck = [each for each in view.decisions.unready() if each.state in {"Failed", "Canceled"}]
    if not stuck:
        return 0
    with PackageIndex(index_path) as index:
        keys = [each.id for each in stuck]
        audited = audit_revisions(index, keys, view.content_view())
        whole = [each.key for each in audited if each.is_complete]
    return _resume(run, whole) if whole else 0


def _resume(run: RunContext, updates: list[RevisionId]) -> int:
    lines = [
        {"n": number, "op": "resume", "update_id": key.update_id, "revision": key.revision}
        for number, key in enumerate(updates, 1)
    ]
    require_no_wsusutil(run)
    outcomes = list(queries.ask(run, "apply-approvals", items=lines))
    refused = [each for each in outcomes if each.get("result") == "failed"]
    if refused:
        run.report.notice(
            f"WSUS took up {len(lines) - len(refused)} of {len(lines)} downloads that had failed "
            f"and whose files are in place; of the first other it says: {refused[0].get('error')}"
        )
    return sum(each.get("result") == "done" for each in outcomes)


def audit_import(
    run: RunContext, delivery: TrustedBundle, facts: ServerFacts, listing: ContentListing
) -> AuditResult:
    """Compare metadata with content after an import, by the bundle that was imported."""
    metadata = Metadata(delivery.index, delivery.holdings)
    return _audit(run, metadata, facts, listing, every_update=False)


def audit_current(
    run: RunContext, facts: ServerFacts, listing: ContentListing, *, every_update: bool
) -> AuditResult:
    """Compare metadata with content by the bundle that was imported last.

    Raises:
        UsageError: Nothing was imported yet.
    """
    record = require_newest_import(run)
    holdings = run.look_up_in(read_entries(record.folder / MANIFEST))
    metadata = Metadata(record.folder / INDEX, holdings)
    return _audit(run, metadata, facts, listing, every_update=every_update)


def _audit(
    run: RunContext,
    metadata: Metadata,
    facts: ServerFacts,
    listing: ContentListing,
    *,
    every_update: bool,
) -> AuditResult:
    view = ServerSnapshot(facts, queries.read_approvals(run), listing)
    run.report.changes["downloads resumed"] += resume_downloads(run, metadata.index, view)
    missing = find_missing_content(run, metadata, view)
    count, others = count_unapproved(run, metadata, view, listed=every_update)
    run.report.note(missing=(*missing, *others), unapproved_incomplete=count)
    run.report.flagged_missing = missing  # that unapproved updates lack files is normal
    return AuditResult(missing)
