"""The disconnected side of an import: the plan, then content, then metadata, then approvals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3

from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.canonical import canonical_json
from tasks.bundle.layout import APPROVALS
from tasks.content.content_listing import ContentListing, ContentLookup, PresentFile
from tasks.content.deletion import DeletePlan
from tasks.content.names import ContentDigest
from tasks.importing.approval_run import (
    PlanInputs,
    plan_ahead,
    plan_now,
    require_no_loss,
    without_excess,
)
from tasks.importing.confirmation import covers, remember_confirmation
from tasks.importing.mirror_deletion import plan_deletions, require_within_limits
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.metadata.catalogue import read_titles
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.refusals import PlanUnconfirmedError, ServerUnfitError
from tasks.reports.sections import (
    MOST_ROWS,
    deletes_section,
    kept_section,
    plan_section,
    shown_actions,
)
from tasks.run.context import RunContext
from tasks.run.stored_documents import read_decisions_file, require_documents
from tasks.server import queries
from tasks.server.snapshot import ServerSnapshot, content_choice


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import will change, decided before anything is.

    Attributes:
        confirmed: The digest by which a person confirmed it; None when nobody had to.
    """

    approvals: ApprovalPlan
    deletes: DeletePlan
    sources: PlanInputs
    confirmed: str | None = None

    @property
    def reasons(self) -> list[str]:
        """Why it needs a person's confirmation; empty when it does not."""
        reasons = list(self.approvals.limits_exceeded)
        if self.deletes.files:
            reasons.append(
                f"{len(self.deletes.files)} content files ({self.deletes.size_bytes} bytes) "
                "that staging no longer holds would be deleted"
            )
        return reasons

    @property
    def digest(self) -> str:
        """BLAKE3 over what needs confirmation, hex."""
        parts = {
            "approvals": self.approvals.digest if self.approvals.limits_exceeded else None,
            "deletes": self.deletes.digest if self.deletes.files else None,
        }
        return blake3(canonical_json(parts)).hexdigest()


def plan_import(
    run: RunContext, delivery: TrustedBundle, facts: ServerFacts, listing: ContentListing
) -> ImportPlan:
    """Plan everything; nothing is changed by it.

    Raises:
        ServerChangedError: The server lacks too much of what was last applied there.
        ServerUnfitError: A newer import must be finished before this bundle may repair.
    """
    sources = _gather_sources(run, delivery, facts, listing)
    present = queries.read_approvals(run)
    approvals = plan_ahead(run, sources, present)
    require_no_loss(approvals)
    view = ServerSnapshot(facts, present, listing)
    deletes = plan_deletions(run, delivery, view, sources=sources, approvals=approvals)
    return ImportPlan(approvals, deletes, sources)


def require_confirmed(
    run: RunContext, delivery: TrustedBundle, plan: ImportPlan, *, confirm: str | None
) -> ImportPlan:
    """Stop before the first change when a person must see the plan, and has not confirmed it.

    Raises:
        DeleteLimitError: It deletes more than the site ever allows.
        PlanUnconfirmedError: It takes away more than the site allows, or deletes.
    """
    require_within_limits(run, plan.deletes)
    if not plan.reasons:
        return plan
    run.report.note(plan_digest=plan.digest)
    given, work = (confirm or "").lower(), delivery.work.text
    approvals, deletes = plan.approvals, plan.deletes
    if given == plan.digest:
        remember_confirmation(run, work, given, approvals=approvals, deletes=deletes)
    elif not (
        plan.sources.begun and covers(run, work, given, approvals=approvals, deletes=deletes)
    ):
        other = ["the digest that was given is another plan's"] if given else []
        summary = "; ".join([*plan.reasons, *other])
        raise PlanUnconfirmedError(summary=summary, plan_digest=plan.digest)
    return replace(plan, confirmed=given)


def _gather_sources(
    run: RunContext, delivery: TrustedBundle, facts: ServerFacts, listing: ContentListing
) -> PlanInputs:
    record = run.imports.by_digest(delivery.digest)
    standing = newest_folder(run, delivery)
    return PlanInputs(
        incoming=read_decisions_file(standing / APPROVALS),
        index=standing / INDEX,
        choice=content_choice(facts),
        find_content=_after_placing(delivery, listing),
        begun=record is not None and record.status == "begun",
    )


def newest_folder(run: RunContext, delivery: TrustedBundle) -> Path:
    """Whose metadata and decisions count after this import: the newest bundle's.

    Raises:
        FailedError, ServerUnfitError: It is damaged; or its import is not finished.
    """
    newest = run.imports.newest()
    if newest is None or not delivery.arrival.is_superseded:
        return delivery.arrival.folder
    if newest.status != "done":
        raise ServerUnfitError(
            side="disconnected",
            reason=f"the import of bundle {newest.sequence} was begun and is not finished",
            remedy=f"Import bundle {newest.sequence} to its end first.",
        )
    require_documents(newest)
    return newest.folder


def _after_placing(delivery: TrustedBundle, listing: ContentListing) -> ContentLookup:
    """What will lie in WsusContent once the bundle is placed: by digest."""
    holdings = delivery.holdings

    def look_up(digest: ContentDigest) -> PresentFile | None:
        found = listing.find(digest)
        if found is not None and found.is_valid:
            return found
        coming = holdings.carried_bytes(digest)
        return found if coming is None else PresentFile(coming, is_valid=True)

    return look_up


# --- the first change -------------------------------------------------------------------------


# --- metadata ---------------------------------------------------------------------------------


# --- approvals -------------------------------------------------------------------------------


def plan_approvals(
    run: RunContext, delivery: TrustedBundle, plan: ImportPlan, listing: ContentListing
) -> ApprovalPlan:
    """Plan anew from what the server says now that it has the metadata.

    A confirmation holds for what it was given to; a plan that takes away more is judged anew.
    """
    sources = PlanInputs(
        plan.sources.incoming, plan.sources.index, plan.sources.choice, listing.find
    )
    now = plan_now(run, sources, queries.read_approvals(run))
    is_confirmed = plan.confirmed is not None and covers(
        run, delivery.work.text, plan.confirmed, approvals=now, deletes=plan.deletes
    )
    return now if is_confirmed else without_excess(run, now)


def describe_plan(run: RunContext, plan: ImportPlan) -> None:
    """Show a plan before anybody is asked to confirm it."""
    named = {each.update_id for each in shown_actions(plan.approvals)}
    named |= {each.update_id for each in plan.approvals.kept[:MOST_ROWS]}
    titles = read_titles(plan.sources.index, named)
    asked = plan.digest if plan.reasons else None
    run.report.sections.append(plan_section(plan.approvals, titles, digest=asked))
    if plan.approvals.kept:
        run.report.sections.append(kept_section(plan.approvals.kept, titles))
    if plan.deletes.files or plan.deletes.still_needed:
        run.report.sections.append(deletes_section(plan.deletes))
