"""The disconnected side of an import: the plan, then content, then metadata, then approvals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from blake3 import blake3

from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.canonical import canonical_json
from tasks.bundle.layout import APPROVALS, MANIFEST, PACKAGE
from tasks.bundle.manifest import Entry, compare_sorted, read_entries
from tasks.content.deletion import DeletePlan
from tasks.content.names import Blake3, ContentDigest
from tasks.content.place import PlaceItem
from tasks.content.place import place as place_files
from tasks.content.scan import scan
from tasks.errors import (
    AirGapError,
    BatchFailedError,
    PlanUnconfirmedError,
    ServerUnfitError,
)
from tasks.hosts.small_files import write_atomic
from tasks.importing.approval_run import (
    PlanInputs,
    plan_ahead,
    plan_now,
    read_decisions_file,
    require_no_loss,
    without_excess,
)
from tasks.importing.confirmation import covers, remember_confirmation
from tasks.importing.incoming import TrustedBundle
from tasks.importing.mirror_deletion import plan_deletions, require_within_limits
from tasks.ledger.imports import ImportRecord
from tasks.metadata.audit import ContentLookup, PresentFile
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import PackageSignal
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.stored_documents import require_documents
from tasks.server import queries, wsusutil_run
from tasks.server.content_listing import ContentListing
from tasks.server.snapshot import ServerSnapshot, content_choice

# A package of which a hundredth is missing escapes such a sample once in five hundred million.
_SAMPLE_UPDATES = 2_000


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
    given, work = (confirm or "").lower(), delivery.work
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
    standing = _standing_folder(run, delivery)
    return PlanInputs(
        incoming=read_decisions_file(standing / APPROVALS),
        index=standing / INDEX,
        choice=content_choice(facts),
        held=_after_placing(delivery, listing),
        begun=record is not None and record.status == "begun",
    )


def _standing_folder(run: RunContext, delivery: TrustedBundle) -> Path:
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
        found = listing.held(digest)
        if found is not None and found.is_valid:
            return found
        coming = holdings.carried_bytes(digest)
        return found if coming is None else PresentFile(coming, is_valid=True)

    return look_up


# --- the first change -------------------------------------------------------------------------


def begin(run: RunContext, delivery: TrustedBundle, facts: ServerFacts) -> None:
    """Remember durably, before the first change, that this bundle is being imported."""
    header = delivery.header
    run.ledger.set_fact_once("chain", header.chain)
    run.ledger.set_fact_once("staging_server", header.server.id)
    run.ledger.set_fact_once("disconnected_server", facts.server_id)
    _remember_gap(run, delivery)
    run.imports.begin(
        ImportRecord(
            header_digest=delivery.digest,
            sequence=header.sequence,
            status="begun",
            folder=delivery.arrival.folder,
            created=header.created,
            begun=run.clock(),
            done=None,
            outcome=None,
        )
    )


def _remember_gap(run: RunContext, delivery: TrustedBundle) -> None:
    """Remember which bundle never came although later ones count on it, until all is brought."""
    verdict = delivery.arrival.verdict
    if verdict is None or verdict.kind == "repair":
        return
    if verdict.gap is not None:
        run.imports.remember_lost(verdict.gap.sequence)
    elif delivery.header.base is None:
        run.imports.remember_lost(None)


def place_content(run: RunContext, delivery: TrustedBundle, listing: ContentListing) -> int:
    """Move content from the intake into WsusContent; how many files were moved.

    Raises:
        BatchFailedError: Some could not be moved; the others stay in place.
    """
    wanted = (
        PlaceItem(entry.name, entry.size_bytes)
        for entry in _to_place(run, delivery)
        if not ((held := listing.look_up(entry.name)) and held.is_valid)
    )
    moved = 0
    failed: list[tuple[PlaceItem, AirGapError]] = []
    run.progress.start("Place content", total=None, unit="files")
    try:
        for placed in place_files(
            run.server, run.intake, listing.content_dir, wanted, progress=run.progress
        ):
            moved += len(placed.moved)
            failed += placed.failed
    finally:
        run.progress.finish()
    if failed:
        raise BatchFailedError(
            what="placing content",
            failed=len(failed),
            total=moved + len(failed),
            first=failed[0][1].message,
        )
    return moved


def _to_place(run: RunContext, delivery: TrustedBundle) -> Iterator[Entry]:
    """What belongs in WsusContent of what is carried: not what a newer bundle no longer names."""
    carried = (entry for entry in delivery.manifest.entries() if entry.is_carried)
    if not delivery.arrival.is_superseded:
        return carried
    newest = run.holdings(read_entries(_standing_folder(run, delivery) / MANIFEST))
    return (entry for entry in carried if newest.has(entry.sha1))


def list_placed(
    run: RunContext, delivery: TrustedBundle, listing: ContentListing
) -> ContentListing:
    """List WsusContent anew; what was just placed, proved on its way, is remembered as such."""
    after = run.listing(listing.content_dir)
    after.fill(scan(run.server, listing.content_dir, remembered=run.hashes.lookup))
    pairs = compare_sorted(
        after,
        _to_place(run, delivery),
        left_order=lambda file: file.name.order,
        right_order=lambda entry: entry.order,
    )
    batch = [
        (file, entry.digests)
        for pair in pairs
        if (file := pair.left) is not None
        and (entry := pair.right) is not None
        and file.digests != entry.digests
        and file.size_bytes == entry.size_bytes
    ]
    run.hashes.remember(batch, now=run.clock())
    after.settle(batch)
    return after


# --- metadata ---------------------------------------------------------------------------------


def is_loaded(run: RunContext, delivery: TrustedBundle, sources: PlanInputs) -> bool:
    """Whether this package was loaded, and the server still knows every revision in question."""
    if delivery.arrival.is_superseded:
        return True
    done = run.ledger.step(delivery.work, "metadata")
    if done is None or json.loads(done) != delivery.header.package.blake3.hex:
        return False
    wanted = _concerned(delivery, sources)
    return queries.read_revisions(run, wanted).keys() >= set(wanted)


def load_metadata(
    run: RunContext, delivery: TrustedBundle, sources: PlanInputs, before: ServerFacts
) -> None:
    """Have wsusutil import the package, and judge it by all signals.

    Raises:
        WsusutilError, ServiceDownError: It did not succeed; the next run starts another.
    """
    expected = delivery.header.package.blake3
    on_server = _bring_package(run, delivery.package, delivery.work, expected)
    started = wsusutil_run.start_or_find(run, "import", work=delivery.work, package=on_server)
    attempt = started.attempt
    ending = wsusutil_run.wait_for(run, attempt)
    with PackageIndex(delivery.index) as index:
        revisions = index.summary.revisions
    after = wsusutil_run.digest_on_server(run, run.server.path(attempt.package))
    signal = PackageSignal(
        size_bytes=None if after is None else delivery.header.package.size_bytes,
        revisions=revisions,
        changed=after != expected,
    )
    judgement = wsusutil_run.judge(
        run, attempt, ending, signal, before=before, wanted=_expected(delivery, sources)
    )
    wsusutil_run.forget(run, attempt, work=delivery.work)
    if wsusutil_run.is_old_failure(run, started, judgement):
        load_metadata(run, delivery, sources, before)
        return
    wsusutil_run.require_success(run, attempt, judgement)
    run.ledger.finish_step(delivery.work, "metadata", json.dumps(expected.hex), now=run.clock())


def _bring_package(run: RunContext, package: Path, work: str, expected: Blake3) -> str:
    """Copy the verified package to the server, unless it lies there; only a whole copy is named."""
    folder = run.folders.work_folder(work)
    run.server.make_private_folder(folder)
    target = folder.joined(PACKAGE)
    if wsusutil_run.digest_on_server(run, target) == expected:
        return target.text
    run.server.remove_tree(target)  # whatever has the name: a folder, a link, another package
    write_atomic(run.server, target, run.media.read(run.media.path(str(package))))
    return target.text


def _concerned(delivery: TrustedBundle, sources: PlanInputs) -> list[RevisionId]:
    """Revisions with an incoming decision, as far as the package has them."""
    with PackageIndex(delivery.index) as index:
        named = sources.incoming.revisions()
        return sorted(key for key in named if index.revision(*key) is not None)


def _expected(delivery: TrustedBundle, sources: PlanInputs) -> Iterator[RevisionId]:
    """Revisions that the server must have once it took the package in.

    Those with an incoming decision, and of the other updates that can be approved a sample, spread
    evenly: each costs the API a call. Whether it finds a category or a bundled child by its id,
    nobody documents.
    """
    concerned = _concerned(delivery, sources)
    yield from concerned
    decided = set(concerned)
    with PackageIndex(delivery.index) as index:
        step = max(1, index.count_updates() // _SAMPLE_UPDATES)
        sample = islice(index.approvable(), 0, None, step)
        yield from (key for key in sample if key not in decided)


# --- approvals -------------------------------------------------------------------------------


def plan_approvals(
    run: RunContext, delivery: TrustedBundle, plan: ImportPlan, listing: ContentListing
) -> ApprovalPlan:
    """Plan anew from what the server says now that it has the metadata.

    A confirmation holds for what it was given to; a plan that takes away more is judged anew.
    """
    sources = PlanInputs(
        plan.sources.incoming, plan.sources.index, plan.sources.choice, listing.held
    )
    now = plan_now(run, sources, queries.read_approvals(run))
    is_confirmed = plan.confirmed is not None and covers(
        run, delivery.work, plan.confirmed, approvals=now, deletes=plan.deletes
    )
    return now if is_confirmed else without_excess(run, now)
