"""Steps of the disconnected side; only they change what WSUS and its clients see there.

"Refuses" in a step's docstring lists the kinds of its refusals (exit codes 3 and 4), "Raises" those
of its other errors. Every step that works with the server may also refuse with ``host-key``,
``script-digest`` and ``folder-unsafe``, and raise ``connection-lost``, ``time-limit``,
``command-failed``, ``script-failed``, ``host-file`` and ``disk-full``.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect import State

from tasks import plan_gate
from tasks.approvals.losses import RebuiltChoice
from tasks.checks.accepting import read_accepted, rebuilt_staging
from tasks.content.content_listing import ContentListing
from tasks.flow_run import current_run
from tasks.importing import (
    adoption,
    approval_choice,
    content_audit,
    deciding,
    import_apply,
    import_plan,
    import_rehearsal,
    local_packages_in,
    mirror_deletion,
    receipt_out,
    safety_copy,
)
from tasks.importing.approval_choice import ParkedPlan
from tasks.importing.content_audit import AuditResult
from tasks.importing.import_plan import ImportPlan, describe_plan
from tasks.importing.incoming import IncomingBundle, judge_again
from tasks.importing.trusted_bundle import BundleDocuments, TrustedBundle
from tasks.logs import log
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.probing.command import compare_before_first
from tasks.reports.model import ApprovalOutcome
from tasks.server import check, content_scan, downloads
from tasks.server.cleanup import clean_up_server
from tasks.server.license_languages import ask_license_languages
from tasks.server.mark import compare_mark
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.server.wsusutil_run import wait_for_own_wsusutil
from tasks.step import already_done, step


@step("Lock server")
def lock_server(incoming: IncomingBundle | None = None) -> None:
    """Take the server's lock, wait for our own wsusutil, and clean up the server.

    A rehearsal takes no lock, cleans nothing up, and refuses beside any wsusutil. Else the end of
    the run releases the lock. An import waits for the wsusutil of its own bundle, and
    goes on from there. Nothing is done beside any other wsusutil.

    Refuses: ``lock``, ``wsusutil-running``.
    """
    run = current_run()
    if run.rehearses:
        require_no_wsusutil(run)
        return
    run.make_folders()
    run.lock_server()
    wait_for_own_wsusutil(run, "import", work=None if incoming is None else incoming.work)
    clean_up_server(run)


@step("Check server")
def check_server(
    incoming: IncomingBundle, *, accepted: Sequence[str], rebuilt: RebuiltChoice | None
) -> ServerFacts:
    """Run the whole check, and require that server and settings fit the bundle.

    With ``rebuilt`` the server may be another one than this site knows; the plan says so. A staging
    server that was rebuilt is another one too, once a person has accepted that.

    Refuses: ``server-unfit``, ``server-changed``, ``settings``, ``wsusutil-running``, ``room``,
    ``finding``; ``chain``, ``age``, ``clock``, ``safety`` if the bundle no longer fits as it did
    when opened.
    Raises: ``service-down``.
    """
    run = current_run()
    judge_again(run, incoming)
    compare_mark(run)
    compare_before_first(run)
    given = read_accepted(accepted)
    choice = {"server-changed": f"--rebuilt {rebuilt}"} if rebuilt else {}
    facts = check.check_for_crossing(
        run,
        accepted=given,
        staging=incoming.header.server,
        excused=choice | rebuilt_staging(given, "staging-server-changed"),
    )
    downloads.resume_downloads(run)  # downloads that a killed run left paused
    return facts


@step("Check requirements")
def check_requirements(*, to_adopt: bool = False) -> ServerFacts:
    """Require that the server can take part; the whole check is the command ``check``.

    Refuses: ``server-unfit``, ``server-changed``, ``wsusutil-running``, ``room``; ``chain``.
    Raises: ``service-down``; ``usage``, if content is to be adopted and a bundle was imported.
    """
    run = current_run()
    if to_adopt:
        adoption.require_untouched(run.imports)
    compare_mark(run)
    facts = check.check_requirements(run)
    downloads.resume_downloads(run)  # downloads that a killed run left paused
    return facts


@step("Scan content")
def scan_content(
    server: ServerFacts, *, everything: bool = False, rotating: bool = False
) -> ContentListing:
    """List WsusContent and hash the files that changed since they were hashed.

    With ``rotating`` a share of all others is read too, with ``everything`` all of them.

    Raises: ``host-file``.
    """
    run = current_run()
    listing = content_scan.scan_content(run, server)
    if rotating:
        read = content_scan.prove_rotating(run, listing)
    else:
        read = content_scan.prove_content(run, listing, everything=everything)
    log.info("%s content files, %s bytes; %s files read", *listing.totals(), read)
    return listing


@step("Adopt content")
def adopt_content(server: ServerFacts, content: ContentListing) -> None:
    """Seal the list of the content that lies here, for the staging side to count on.

    Raises: ``host-file``, ``disk-full``.
    """
    adoption.adopt_content(current_run(), server, content)


@step("Plan import")
def plan_import(
    bundle: TrustedBundle,
    server: ServerFacts,
    content: ContentListing,
    *,
    confirm: str | None,
    rebuilt: RebuiltChoice | None,
) -> ImportPlan:
    """Plan all changes, and stop before the first if a person has to confirm the plan.

    Refuses: ``plan-unconfirmed``, ``plan-changed``, ``delete-limit``, ``server-changed``,
    ``server-unfit`` (a newer import is unfinished), ``trust``, ``safety`` (somebody refused the
    plan in the page).
    Raises: ``failed`` (stored documents are damaged).
    """
    run = current_run()
    plan = import_plan.plan_import(run, bundle, server, content, rebuilt=rebuilt)
    describe_plan(run.report, plan)
    given = confirm or plan_gate.confirmed_digest(run.ledger, run.report)
    is_rehearsed = False
    if given is not None or plan.reasons:
        snapshot = import_rehearsal.snapshot_now(run, server, content)
        if given is None:
            import_rehearsal.keep_for_confirmation(run, bundle, plan, snapshot)
        else:
            is_rehearsed = import_rehearsal.is_rehearsed(run, bundle, plan, snapshot, confirm=given)
    return import_plan.require_confirmed(
        run, bundle, plan, confirm=given, is_rehearsed=is_rehearsed
    )


@step("Rehearse import")
def rehearse_import(
    bundle: BundleDocuments,
    server: ServerFacts,
    content: ContentListing,
    *,
    rebuilt: RebuiltChoice | None,
) -> None:
    """Plan all changes, and write the whole plan out for people; nothing is changed.

    Refuses: ``server-changed``, ``server-unfit`` (a newer import is unfinished), ``trust``.
    Raises: ``failed`` (stored documents are damaged).
    """
    run = current_run()
    plan = import_plan.plan_import(run, bundle, server, content, rebuilt=rebuilt)
    snapshot = import_rehearsal.snapshot_now(run, server, content)
    import_rehearsal.rehearse_import(run, bundle, plan, snapshot)


@step("Place content")
def place_content(
    bundle: TrustedBundle, server: ServerFacts, content: ContentListing, plan: ImportPlan
) -> ContentListing:
    """Move content from the intake into WsusContent, which is the first change.

    Refuses: ``wsusutil-running``.
    Raises: ``batch-failed``.
    """
    run = current_run()
    import_apply.begin(run, bundle, server, plan.rebuilt)
    moved = import_apply.place_content(run, bundle, content)
    run.report.note(placed=moved)
    run.report.changes["files placed"] = moved  # by all tries of this step
    log.info("placed %s files", moved)
    placed = content_scan.list_and_prove(run, content.content_dir)
    local_packages_in.place_local_packages(run, bundle, placed)
    return placed


@step("Load metadata")
def load_metadata(
    bundle: TrustedBundle, plan: ImportPlan, server: ServerFacts, content: ContentListing
) -> ContentListing | State[ContentListing]:
    """Have wsusutil import the package, judge it by all signals, and list WsusContent anew.

    The import can take hours, in which files of WsusContent come and go. Before it
    ``server.backup_command`` makes its copy, and running downloads are paused.

    Refuses: ``wsusutil-running``, ``backup-failed``.
    Raises: ``wsusutil``, ``service-down``.
    """
    run = current_run()
    with PackageIndex(bundle.index) as index:
        run.report.details["revisions"] = index.summary.revisions
    if import_apply.is_loaded(run, bundle, plan.inputs):
        downloads.resume_downloads(run)  # downloads that a cut-off try left paused
        # `content` is from before wsusutil, also when the step is retried; so list again.
        return already_done(import_apply.list_loaded(run, bundle, before=content))
    attempt = run.ledger.steps(bundle.work.text).attempt("import")  # of an earlier run
    backup = run.site.server.backup_command
    if backup is not None and attempt is None:
        safety_copy.make_safety_copy(
            run.server,
            backup,
            folder=run.folders.safety_copies,
            run_id=run.run_id,
            limit_hours=run.site.server.command_limit_hours,
        )
    is_loading = import_apply.is_at_work(run.server, attempt)
    with downloads.paused_downloads(run, is_loading=is_loading):
        import_apply.load_metadata(run, bundle, plan.inputs, server)
    run.report.changes["metadata packages loaded"] += 1
    return import_apply.list_loaded(run, bundle, before=content)


@step("Apply approvals")
def apply_approvals(
    bundle: TrustedBundle, plan: ImportPlan, content: ContentListing
) -> ApprovalOutcome:
    """Plan again from the server's answers, now that it has the metadata, and apply the plan.

    Refuses: ``wsusutil-running``.
    Raises: ``script-failed``.
    """
    run = current_run()
    ask_license_languages(run, bundle.index)
    approvals = import_plan.plan_approvals(run, bundle, plan, content)
    outcome = approval_choice.apply_choice(
        run, approvals, work=bundle.work, inputs=plan.inputs, first=plan.approvals
    )
    run.report.changes["decisions applied"] += len(outcome.applied)
    log.info("%s decisions applied, %s failed", len(outcome.applied), len(outcome.failed))
    return outcome


@step("Delete content")
def delete_content(
    bundle: TrustedBundle, plan: ImportPlan, content: ContentListing
) -> ContentListing:
    """Move the files of a mirror's confirmed plan to the trash.

    Raises: ``batch-failed``.
    """
    run = current_run()
    if not plan.deletes.files:
        return content
    if "files deleted" in run.report.changes:  # an earlier try was cut off in the listing below
        return content_scan.list_and_prove(run, content.content_dir)
    mirror_deletion.delete_planned(run, bundle, plan.deletes, content, confirmed=plan.confirmed)
    return content_scan.list_and_prove(run, content.content_dir)


@step("Audit content")
def audit_content(
    bundle: TrustedBundle, server: ServerFacts, content: ContentListing
) -> AuditResult:
    """Report every approved or parked update whose content is missing, with the reason.

    Refuses: ``wsusutil-running``.
    Raises: ``failed`` (stored documents of a newer bundle are damaged).
    """
    if bundle.incoming.is_superseded:
        return content_audit.audit_current(current_run(), server, content, every_update=False)
    return content_audit.audit_import(current_run(), bundle, server, content)


@step("Write receipt")
def write_receipt(
    bundle: TrustedBundle,
    content: ContentListing,
    approvals: ApprovalOutcome,
    audit: AuditResult,
) -> None:
    """Finish the import in the ledger, and write the receipt for the staging side.

    Raises: ``host-file``, ``disk-full``.
    """
    receipt_out.finish_import(current_run(), bundle, content, approvals=approvals, audit=audit)


@step("Record decision")
def record_decision(
    updates: Sequence[str],
    decision: str,
    *,
    reason: str,
    group: str | None,
    until: str | None,
    revoke: bool,
) -> None:
    """Record a person's decision about what waits; nothing on the server changes.

    Raises: ``usage``.
    """
    run = current_run()
    run.by_api = True  # the command starts no Prefect
    given = deciding.Given(tuple(updates), decision, reason, group, until, revoke)
    deciding.record_decision(run, given)


@step("Plan audit")
def plan_audit(server: ServerFacts, content: ContentListing, *, confirm: str | None) -> ParkedPlan:
    """Plan the parked and held decisions whose obstacle is gone.

    Refuses: ``server-changed``, ``trust``; ``plan-changed``, if a person rehearsed another plan.
    Raises: ``usage`` (nothing was imported yet), ``failed``.
    """
    run = current_run()
    plan = approval_choice.plan_parked(run, server, content)
    if confirm is not None:
        snapshot = import_rehearsal.snapshot_now(run, server, content)
        import_rehearsal.require_rehearsed_audit(run, plan.approvals, snapshot, confirm=confirm)
    return plan


@step("Rehearse audit")
def rehearse_audit(
    plan: ParkedPlan, server: ServerFacts, content: ContentListing, *, every_update: bool
) -> None:
    """Write the whole plan out for people; nothing is changed.

    Raises: ``failed``.
    """
    run = current_run()
    snapshot = import_rehearsal.snapshot_now(run, server, content)
    import_rehearsal.rehearse_audit(run, plan.approvals, snapshot, every_update=every_update)


@step("Apply parked approvals")
def apply_parked_approvals(plan: ParkedPlan) -> None:
    """Apply parked approvals whose content has arrived, and held ones whose obstacle is gone.

    Refuses: ``wsusutil-running``.
    Raises: ``script-failed``.
    """
    approval_choice.apply_parked(current_run(), plan)


@step("Audit server")
def audit_server(server: ServerFacts, content: ContentListing, *, every_update: bool) -> None:
    """Compare metadata with content by the newest finished import.

    Refuses: ``wsusutil-running``.
    Raises: ``usage`` (nothing was imported yet), ``failed``.
    """
    content_audit.audit_current(current_run(), server, content, every_update=every_update)
