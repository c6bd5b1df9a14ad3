"""Steps of the staging side. They read its server; nothing there changes but our own folder."""

from __future__ import annotations

from prefect import State

from tasks.approvals.capture import ServerDecisions
from tasks.bundle.plan import Plan
from tasks.content.content_listing import ContentListing
from tasks.exporting import draft as drafts
from tasks.exporting import export_bundle, export_package, export_summary, receipt_in
from tasks.exporting.draft import Draft
from tasks.exporting.receipt_in import AcceptedReceipt
from tasks.flow_run import current_run
from tasks.ledger.steps import ExportedPackage
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.names import Mode
from tasks.run_page import name_run
from tasks.server import check, content_scan, queries
from tasks.server.cleanup import clean_up_server
from tasks.server.snapshot import ServerSnapshot
from tasks.server.wsusutil_run import report_running_wsusutil, wait_for_own_wsusutil
from tasks.step import already_done, step


@step("Lock server and media")
def lock_server_and_media() -> None:
    """Take both locks, which are let go when the run ends; nothing works beside a wsusutil."""
    run = current_run()
    export_bundle.require_media(run.site.media.path)
    run.make_folders()
    run.lock_server()
    wait_for_own_wsusutil(run, "export", work=drafts.unfinished_work(run))
    clean_up_server(run)
    run.lock_media()


@step("Check server")
def check_server() -> ServerFacts:
    """See that the server can be exported from."""
    facts = check.check_server(current_run())
    log.info("staging server: %s updates, %s approved", facts.update_count, facts.approved_count)
    return facts


@step("Capture approvals")
def capture_approvals(server: ServerFacts) -> ServerDecisions:
    """Take down groups, approvals and declines in one scoped call."""
    decisions = queries.read_all_approvals(current_run(), server)
    found = decisions.approval_set
    log.info("%s approvals, %s declines", len(found.approvals), len(found.declines))
    return decisions


@step("Scan content")
def scan_content(server: ServerFacts) -> ContentListing:
    """List WsusContent."""
    listing = content_scan.scan_content(current_run(), server)
    log.info("%s content files, %s bytes", *listing.totals())
    return listing


@step("Open draft")
def open_draft(
    server: ServerFacts,
    decisions: ServerDecisions,
    content: ContentListing,
    *,
    mode: Mode | None,
    full: bool,
    new: bool,
) -> Draft | State[Draft]:
    """Find or begin the bundle that this export is about."""
    run = current_run()
    view = ServerSnapshot(server, decisions, content)
    draft = drafts.open_draft(run, view, mode=mode, full=full, new=new)
    run.report.note(bundle=draft.bundle, sequence=draft.sequence, base=draft.base)
    name_run(f"{draft.bundle.name} export", draft.bundle.name)
    if draft.is_sealed:
        run.report.lines.append(
            "nothing has changed since: this is the bundle that was made before"
        )
        return already_done(draft)
    return draft


@step("Export metadata")
def export_metadata(
    draft: Draft, server: ServerFacts, decisions: ServerDecisions
) -> ExportedPackage | State[ExportedPackage]:
    """Have wsusutil export, judge it by all signals, fetch the package."""
    run = current_run()
    found = export_package.find_package(run, draft, server)
    if found is not None:
        return already_done(found)
    package = export_package.export_package(run, draft, server, decisions)
    log.info("metadata package: %s revisions, %s bytes", package.revisions, package.size_bytes)
    return package


@step("Plan bundle")
def plan_bundle(
    draft: Draft, decisions: ServerDecisions, content: ContentListing, package: ExportedPackage
) -> Plan:
    """Decide what is carried: what the base lacks."""
    run = current_run()
    export_bundle.write_approvals(draft, decisions)
    plan = export_bundle.plan_content(run, draft, content, package)
    log.info("%s of %s files are carried", plan.carried_files, plan.files)
    return plan


@step("Predict missing content")
def predict_missing(
    draft: Draft, server: ServerFacts, decisions: ServerDecisions, content: ContentListing
) -> None:
    """Name the approved updates whose files staging itself lacks, before the trip."""
    run = current_run()
    missing = export_summary.predict_missing(run, draft, ServerSnapshot(server, decisions, content))
    run.report.note(missing=missing)
    for each in missing:
        log.warning("%s lacks %s (%s)", each.title, each.file, each.reason.value)


@step("Read receipt")
def read_receipt(receipt: str) -> AcceptedReceipt:
    """Read the receipt's file, or the code that was typed."""
    run = current_run()
    report_running_wsusutil(run)
    accepted = receipt_in.open_receipt(run, receipt)
    bundle = accepted.record.bundle.name
    name_run(f"{bundle} accept", bundle)
    return accepted


@step("Advance baseline")
def advance_baseline(accepted: AcceptedReceipt) -> None:
    """Move the baseline to the receipted bundle."""
    receipt_in.advance_baseline(current_run(), accepted)
