"""The last steps on the disconnected side: what was applied, what misses, what goes back."""

from __future__ import annotations

from pathlib import Path

from tasks.approvals.apply import ApplyOutcome
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.bundle.manifest import read_entries
from tasks.errors import UsageError
from tasks.importing import approval_run, content_audit
from tasks.importing.approval_run import PlanInputs
from tasks.importing.content_audit import Metadata
from tasks.importing.describing import read_titles
from tasks.importing.incoming import TrustedBundle
from tasks.ledger.imports import ImportRecord
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.reports.model import ApprovalOutcome, approval_lines
from tasks.run.context import RunContext
from tasks.run.stored_documents import require_documents
from tasks.server import queries
from tasks.server.cleanup import drop_old_packages, remove_work
from tasks.server.content_listing import ContentListing
from tasks.server.mark import mark_of, write_mark
from tasks.server.snapshot import ServerSnapshot, content_choice


def note_approvals(run: RunContext, outcome: ApplyOutcome, index_path: Path) -> None:
    """Note what was applied now, and all that waits, and what these updates are called."""
    approvals = ApprovalOutcome(
        applied=approval_lines(each.as_json() for each in outcome.applied),
        parked=approval_lines(approval_run.waiting_of(run, "parked")),
        held=approval_lines(approval_run.waiting_of(run, "held")),
        failed=approval_lines(each.as_json() for each in outcome.failed),
    )
    named = (*approvals.applied, *approvals.parked, *approvals.held, *approvals.failed)
    titles = read_titles(index_path, (each.update_id for each in named))
    run.report.note(approvals=approvals, titles=titles)


def audit_import(
    run: RunContext, delivery: TrustedBundle, facts: ServerFacts, listing: ContentListing
) -> None:
    """Audit after an import: what it brought, and what it did not."""
    metadata = Metadata(delivery.index, delivery.holdings)
    _audit(run, metadata, facts, listing, every_update=False)


def audit_current(
    run: RunContext, facts: ServerFacts, listing: ContentListing, *, every_update: bool
) -> None:
    """Audit a server as it stands, by the metadata that were imported last.

    Raises:
        UsageError: Nothing was imported yet.
    """
    record = _newest_import(run)
    holdings = run.holdings(read_entries(record.folder / MANIFEST))
    metadata = Metadata(record.folder / INDEX, holdings)
    _audit(run, metadata, facts, listing, every_update=every_update)


def apply_parked(run: RunContext, facts: ServerFacts, listing: ContentListing) -> None:
    """Apply parked and held decisions of the last import that may go ahead now.

    Raises:
        UsageError: Nothing was imported yet.
        ServerChangedError: The server lacks too much of what was last applied there.
    """
    record = _newest_import(run)
    sources = PlanInputs(
        incoming=approval_run.read_decisions_file(record.folder / APPROVALS),
        index=record.folder / INDEX,
        choice=content_choice(facts),
        held=listing.held,
    )
    plan = approval_run.plan_now(run, sources, queries.read_approvals(run))
    approval_run.require_no_loss(plan)
    plan = approval_run.without_excess(run, plan)
    outcome = approval_run.apply_plan(
        run, plan, work=f"audit-{record.sequence}", incoming=sources.incoming
    )
    note_approvals(run, outcome, sources.index)
    remove_work(run, f"audit-{record.sequence}")


def finish_import(run: RunContext, delivery: TrustedBundle, listing: ContentListing) -> None:
    """Mark the server, remember the import as done, and write the receipt derived from it.

    A bundle that only put content back is no news for the staging side: no receipt, no mark.
    """
    if delivery.arrival.is_repair:
        changes = ", ".join(f"{what}: {count}" for what, count in (+run.report.changes).items())
        run.report.lines.append(changes or "nothing had to be changed")
    if not delivery.arrival.is_superseded:
        _finish(run, delivery, listing)
    remove_work(run, delivery.work)
    run.server.remove_tree(run.intake)


def _finish(run: RunContext, delivery: TrustedBundle, listing: ContentListing) -> None:
    receipt = content_audit.make_receipt(
        run,
        delivery,
        listing,
        missing=run.report.notes.get("missing", ()),
        approvals=run.report.notes.get("approvals", ApprovalOutcome()),
    )
    write_mark(run, mark_of(delivery.header))
    run.imports.finish(delivery.digest, outcome=receipt.outcome, now=run.clock())
    run.ledger.note_time(delivery.header.created)
    drop_old_packages(delivery.arrival.folder)
    path, code = content_audit.write_receipt(run, receipt)
    run.report.note(receipt=path, receipt_code=code or None)


def _newest_import(run: RunContext) -> ImportRecord:
    record = run.imports.newest_done()
    if record is None:
        raise UsageError(
            reason="nothing was imported on this side yet, so there is no metadata",
            remedy="Import a bundle first.",
        )
    require_documents(record)
    return record


def _audit(
    run: RunContext,
    metadata: Metadata,
    facts: ServerFacts,
    listing: ContentListing,
    *,
    every_update: bool,
) -> None:
    view = ServerSnapshot(facts, queries.read_approvals(run), listing)
    run.report.changes["downloads resumed"] += content_audit.resume_downloads(
        run, metadata.index, view
    )
    missing = content_audit.find_missing_content(run, metadata, view)
    count, others = content_audit.count_unapproved(run, metadata, view, listed=every_update)
    run.report.note(missing=(*missing, *others), unapproved_incomplete=count)
    run.report.flagged = missing  # what is listed of updates that nobody approved is normal
