"""Steps of the disconnected side: what changes there that WSUS or its clients see, begins here."""

from __future__ import annotations

from prefect import State

from tasks.content.content_listing import ContentListing
from tasks.flow_run import current_run
from tasks.importing import (
    approval_run,
    content_audit,
    import_apply,
    import_plan,
    mirror_deletion,
    receipt_out,
)
from tasks.importing.content_audit import AuditResult
from tasks.importing.import_plan import ImportPlan, describe_plan
from tasks.importing.incoming import IncomingBundle, judge_again
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.logs import log
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.reports.model import ApprovalOutcome
from tasks.server import check, content_scan
from tasks.server.cleanup import clean_up_server
from tasks.server.mark import compare_mark
from tasks.server.wsusutil_run import wait_for_own_wsusutil
from tasks.step import already_done, step


@step("Lock server")
def lock_server(arrival: IncomingBundle | None = None) -> None:
    """Take the server's lock, which is let go when the run ends; nothing works beside a wsusutil.

    An import waits for the wsusutil of its own bundle, and goes on from there.
    """
    run = current_run()
    run.make_folders()
    run.lock_server()
    wait_for_own_wsusutil(run, "import", work=None if arrival is None else arrival.work)
    clean_up_server(run)


@step("Check server")
def check_server(arrival: IncomingBundle | None = None) -> ServerFacts:
    """See that the server can take part, and that its settings fit the bundle's."""
    run = current_run()
    if arrival is not None:
        judge_again(run, arrival)
    facts = check.check_server(run)
    compare_mark(run)
    if facts.active_rules:
        run.report.notice(
            f"{facts.active_rules} automatic approval rules are active on this server"
        )
    if arrival is not None:
        check.compare_servers(run.ledger, arrival.header.server, facts)
    return facts


@step("Scan content")
def scan_content(server: ServerFacts, *, everything: bool = False) -> ContentListing:
    """List WsusContent and prove what nobody has looked into since it changed."""
    run = current_run()
    listing = content_scan.scan_content(run, server)
    read = content_scan.prove_content(run, listing, everything=everything)
    log.info("%s content files, %s bytes; %s files read", *listing.totals(), read)
    return listing


@step("Plan import")
def plan_import(
    delivery: TrustedBundle, server: ServerFacts, content: ContentListing, *, confirm: str | None
) -> ImportPlan:
    """Plan everything; stop before the first change when a person must see the plan."""
    run = current_run()
    plan = import_plan.plan_import(run, delivery, server, content)
    describe_plan(run, plan)
    return import_plan.require_confirmed(run, delivery, plan, confirm=confirm)


@step("Place content")
def place_content(
    delivery: TrustedBundle, server: ServerFacts, content: ContentListing
) -> ContentListing:
    """Move content from the intake into WsusContent: the first change."""
    run = current_run()
    import_apply.begin(run, delivery, server)
    moved = import_apply.place_content(run, delivery, content)
    run.report.note(placed=moved)
    run.report.changes["files placed"] += moved
    log.info("placed %s files", moved)
    return import_apply.list_placed(run, delivery, content)


@step("Load metadata")
def load_metadata(
    delivery: TrustedBundle, plan: ImportPlan, server: ServerFacts, content: ContentListing
) -> ContentListing | State[ContentListing]:
    """Have wsusutil import the package, and judge it by all signals.

    That can take hours, in which files of WsusContent come and go: what lies there is listed anew.
    """
    run = current_run()
    with PackageIndex(delivery.index) as index:
        run.report.details["revisions"] = index.summary.revisions
    if import_apply.is_loaded(run, delivery, plan.sources):
        return already_done(content)
    import_apply.load_metadata(run, delivery, plan.sources, server)
    run.report.changes["metadata packages loaded"] += 1
    listing = content_scan.scan_content(run, server)
    content_scan.prove_content(run, listing)
    return listing


@step("Apply approvals")
def apply_approvals(
    delivery: TrustedBundle, plan: ImportPlan, content: ContentListing
) -> ApprovalOutcome:
    """Plan again from the server's answers now that it has the metadata, and apply."""
    run = current_run()
    approvals = import_plan.plan_approvals(run, delivery, plan, content)
    outcome = approval_run.apply_plan(
        run, approvals, work=delivery.work, incoming=plan.sources.incoming
    )
    run.report.changes["decisions applied"] += len(outcome.applied)
    log.info("%s decisions applied, %s failed", len(outcome.applied), len(outcome.failed))
    return approval_run.report_approvals(run, outcome, plan.sources.index)


@step("Delete content")
def delete_content(
    delivery: TrustedBundle, plan: ImportPlan, content: ContentListing
) -> ContentListing:
    """Move to the trash what a mirror's confirmed plan names."""
    run = current_run()
    if not plan.deletes.files:
        return content
    moved = mirror_deletion.delete(run, delivery, plan.deletes, content)
    run.report.changes["files deleted"] += moved
    log.info("moved %s files to the trash", moved)
    return import_apply.list_placed(run, delivery, content)


@step("Audit content")
def audit_content(
    delivery: TrustedBundle, server: ServerFacts, content: ContentListing
) -> AuditResult:
    """Name every approved or parked update whose content is missing, with the reason."""
    if delivery.arrival.is_superseded:
        return content_audit.audit_current(current_run(), server, content, every_update=False)
    return content_audit.audit_import(current_run(), delivery, server, content)


@step("Write receipt")
def write_receipt(
    delivery: TrustedBundle,
    content: ContentListing,
    approvals: ApprovalOutcome,
    audit: AuditResult,
) -> None:
    """Finish the import in the ledger, and write the receipt that may go back."""
    receipt_out.finish_import(current_run(), delivery, content, approvals=approvals, audit=audit)


@step("Apply parked approvals")
def apply_parked_approvals(server: ServerFacts, content: ContentListing) -> None:
    """Apply parked approvals whose content has come, and held ones that may go ahead."""
    approval_run.apply_parked(current_run(), server, content)


@step("Audit server")
def audit_server(server: ServerFacts, content: ContentListing, *, every_update: bool) -> None:
    """Compare metadata with content on a server as it stands."""
    content_audit.audit_current(current_run(), server, content, every_update=every_update)
