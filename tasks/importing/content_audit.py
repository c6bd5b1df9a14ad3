"""Audit: compare metadata with content on the disconnected server, and resume downloads."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import revision_set
from tasks.approvals.local_packages import sentence_on_loss
from tasks.approvals.model import approved_revisions
from tasks.approvals.rulings import Rulings
from tasks.bundle.layout import MANIFEST
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.content_listing import ContentListing
from tasks.content.hash_cache import HashCache
from tasks.importing.content_trace import provenance_lookup
from tasks.importing.local_updates import find_local_updates, report_local_updates
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.ledger.imports import Imports
from tasks.ledger.rulings import StoredRulings
from tasks.metadata.audit import MissingFile, ProvenanceLookup, audit_revisions, find_missing
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.revision import RevisionId
from tasks.run.context import MakeLookup, RunContext
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import read_header_copy, require_newest_import
from tasks.run.waiting_decisions import is_acknowledged
from tasks.server import queries
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.server.snapshot import ServerSnapshot, content_choice
from tasks.server.wsus_errors import report_download_errors
from tasks.server.wsus_states import states_section


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata of the last import, and what it recorded.

    Attributes:
        folder: Our folder of the bundle.
        index: Index of the package.
        manifest_lookup: Look-up of the manifest.
        staging: Rule by which the staging server chooses the files that it keeps; None if unknown.
    """

    folder: Path
    index: Path
    manifest_lookup: ManifestLookup
    staging: ContentChoice | None

    def provenance(self, imports: Imports, hash_cache: HashCache) -> ProvenanceLookup:
        """Return the look-up of a file's last trace."""
        return provenance_lookup(
            imports, hash_cache, folder=self.folder, manifest=self.manifest_lookup
        )


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Result of an audit.

    Attributes:
        missing: Files that approved or parked updates lack, each with its reason.
    """

    missing: tuple[MissingFile, ...]


def find_missing_content(
    imports: Imports,
    report: ReportDraft,
    *,
    metadata: Metadata,
    snapshot: ServerSnapshot,
    provenance: ProvenanceLookup,
) -> tuple[MissingFile, ...]:
    """Find every file that an approved or parked update lacks, with the reason.

    Updates that only this server knows are reported, and their files do not count.
    """
    with PackageIndex(metadata.index) as index:
        local = find_local_updates(index, imports, snapshot.decisions)
        report_local_updates(report, local, snapshot.decisions)
        _report_published(report, local, snapshot.decisions)
        approved_or_parked = _approved_or_parked(imports, snapshot.decisions)
        revisions = revision_set(key for key in approved_or_parked if key not in local)
        view = snapshot.content_view(provenance=provenance, staging=metadata.staging)
        missing = report.list_missing(find_missing(index, revisions, view))
        section = states_section(index, snapshot.facts, snapshot.decisions, missing)
    if section is not None:
        report.sections.append(section)
    return missing


def _report_published(
    report: ReportDraft, local: Collection[RevisionId], present: ServerDecisions
) -> None:
    """Say what wsusutil has lost of approved updates that staging had published."""
    published = sum(update.local and key not in local for key, update in present.updates.items())
    if published:
        report.lines.append(sentence_on_loss(published))


def _approved_or_parked(imports: Imports, present: ServerDecisions) -> Collection[RevisionId]:
    """Return the approved and the parked revisions, each once."""
    parked = (
        RevisionId(decision.update_id, decision.revision)
        for decision in imports.decisions("parked")
    )
    return revision_set(chain(approved_revisions(present.approval_set), parked))


def count_unapproved(
    imports: Imports,
    report: ReportDraft,
    *,
    metadata: Metadata,
    snapshot: ServerSnapshot,
    provenance: ProvenanceLookup,
    listed: bool,
) -> tuple[int, tuple[MissingFile, ...]]:
    """Count the other updates that lack files, which is normal with deferred download.

    Returns:
        The number of these updates, and with ``listed`` the files that they lack.
    """
    declined = (decline.id for decline in snapshot.decisions.approval_set.declines)
    left_out = chain(_approved_or_parked(imports, snapshot.decisions), declined)
    view = snapshot.content_view(provenance=provenance)
    count = 0

    def incomplete() -> Iterator[MissingFile]:
        nonlocal count
        for audited in audit_revisions(index, others, view):
            if not audited.is_complete:
                count += 1
                yield from audited.missing if listed else ()

    with PackageIndex(metadata.index) as index:
        others = revision_set(index.approvable(leaving_out=left_out))
        remaining = incomplete()
        files = report.list_missing(remaining)
        deque(remaining, maxlen=0)  # the count needs every update, also those not listed
    return count, files


def resume_downloads(
    run: RunContext, index_path: Path, snapshot: ServerSnapshot, provenance: ProvenanceLookup
) -> int:
    """Have WSUS resume the failed downloads of approved updates whose files are whole.

    Returns:
        The number of resumed downloads. The next run tries refused ones again.
    """
    with PackageIndex(index_path) as index:
        whole = find_resumable(index, snapshot, provenance)
    return _resume(run, whole) if whole else 0


def find_resumable(
    index: PackageIndex, snapshot: ServerSnapshot, provenance: ProvenanceLookup
) -> list[RevisionId]:
    """Find the approved updates whose download failed and whose files are whole all the same."""
    unready = snapshot.decisions.unready()
    stuck = [update.id for update in unready if update.state in {"Failed", "Canceled"}]
    if not stuck:
        return []
    results = audit_revisions(index, stuck, snapshot.content_view(provenance=provenance))
    return [audited.key for audited in results if audited.is_complete]


def _resume(run: RunContext, updates: list[RevisionId]) -> int:
    lines = [
        {"n": number, "op": "resume", "update_id": key.update_id, "revision": key.revision}
        for number, key in enumerate(updates, 1)
    ]
    require_no_wsusutil(run)
    outcomes = list(queries.run_query(run, "apply-approvals", items=lines))
    refused = [outcome for outcome in outcomes if outcome.get("result") == "failed"]
    if refused:
        run.report.notice(
            f"WSUS took up {len(lines) - len(refused)} of {len(lines)} downloads that had failed "
            f"and whose files are in place; the first that it refused: {refused[0].get('error')}"
        )
    return sum(outcome.get("result") == "done" for outcome in outcomes)


def audit_import(
    run: RunContext, bundle: TrustedBundle, facts: ServerFacts, listing: ContentListing
) -> AuditResult:
    """Compare metadata with content after an import, by the metadata of the imported bundle."""
    staging = content_choice(bundle.header.server)
    metadata = Metadata(bundle.incoming.folder, bundle.index, bundle.manifest_lookup, staging)
    return _audit(run, metadata, facts, listing, every_update=False)


def audit_current(
    run: RunContext, facts: ServerFacts, listing: ContentListing, *, every_update: bool
) -> AuditResult:
    """Compare metadata with content by the metadata of the newest finished import.

    Raises:
        UsageError: Nothing was imported yet.
        FailedError: The stored documents of that import are lost or damaged.
    """
    metadata = current_metadata(run.imports, run.look_up_in)
    return _audit(run, metadata, facts, listing, every_update=every_update)


def current_metadata(imports: Imports, make_lookup: MakeLookup) -> Metadata:
    """Return the metadata of the newest finished import.

    Raises:
        UsageError: Nothing was imported yet.
        FailedError: The stored documents of that import are lost or damaged.
    """
    record = require_newest_import(imports)
    manifest_lookup = make_lookup(record.folder / MANIFEST)
    header = read_header_copy(record.folder)
    staging = None if header is None else content_choice(header.server)
    return Metadata(record.folder, record.folder / INDEX, manifest_lookup, staging)


def _audit(
    run: RunContext,
    metadata: Metadata,
    facts: ServerFacts,
    listing: ContentListing,
    *,
    every_update: bool,
) -> AuditResult:
    snapshot = ServerSnapshot(facts, queries.read_approvals(run), listing)
    for unresolved in snapshot.decisions.unresolved:
        which = unresolved.update_id or unresolved.id
        run.report.notice(f"WSUS does not tell of {unresolved.what} {which}: {unresolved.reason}")
    provenance = metadata.provenance(run.imports, run.hash_cache)
    resumed = resume_downloads(run, metadata.index, snapshot, provenance)
    run.report.changes["downloads resumed"] += resumed
    missing = find_missing_content(
        run.imports, run.report, metadata=metadata, snapshot=snapshot, provenance=provenance
    )
    report_download_errors(run, facts, missing)
    run.imports.missing.remember(missing, now=run.clock())
    count, others = count_unapproved(
        run.imports,
        run.report,
        metadata=metadata,
        snapshot=snapshot,
        provenance=provenance,
        listed=every_update,
    )
    run.report.note(missing=(*missing, *others), unapproved_incomplete=count)
    rulings = StoredRulings(run.ledger).look_up(run.clock())
    seen = _only_acknowledged(run.imports, rulings, snapshot.decisions)
    run.report.flagged_missing = tuple(  # unapproved updates normally lack files
        file for file in missing if RevisionId(file.update_id, file.revision) not in seen
    )
    return AuditResult(missing)


def _only_acknowledged(
    imports: Imports, rulings: Rulings, present: ServerDecisions
) -> set[RevisionId]:
    """Return the parked revisions of which a person has acknowledged every parked approval."""
    acknowledged: set[RevisionId] = set()
    others: set[RevisionId] = set()
    for decision in imports.decisions("parked"):
        revision = RevisionId(decision.update_id, decision.revision)
        (acknowledged if is_acknowledged(decision, rulings) else others).add(revision)
    acknowledged -= others
    if acknowledged:
        acknowledged.difference_update(approved_revisions(present.approval_set))
    return acknowledged
