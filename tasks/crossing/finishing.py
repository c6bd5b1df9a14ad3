"""The last steps on the disconnected side: what was applied, what misses, what goes back."""

from __future__ import annotations

from pathlib import Path

from tasks.approvals.apply import ApplyOutcome
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.bundle.manifest import read_entries
from tasks.crossing import asking, auditing, deciding
from tasks.crossing.arrival import Delivery
from tasks.crossing.auditing import Metadata
from tasks.crossing.deciding import Sources
from tasks.crossing.describing import read_titles
from tasks.crossing.kept import require_documents
from tasks.crossing.leftovers import drop_old_packages, remove_work
from tasks.crossing.listing import Listing
from tasks.crossing.mark import mark_of, write_mark
from tasks.crossing.view import ServerView, content_choice
from tasks.crossing.workplace import Workplace
from tasks.errors import UsageError
from tasks.ledger.imports import ImportRecord
from tasks.ledger.work_id import WorkId
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.reports.model import ApprovalOutcome, approval_lines
from tasks.reports.sections import MOST_ROWS


def note_approvals(place: Workplace, outcome: ApplyOutcome, index_path: Path) -> None:
    """Note what was applied now, and all that waits, and what these updates are called."""
    approvals = ApprovalOutcome(
        applied=approval_lines(each.as_json() for each in outcome.applied),
        parked=approval_lines(deciding.waiting_of(place, "parked")),
        held=approval_lines(deciding.waiting_of(place, "held")),
        failed=approval_lines(each.as_json() for each in outcome.failed),
    )
    lists = (approvals.applied, approvals.parked, approvals.held, approvals.failed)
    named = (line.update_id for lines in lists for line in lines[:MOST_ROWS] if line.update_id)
    titles = read_titles(index_path, named)
    place.note(approvals=approvals, titles=titles)


def audit_import(
    place: Workplace, delivery: Delivery, facts: ServerFacts, listing: Listing
) -> None:
    """Audit after an import: what it brought, and what it did not."""
    metadata = Metadata(delivery.index, delivery.holdings)
    _audit(place, metadata, facts, listing, every_update=False)


def audit_standing(
    place: Workplace, facts: ServerFacts, listing: Listing, *, every_update: bool
) -> None:
    """Audit a server as it stands, by the metadata that were imported last.

    Raises:
        UsageError: Nothing was imported yet.
    """
    record = _newest_import(place)
    holdings = place.holdings(read_entries(record.folder / MANIFEST))
    metadata = Metadata(record.folder / INDEX, holdings)
    _audit(place, metadata, facts, listing, every_update=every_update)


def apply_waiting(place: Workplace, facts: ServerFacts, listing: Listing) -> None:
    """Apply parked and held decisions of the last import that may go ahead now.

    Raises:
        UsageError: Nothing was imported yet.
        ServerChangedError: The server lacks too much of what was last applied there.
    """
    record = _newest_import(place)
    sources = Sources(
        incoming=deciding.read_decisions_file(record.folder / APPROVALS),
        index=record.folder / INDEX,
        choice=content_choice(facts),
        held=listing.held,
    )
    plan = deciding.plan_now(place, sources, asking.read_approvals(place))
    deciding.require_no_loss(plan)
    plan = deciding.without_excess(place, plan)
    work = WorkId("audit", record.sequence)
    outcome = deciding.apply_plan(place, plan, work=work, incoming=sources.incoming)
    note_approvals(place, outcome, sources.index)
    remove_work(place, work)


def finish_import(place: Workplace, delivery: Delivery, listing: Listing) -> None:
    """Mark the server, remember the import as done, and write the receipt derived from it.

    A bundle that only put content back is no news for the staging side: no receipt, no mark.
    """
    if delivery.arrival.is_repair:
        changes = ", ".join(f"{what}: {count}" for what, count in (+place.changed).items())
        place.lines.append(changes or "nothing had to be changed")
    if not delivery.arrival.is_superseded:
        _finish(place, delivery, listing)
    remove_work(place, delivery.work)
    place.server.remove_tree(place.intake)


def _finish(place: Workplace, delivery: Delivery, listing: Listing) -> None:
    receipt = auditing.make_receipt(
        place,
        delivery,
        listing,
        missing=place.notes.get("missing", ()),
        approvals=place.notes.get("approvals", ApprovalOutcome()),
    )
    write_mark(place, mark_of(delivery.header))
    place.imports.finish(delivery.digest, outcome=receipt.outcome, now=place.clock())
    place.ledger.note_time(delivery.header.created)
    drop_old_packages(delivery.arrival.folder)
    path, code = auditing.write_receipt(place, receipt)
    place.note(receipt=path, receipt_code=code or None)


def _newest_import(place: Workplace) -> ImportRecord:
    record = place.imports.newest_done()
    if record is None:
        raise UsageError(
            reason="nothing was imported on this side yet, so there is no metadata",
            remedy="Import a bundle first.",
        )
    require_documents(record)
    return record


def _audit(
    place: Workplace,
    metadata: Metadata,
    facts: ServerFacts,
    listing: Listing,
    *,
    every_update: bool,
) -> None:
    view = ServerView(facts, asking.read_approvals(place), listing)
    place.changed["downloads resumed"] += auditing.resume_downloads(place, metadata.index, view)
    missing = auditing.find_gaps(place, metadata, view)
    count, others = auditing.count_unapproved(place, metadata, view, listed=every_update)
    place.note(missing=(*missing, *others), unapproved_incomplete=count)
    place.flagged = missing  # what is listed of updates that nobody approved is normal
