"""Steps of the staging side. They read its server and change nothing there but our own folder.

Only ``import_updates`` changes it, for a person who named the updates.

"Refuses" in a step's docstring lists the kinds of its refusals (exit codes 3 and 4), "Raises" those
of its other errors. Every step that works with the server may also refuse with ``host-key``,
``script-digest`` and ``folder-unsafe``, and raise ``connection-lost``, ``time-limit``,
``command-failed``, ``script-failed``, ``host-file`` and ``disk-full``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prefect import State

from tasks.approvals.capture import ServerDecisions
from tasks.bundle.plan import Plan
from tasks.checks.accepting import read_accepted, rebuilt_staging
from tasks.checks.finding import Finding
from tasks.content.content_listing import ContentListing
from tasks.exporting import (
    catalog_import,
    export_bundle,
    export_package,
    export_rehearsal,
    export_summary,
    local_packages_out,
    receipt_in,
    shared_scan,
    shopping,
    unresolved,
)
from tasks.exporting import draft as drafts
from tasks.exporting import request as requests
from tasks.exporting.draft import Draft
from tasks.exporting.receipt_in import Accepted
from tasks.exporting.request import ExportRequest
from tasks.flow_run import current_run
from tasks.ledger.missing import MissingContent
from tasks.ledger.steps import Confirmation, ExportedPackage
from tasks.logs import log
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.names import Mode
from tasks.probing.command import compare_before_first
from tasks.run_page import name_run
from tasks.server import check, downloads, queries
from tasks.server.cleanup import clean_up_server
from tasks.server.license_languages import ask_license_languages
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.server.snapshot import ServerSnapshot
from tasks.server.wsus_errors import report_download_errors
from tasks.server.wsusutil_run import report_running_wsusutil, wait_for_own_wsusutil
from tasks.step import already_done, step


@step("Read request")
def read_request(
    *,
    mode: Mode | None,
    full: bool,
    new: bool,
    since: int | None,
    bring: str | None,
    confirm: str | None,
) -> ExportRequest:
    """Read the options of the export, and the other side's shopping list.

    Refuses: ``wrong-site``.
    Raises: ``usage``, ``path-missing``, ``host-file``.
    """
    request = requests.read_request(
        current_run().site, mode=mode, full=full, new=new, since=since, bring=bring
    )
    return replace(request, confirm=confirm and confirm.strip().lower())


@step("Lock server and media")
def lock_server_and_media() -> None:
    """Take the locks of server and media, wait for our own wsusutil, and clean up the server.

    The end of the run releases the locks. Nothing is done beside any other wsusutil. A rehearsal
    takes no lock, cleans nothing up, and refuses beside any wsusutil.

    Refuses: ``lock``, ``wsusutil-running``.
    Raises: ``path-missing``.
    """
    run = current_run()
    export_bundle.require_media(run.site.media.path)
    if run.rehearses:
        require_no_wsusutil(run)
        return
    run.make_folders()
    run.lock_server()
    wait_for_own_wsusutil(run, "export", work=drafts.unfinished_work(run.exports))
    clean_up_server(run)
    run.remove_stale_lock()
    run.lock_media()


@step("Check server")
def check_server(*, accepted: Sequence[str]) -> ServerFacts:
    """Run the whole check, require that the server can be exported from, and wait for downloads.

    A staging server that was rebuilt goes on in its chain once a person has accepted that.

    Refuses: ``server-unfit``, ``server-changed``, ``wsusutil-running``, ``room``, ``finding``.
    Raises: ``service-down``, ``path-missing``; ``usage``, if an accepted finding has no reason.
    """
    run = current_run()
    compare_before_first(run)
    given = read_accepted(accepted)
    facts = check.check_for_crossing(
        run, accepted=given, excused=rebuilt_staging(given, "server-changed")
    )
    facts = downloads.settle_downloads(run, facts)
    log.info("staging server: %s updates, %s approved", facts.update_count, facts.approved_count)
    return facts


@step("Capture approvals")
def capture_approvals(server: ServerFacts) -> ServerDecisions:
    """Read groups, approvals and declines of the server; name what its API does not tell of.

    Raises: ``script-failed``, if the server lists fewer decisions than it counts.
    """
    run = current_run()
    answer = queries.read_all_approvals(run, server)
    decisions = unresolved.report_unresolved(run.exports, run.report, answer)
    decisions = local_packages_out.with_local_packages(run, decisions)
    captured = decisions.approval_set
    log.info("%s approvals, %s declines", len(captured.approvals), len(captured.declines))
    return decisions


@step("Scan content")
def scan_content(server: ServerFacts) -> ContentListing:
    """List WsusContent, or take the list of another site of this server if it is current.

    Raises: ``host-file``.
    """
    listing = shared_scan.scan_content(current_run(), server)
    log.info("%s content files, %s bytes", *listing.totals())
    return listing


@step("Rehearse export")
def rehearse_export(
    request: ExportRequest,
    server: ServerFacts,
    decisions: ServerDecisions,
    content: ContentListing,
) -> None:
    """Write the whole plan of the next bundle out for people; nothing is changed.

    Refuses: ``safety``, if parts, volumes or files pass a limit of the format, or
    ``media.volume_bytes`` is too small for the documents; the room on the medium is only shown.
    Raises: ``usage``, if the option names a bundle that cannot be a base.
    """
    snapshot = ServerSnapshot(server, decisions, content)
    export_rehearsal.rehearse_export(current_run(), request, snapshot)


@step("Compare plan")
def compare_plan(
    request: ExportRequest,
    server: ServerFacts,
    decisions: ServerDecisions,
    content: ContentListing,
) -> None:
    """Require that the plan is still the one that a person rehearsed and confirms.

    Refuses: ``plan-changed``; ``safety``, as Rehearse export.
    Raises: ``usage``, if the option names a bundle that cannot be a base.
    """
    snapshot = ServerSnapshot(server, decisions, content)
    export_rehearsal.require_rehearsed_export(current_run(), request, snapshot)


@step("Open draft")
def open_draft(
    request: ExportRequest,
    server: ServerFacts,
    decisions: ServerDecisions,
    content: ContentListing,
) -> Draft | State[Draft]:
    """Find or begin the bundle that this export works on.

    Refuses: ``server-unfit``, if the mark on the server cannot be read.
    Raises: ``host-file``; ``usage``, if the option names a bundle that cannot be a base.
    """
    run = current_run()
    snapshot = ServerSnapshot(server, decisions, content)
    draft = drafts.open_draft(run, snapshot, request)
    requests.record_choices(run, request)
    if request.confirm is not None:
        confirmation = Confirmation(digest=request.confirm, takes_away=())
        run.ledger.steps(draft.work.text).confirm(confirmation, now=run.clock())
    if draft.inventory is not None:
        run.report.details["inventory"] = draft.inventory.digest.hex
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
    """Have wsusutil export the metadata, judge it by all signals, and fetch the package.

    A package that another site's export of this catalogue has left on the server is used instead,
    also if only its wsusutil came to an end; while such an export makes one, nobody else does.

    Refuses: ``lock``, ``wsusutil-running``.
    Raises: ``wsusutil``, ``service-down``, ``package``.
    """
    run = current_run()
    existing = export_package.find_package(run.ledger, draft, server)
    if existing is not None:
        return already_done(existing)
    with run.packages_locked():
        given = (run, draft, server, decisions)
        package = export_package.take_shared(*given) or export_package.take_begun(*given)
        if package is None:
            package = export_package.export_package(*given)
    log.info("metadata package: %s revisions, %s bytes", package.revisions, package.size_bytes)
    ask_license_languages(run, draft.folder / INDEX)
    return package


@step("Plan bundle")
def plan_bundle(
    draft: Draft,
    decisions: ServerDecisions,
    content: ContentListing,
    package: ExportedPackage,
    *,
    request: ExportRequest,
) -> Plan:
    """Plan the content that the bundle carries: the files that the base lacks, or that are asked.

    Refuses: ``safety``, if decisions, package, parts, volumes or files pass a limit of the format,
    or ``media.volume_bytes`` is too small for the documents.
    """
    run = current_run()
    export_bundle.write_approvals(draft, decisions)
    plan = export_bundle.plan_content(run, draft, content, package, request=request)
    log.info("%s of %s files are carried", plan.carried_files, plan.files)
    return plan


@step("Predict missing content")
def predict_missing(
    draft: Draft, server: ServerFacts, decisions: ServerDecisions, content: ContentListing
) -> None:
    """Report the approved updates whose files the staging server itself lacks, before the trip."""
    run = current_run()
    snapshot = ServerSnapshot(server, decisions, content)
    missing = export_summary.predict_missing(
        run.report, draft, snapshot, run.look_up_in(draft.manifest)
    )
    MissingContent(run.ledger).remember(missing, now=run.clock())
    run.report.note(missing=missing)
    report_download_errors(run, server, missing)
    local_packages_out.report_packages(run.report, decisions, content)
    for file in missing:
        log.warning("%s lacks %s (%s)", file.title, file.file, file.reason.value)


@step("Answer shopping list")
def answer_shopping_list(draft: Draft, request: ExportRequest, content: ContentListing) -> None:
    """Report which files that the other side asked for the bundle carries, and which it cannot."""
    run = current_run()
    manifest = run.look_up_in(draft.manifest)
    shopping.answer_list(run.report, draft, manifest, names=request.bring, content=content)


@step("Read receipt")
def read_receipt(receipt: str) -> Accepted:
    """Read the receipt's file, the inventory of an adopted server, or the code that was typed.

    Refuses: ``seal``, ``wrong-site``, ``chain``; of an inventory ``tamper``, ``trust``.
    Raises: ``path-missing``, ``host-file``, ``usage``, ``site-file``.
    """
    run = current_run()
    report_running_wsusutil(run)
    accepted = receipt_in.open_receipt(run, receipt)
    receipt_in.record_receipt_carrier(run, accepted)
    name_run(f"{accepted.subject} accept", accepted.subject)
    return accepted


@step("Advance baseline")
def advance_baseline(accepted: Accepted) -> None:
    """Move the baseline to the receipted bundle, or count on an inventory."""
    receipt_in.advance_baseline(current_run(), accepted)


@step("Read update ids")
def read_update_ids(words: Sequence[str]) -> tuple[str, ...]:
    """Read the ids that a person copied from the Microsoft Update Catalog.

    Raises: ``usage``.
    """
    return catalog_import.read_ids(words)


@step("Lock server")
def lock_server() -> None:
    """Take the lock of the server; the end of the run releases it.

    Refuses: ``lock``, ``wsusutil-running``.
    """
    run = current_run()
    run.make_folders()
    run.lock_server()
    require_no_wsusutil(run)


@step("Check Catalog path")
def check_catalog_path() -> Finding | None:
    """Look at the TLS of the .NET Framework, which the import from the Catalog uses.

    Refuses: ``wsusutil-running``.
    Raises: ``service-down``.
    """
    return catalog_import.check_catalog_path(current_run())


@step("Import updates")
def import_updates(ids: Sequence[str], weakness: Finding | None) -> None:
    """Have the server import each update; name those that fail.

    Raises: ``batch-failed``, if none was imported.
    """
    updates = catalog_import.import_updates(current_run(), ids, weakness=weakness)
    imported = sum(update.result == "imported" for update in updates)
    log.info("%s of %s updates imported", imported, len(updates))
