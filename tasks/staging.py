"""Steps of the staging side. They read its server; nothing there changes but our own folder."""

from __future__ import annotations

from tasks.approvals.capture import ServerDecisions
from tasks.bundle.plan import Plan
from tasks.crossing import accepting, asking, examining, export
from tasks.crossing import draft as drafts
from tasks.crossing.accepting import Accepted
from tasks.crossing.draft import Draft
from tasks.crossing.leftovers import sweep_server
from tasks.crossing.listing import Listing
from tasks.crossing.view import ServerView
from tasks.ledger.steps import ExportedPackage
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.names import Mode
from tasks.policy import at_work, found_done, name_run, step


@step("Lock server and media")
def lock_server_and_media() -> None:
    """Take both locks; they are let go when the run ends."""
    place = at_work()
    place.require_media()
    place.make_folders()
    place.lock_server()
    sweep_server(place)
    place.lock_media()


@step("Check server")
def check_server() -> ServerFacts:
    """See that the server can be exported from."""
    facts = examining.check_server(at_work())
    log.info("staging server: %s updates, %s approved", facts.update_count, facts.approved_count)
    return facts


@step("Capture approvals")
def capture_approvals(server: ServerFacts) -> ServerDecisions:
    """Take down groups, approvals and declines in one scoped call."""
    decisions = asking.read_all_approvals(at_work(), server)
    found = decisions.decisions
    log.info("%s approvals, %s declines", len(found.approvals), len(found.declines))
    return decisions


@step("Scan content")
def scan_content(server: ServerFacts) -> Listing:
    """List WsusContent."""
    listing = examining.scan_content(at_work(), server)
    log.info("%s content files, %s bytes", *listing.totals())
    return listing


@step("Open draft")
def open_draft(
    server: ServerFacts,
    decisions: ServerDecisions,
    content: Listing,
    *,
    mode: Mode | None,
    full: bool,
    new: bool,
) -> Draft:
    """Find or begin the bundle that this export is about."""
    place = at_work()
    view = ServerView(server, decisions, content)
    draft = drafts.open_draft(place, view, mode=mode, full=full, new=new)
    place.note(bundle=draft.bundle, sequence=draft.sequence, base=draft.base)
    name_run(f"{draft.bundle.name} export", draft.bundle.name)
    if draft.is_sealed:
        place.lines.append("nothing has changed since: this is the bundle that was made before")
        found_done()
    return draft


@step("Export metadata")
def export_metadata(
    draft: Draft, server: ServerFacts, decisions: ServerDecisions
) -> ExportedPackage:
    """Have wsusutil export, judge it by all signals, fetch the package."""
    place = at_work()
    found = export.find_package(place, draft, server)
    if found is not None:
        found_done()
        return found
    package = export.export_package(place, draft, server, decisions)
    log.info("metadata package: %s revisions, %s bytes", package.revisions, package.size_bytes)
    return package


@step("Plan bundle")
def plan_bundle(
    draft: Draft, decisions: ServerDecisions, content: Listing, package: ExportedPackage
) -> Plan:
    """Decide what is carried: what the base lacks."""
    place = at_work()
    export.write_approvals(draft, decisions)
    plan = export.plan_content(place, draft, content, package)
    log.info("%s of %s files are carried", plan.carried_files, plan.files)
    return plan


@step("Predict missing content")
def predict_missing(
    draft: Draft, server: ServerFacts, decisions: ServerDecisions, content: Listing
) -> None:
    """Name the approved updates whose files staging itself lacks, before the trip."""
    place = at_work()
    missing = export.predict_missing(place, draft, ServerView(server, decisions, content))
    place.note(missing=missing)
    for each in missing:
        log.warning("%s lacks %s (%s)", each.title, each.file, each.reason.value)


@step("Read receipt")
def read_receipt(receipt: str) -> Accepted:
    """Read the receipt's file, or the code that was typed."""
    accepted = accepting.open_receipt(at_work(), receipt)
    bundle = accepted.record.bundle.name
    name_run(f"{bundle} accept", bundle)
    return accepted


@step("Advance baseline")
def advance_baseline(accepted: Accepted) -> None:
    """Move the baseline to the receipted bundle."""
    accepting.advance_baseline(at_work(), accepted)
