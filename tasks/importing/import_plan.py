"""Plan of an import: approvals and deletions, and the confirmation of the plan by a person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3

from tasks.approvals.losses import RebuiltChoice
from tasks.approvals.plan_model import NOTHING_PLANNED, ApprovalPlan
from tasks.bundle.canonical import canonical_json
from tasks.bundle.layout import MANIFEST
from tasks.content.content_listing import ContentListing, ContentLookup, PresentFile
from tasks.content.deletion import DeletePlan
from tasks.content.names import ContentDigest
from tasks.importing.approval_choice import are_applied, plan_first
from tasks.importing.approval_run import (
    PlanInputs,
    plan_now,
    take_decisions,
    without_excess,
)
from tasks.importing.confirmation import covers, remember_confirmation
from tasks.importing.content_trace import provenance_lookup
from tasks.importing.mirror_deletion import plan_deletions, require_within_limits
from tasks.importing.plan_report import report_plan
from tasks.importing.rebuilt import RebuiltServer, find_rebuilt, rebuilt_section
from tasks.importing.trusted_bundle import BundleDocuments, TrustedBundle
from tasks.ledger.imports import Imports
from tasks.ledger.steps import Steps
from tasks.metadata.audit import ProvenanceLookup
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.quantities import count, size
from tasks.refusals import PlanUnconfirmedError, ServerUnfitError
from tasks.reports.sections import (
    deletes_section,
)
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import require_documents
from tasks.server import queries
from tasks.server.snapshot import ServerSnapshot, content_choice


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Approvals and deletions of an import, as planned before its first change.

    Attributes:
        approvals: Plan of approvals and declines.
        deletes: Files that a mirror deletes.
        inputs: Inputs of the approval plan.
        confirmed: Digest by which a person confirmed the plan; None before that, or if not needed.
        rebuilt: The rebuilt server and the person's choice; None if the server is as it was.
    """

    approvals: ApprovalPlan
    deletes: DeletePlan
    inputs: PlanInputs
    confirmed: str | None = None
    rebuilt: RebuiltServer | None = None

    @property
    def reasons(self) -> list[str]:
        """Reasons why a person has to confirm the plan; empty if nobody has to."""
        reasons = [self.rebuilt.reason] if self.rebuilt else []
        reasons += self.approvals.limits_exceeded
        if self.deletes.files:
            reasons.append(
                f"{count(len(self.deletes.files), 'content file')} "
                f"({size(self.deletes.size_bytes)}) that staging no longer holds would be deleted"
            )
        return reasons

    @property
    def digest(self) -> str:
        """BLAKE3 over the parts that need confirmation, hex."""
        is_counted = self.rebuilt is not None or self.approvals.limits_exceeded
        parts: dict[str, object] = {
            "approvals": self.approvals.digest if is_counted else None,
            "deletes": self.deletes.digest if self.deletes.files else None,
        }
        if self.rebuilt is not None:
            parts["rebuilt"] = self.rebuilt.as_json()
        return blake3(canonical_json(parts)).hexdigest()


def plan_import(
    run: RunContext,
    bundle: BundleDocuments,
    facts: ServerFacts,
    listing: ContentListing,
    *,
    rebuilt: RebuiltChoice | None = None,
) -> ImportPlan:
    """Plan all changes of an import, without making one.

    Args:
        run: The run.
        bundle: The bundle.
        facts: The server's facts.
        listing: Listing of WsusContent.
        rebuilt: A person's choice for a rebuilt or emptied server.

    Raises:
        ServerChangedError: The server lacks too many of the decisions that were applied last.
        ServerUnfitError: A newer import must be finished before this bundle may repair.
        FailedError: The stored documents of the newer import are lost or damaged.
    """
    inputs = _gather_inputs(run, bundle, facts, listing)
    present = queries.read_approvals(run)
    server = find_rebuilt(run, facts.server_id, present.approval_set, rebuilt)
    if rebuilt is not None and server is None:
        run.report.lines.append(f"--rebuilt {rebuilt} decided nothing: the server is as it was")
    if server is not None:
        inputs = replace(inputs, rebuilt=server.choice, revived=server.revived)
    approvals = plan_first(run, inputs, present)
    snapshot = ServerSnapshot(facts, present, listing)
    deletes = plan_deletions(run, bundle, snapshot, inputs=inputs, approvals=approvals)
    return ImportPlan(approvals, deletes, inputs, rebuilt=server)


def require_confirmed(
    run: RunContext,
    bundle: TrustedBundle,
    plan: ImportPlan,
    *,
    confirm: str | None,
    is_rehearsed: bool = False,
) -> ImportPlan:
    """Require that a plan which needs a person's confirmation has it.

    Args:
        run: The run.
        bundle: The bundle.
        plan: The plan.
        confirm: The digest that the person gave; None: no digest.
        is_rehearsed: True if it is the digest of a rehearsal with this very plan.

    Returns:
        The plan, with the digest that confirmed it.

    Raises:
        DeleteLimitError: It deletes more than the site ever allows.
        PlanUnconfirmedError: It takes away more than the site allows, or deletes files, and the
            digest given is not this plan's.
    """
    require_within_limits(run.site.policy, plan.deletes)
    if not plan.reasons and not is_rehearsed:
        return plan
    if not is_rehearsed:
        run.report.note(plan_digest=plan.digest)
    given, steps = (confirm or "").lower(), run.ledger.steps(bundle.work.text)
    approvals, deletes = plan.approvals, plan.deletes
    if is_rehearsed or given == plan.digest:
        remember_confirmation(
            steps,
            given,
            approvals=approvals,
            deletes=deletes,
            choice=plan.rebuilt.choice_line if plan.rebuilt else None,
            now=run.clock(),
        )
        record_event(
            run,
            "confirmed",
            f"plan {given}: {'; '.join(plan.reasons)}",
            bundle=bundle.header.bundle,
            digest=bundle.digest.hex,
        )
    elif not _is_left_of_confirmed(steps, plan, given, is_done=_is_done(run.imports, bundle)):
        other = ["the digest that was given is another plan's"] if given else []
        summary = "; ".join([*plan.reasons, *other])
        raise PlanUnconfirmedError(summary=summary, plan_digest=plan.digest)
    return replace(plan, confirmed=given)


