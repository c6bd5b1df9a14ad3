"""Rehearsal of an import or audit, and the comparison of a plan with the one that was rehearsed.

A rehearsal of an import reads the seal and the three documents of the bundle, which it proves, and
no content: the plan assumes that every content file is as it was sealed, which ``verify`` proves.
Nothing is copied into the intake, and the copies of the documents go with the run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import revision_set
from tasks.approvals.model import Action, approved_revisions
from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.manifest import Entry
from tasks.content.content_listing import ContentListing
from tasks.importing.approval_run import report_waiting
from tasks.importing.confirmation import covers
from tasks.importing.content_audit import (
    Metadata,
    count_unapproved,
    current_metadata,
    find_missing_content,
    find_resumable,
)
from tasks.importing.import_apply import to_place
from tasks.importing.import_plan import ImportPlan
from tasks.importing.local_updates import find_local_updates
from tasks.importing.mirror_deletion import delete_limits
from tasks.importing.planned_lines import LineMaker
from tasks.importing.trusted_bundle import BundleDocuments
from tasks.ledger.imports import Imports
from tasks.metadata.audit import MissingFile, ProvenanceLookup, find_missing
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.reports.model import Fact
from tasks.reports.planned import PlanLine, PlanTally, missing_lines
from tasks.reports.sections import volumes_section
from tasks.revision import RevisionId
from tasks.run.context import MakeLookup, RunContext
from tasks.run.rehearsal import is_kept, keep_plan, require_plan, show_plan
from tasks.run.report import MOST_MISSING_LISTED, ReportDraft
from tasks.server import queries
from tasks.server.snapshot import ServerSnapshot, content_choice


def rehearse_import(
    run: RunContext, bundle: BundleDocuments, plan: ImportPlan, snapshot: ServerSnapshot
) -> None:
    """Show the whole plan of an import, and what it needs of media and disk."""
    missing = _missing_after(run.imports, bundle, plan, snapshot)
    volume = snapshot.facts.content_volume
    free_bytes = volume.free_bytes if volume else None

    def about(tally: PlanTally) -> list[Fact]:
        placed_bytes = tally.size_of("place")
        facts = [
            Fact(label="Room needed on the content disk", value=placed_bytes, kind="bytes"),
            Fact(label="Free there", value=free_bytes, kind="bytes"),
        ]
        reasons = "; ".join(plan.reasons)
        return [*facts, Fact(label="Needs confirmation", value=reasons)] if reasons else facts

    if excess := plan.deletes.exceeds(delete_limits(run.site.policy)):
        run.report.notice(f"{excess}: the import would be refused")
    opened = bundle.incoming.opened
    at_hand = frozenset(opened.volume_folders)
    volumes = [(volume.number, volume.files, volume.size_bytes) for volume in bundle.header.volumes]
    lines = _import_lines(
        run.imports, run.look_up_in, bundle, plan, snapshot=snapshot, missing=missing
    )
    tally = show_plan(run, lines, about=about, tables=[volumes_section(volumes, at_hand)])
    if free_bytes is not None and free_bytes < tally.size_of("place"):
        run.report.notice("the content disk is too small for what the bundle brings")
    run.report.details["media"] = {
        "volumes": len(bundle.header.volumes),
        "at_hand": [*sorted(at_hand)],
        "bytes": bundle.header.counts.carried_bytes,
    }
    run.report.note(missing=missing)
    report_waiting(run)
    run.report.lines.append("content was not read; `verify` proves it")


def is_rehearsed(
    run: RunContext,
    bundle: BundleDocuments,
    plan: ImportPlan,
    snapshot: ServerSnapshot,
    *,
    confirm: str,
) -> bool:
    """Return True if a person rehearsed this plan and confirms it.

    False for what ``require_confirmed`` judges: the shorter digest of a plan that takes something
    away (``ImportPlan.digest``), one that was confirmed for this import before, and an unknown one.

    Raises:
        PlanChangedError: The plan has become another since.
    """
    given = confirm.strip().lower()
    steps = run.ledger.steps(bundle.work.text)
    if plan.reasons and (given == plan.digest or not is_kept(run.site, given)):
        return False
    if covers(steps, given, approvals=plan.approvals, deletes=plan.deletes):
        return False  # an earlier run began to carry it out, or has ended
    missing = _missing_after(run.imports, bundle, plan, snapshot)
    lines = _import_lines(
        run.imports, run.look_up_in, bundle, plan, snapshot=snapshot, missing=missing
    )
    require_plan(run, lines, confirm=given)
    return True


def keep_for_confirmation(
    run: RunContext, bundle: BundleDocuments, plan: ImportPlan, snapshot: ServerSnapshot
) -> None:
    """Keep a plan that waits for a person, so that a later run can name what has changed."""
    missing = _missing_after(run.imports, bundle, plan, snapshot)
    keep_plan(
        run,
        plan.digest,
        _import_lines(
            run.imports, run.look_up_in, bundle, plan, snapshot=snapshot, missing=missing
        ),
    )


def _import_lines(
    imports: Imports,
    make_lookup: MakeLookup,
    bundle: BundleDocuments,
    plan: ImportPlan,
    *,
    snapshot: ServerSnapshot,
    missing: tuple[MissingFile, ...],
) -> Iterator[PlanLine]:
    carried = to_place(imports, bundle, make_lookup)
    placed = _without_present(carried, snapshot.content)
    yield PlanLine("about", reason=f"bundle {bundle.header.bundle}, {bundle.digest.hex}")
    with PackageIndex(plan.inputs.index) as index:
        maker = LineMaker(index)
        yield from maker.decisions(plan.approvals)
        yield from maker.placed(placed)
        yield from maker.deletions(plan.deletes)
    yield from missing_lines(missing)


def _without_present(entries: Iterator[Entry], listing: ContentListing) -> Iterator[Entry]:
    """Leave out the files that are in place and valid."""
    for entry in entries:
        present = listing.look_up(entry.name)
        if present is None or not present.is_valid:
            yield entry


def _missing_after(
    imports: Imports, bundle: BundleDocuments, plan: ImportPlan, snapshot: ServerSnapshot
) -> tuple[MissingFile, ...]:
    """Return the files that approved and parked updates will lack once the plan is carried out."""
    with PackageIndex(plan.inputs.index) as index:
        local = find_local_updates(index, imports, snapshot.decisions)
        view = snapshot.content_view(
            find=plan.inputs.find_content,
            provenance=plan.inputs.provenance,
            staging=content_choice(bundle.header.server),
        )
        revisions = _approved_after(plan.approvals, snapshot.decisions, local)
        return tuple(islice(find_missing(index, revisions, view), MOST_MISSING_LISTED))


def _approved_after(
    plan: ApprovalPlan, present: ServerDecisions, local: Collection[RevisionId]
) -> Collection[RevisionId]:
    planned = (action.id for action in plan.actions if action.action is Action.INSTALL)
    waiting = (decision.id for decision in plan.parked)
    of_staging = chain(approved_revisions(present.approval_set), planned, waiting)
    return revision_set(key for key in of_staging if key not in local)


def rehearse_audit(
    run: RunContext, plan: ApprovalPlan, snapshot: ServerSnapshot, *, every_update: bool
) -> None:
    """Show the whole plan of an audit, and what an audit would report beside it."""
    metadata = current_metadata(run.imports, run.look_up_in)
    provenance = metadata.provenance(run.imports, run.hash_cache)
    missing = find_missing_content(
        run.imports, run.report, metadata=metadata, snapshot=snapshot, provenance=provenance
    )
    lines = _audit_lines(metadata, plan, snapshot, provenance=provenance, missing=missing)
    show_plan(run, lines)
    count, others = count_unapproved(
        run.imports,
        run.report,
        metadata=metadata,
        snapshot=snapshot,
        provenance=provenance,
        listed=every_update,
    )
    run.report.note(missing=(*missing, *others), unapproved_incomplete=count)
    report_waiting(run)


def require_rehearsed_audit(
    run: RunContext, plan: ApprovalPlan, snapshot: ServerSnapshot, *, confirm: str
) -> None:
    """Require that the plan of an audit is the one that a person rehearsed.

    Raises:
        PlanChangedError: It has become another.
    """
    # The audit itself reports what it finds; this report is for nobody.
    metadata = current_metadata(run.imports, run.look_up_in)
    provenance = metadata.provenance(run.imports, run.hash_cache)
    missing = find_missing_content(
        run.imports, ReportDraft(), metadata=metadata, snapshot=snapshot, provenance=provenance
    )
    lines = _audit_lines(metadata, plan, snapshot, provenance=provenance, missing=missing)
    require_plan(run, lines, confirm=confirm)


def _audit_lines(
    metadata: Metadata,
    plan: ApprovalPlan,
    snapshot: ServerSnapshot,
    *,
    provenance: ProvenanceLookup,
    missing: tuple[MissingFile, ...],
) -> Iterator[PlanLine]:
    yield PlanLine("about", reason=f"content and decisions as of {metadata.folder.name}")
    with PackageIndex(metadata.index) as index:
        yield from LineMaker(index).decisions(plan)
        for key in find_resumable(index, snapshot, provenance):
            yield PlanLine("resume", update_id=key.update_id, revision=key.revision)
    yield from missing_lines(missing)


def snapshot_now(run: RunContext, facts: ServerFacts, listing: ContentListing) -> ServerSnapshot:
    """Return the server with the decisions that it has now."""
    return ServerSnapshot(facts, queries.read_approvals(run), listing)