def _is_left_of_confirmed(steps: Steps, plan: ImportPlan, given: str, *, is_done: bool) -> bool:
    """Return True if a plan is what is left to do of the one that was confirmed by this digest.

    An import that was begun can have anything left of it; one that is done only files that could
    not be deleted, so whatever else needs a person is a plan that nobody has seen.
    """
    is_new = plan.rebuilt is not None or bool(plan.approvals.limits_exceeded)
    if not plan.inputs.begun and (is_new or not is_done):
        return False
    return covers(
        steps,
        given,
        approvals=plan.approvals,
        deletes=plan.deletes,
        choice=plan.rebuilt.choice_line if plan.rebuilt else None,
    )


def _is_done(imports: Imports, bundle: BundleDocuments) -> bool:
    """Return True if a bundle was imported; its confirmation covers what could not be deleted."""
    record = imports.by_digest(bundle.digest)
    return record is not None and record.status == "done"


def _gather_inputs(
    run: RunContext, bundle: BundleDocuments, facts: ServerFacts, listing: ContentListing
) -> PlanInputs:
    record = run.imports.by_digest(bundle.digest)
    folder = newest_folder(run.imports, bundle)
    translation = take_decisions(run.site, run.report, folder)
    return PlanInputs(
        incoming=translation.incoming,
        index=folder / INDEX,
        choice=content_choice(facts),
        find_content=_after_placing(bundle, listing),
        provenance=_provenance(run, bundle, folder),
        begun=record is not None and record.status == "begun",
        withheld=translation.withheld,
    )


def _provenance(run: RunContext, bundle: BundleDocuments, folder: Path) -> ProvenanceLookup:
    """Return the look-up of a file's last trace, as it is now.

    Args:
        run: The run.
        bundle: The bundle.
        folder: Our folder of the bundle whose metadata count.
    """
    is_superseded = bundle.incoming.is_superseded
    manifest = run.look_up_in(folder / MANIFEST) if is_superseded else bundle.manifest_lookup
    return provenance_lookup(run.imports, run.hash_cache, folder=folder, manifest=manifest)


def newest_folder(imports: Imports, bundle: BundleDocuments) -> Path:
    """Return our folder of the bundle whose metadata and decisions count after this import.

    It is the newest bundle, which is not this one if this bundle is superseded.

    Raises:
        FailedError: The stored documents of the newer bundle are lost or damaged.
        ServerUnfitError: The import of the newer bundle is not finished.
    """
    newest = imports.newest()
    if newest is None or not bundle.incoming.is_superseded:
        return bundle.incoming.folder
    if newest.status != "done":
        raise ServerUnfitError(
            side="disconnected",
            reason=f"the import of bundle {newest.sequence} was begun and is not finished",
            remedy=f"Import bundle {newest.sequence} to its end first.",
        )
    require_documents(newest)
    return newest.folder


def _after_placing(bundle: BundleDocuments, listing: ContentListing) -> ContentLookup:
    """Return a look-up, by digest, of WsusContent as it will be once the bundle is placed."""
    manifest_lookup = bundle.manifest_lookup

    def look_up(digest: ContentDigest) -> PresentFile | None:
        present = listing.find(digest)
        if present is not None and present.is_valid:
            return present
        size_bytes = manifest_lookup.carried_bytes(digest)
        return present if size_bytes is None else PresentFile(size_bytes, is_valid=True)

    return look_up


def plan_approvals(
    run: RunContext, bundle: TrustedBundle, plan: ImportPlan, listing: ContentListing
) -> ApprovalPlan:
    """Plan approvals anew from the server's answers, now that it has the metadata.

    A confirmation covers the new plan if that takes nothing more away than the confirmed plan.
    Without one, actions beyond the site's limits are left out.
    """
    if not are_applied(run.site):
        return plan.approvals
    inputs = replace(
        plan.inputs,
        find_content=listing.find,
        # WSUS may have deleted files while the metadata were loaded, which left traces.
        provenance=_provenance(run, bundle, newest_folder(run.imports, bundle)),
        begun=False,
        rebuilt=None,
    )
    approvals = plan_now(run, inputs)
    steps = run.ledger.steps(bundle.work.text)
    is_confirmed = plan.confirmed is not None and covers(
        steps, plan.confirmed, approvals=approvals, deletes=plan.deletes
    )
    return approvals if is_confirmed else without_excess(run.report, approvals)


def describe_plan(report: ReportDraft, plan: ImportPlan) -> None:
    """Add a plan to the report, so that a person can read it before confirming it."""
    if plan.rebuilt is not None:
        report.sections.append(rebuilt_section(plan.rebuilt))
    if plan.approvals is not NOTHING_PLANNED:
        digest = plan.digest if plan.reasons else None
        report_plan(report, plan.approvals, plan.inputs.index, digest=digest)
    if plan.deletes.files or plan.deletes.still_needed:
        report.sections.append(deletes_section(plan.deletes))
