"""The disconnected side, from the plan to the receipt: the only code that changes that server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from tasks.approvals.outline import ApprovalPlan
from tasks.bundle.canonical import canonical_json
from tasks.bundle.manifest import compare_sorted
from tasks.content.deletion import DeletePlan
from tasks.content.names import ContentDigest
from tasks.content.place import PlaceItem, place as place_files
from tasks.content.scan import scan
from tasks.crossing import asking, wsusutil_run
from tasks.crossing.arrival import Arrival, digests_of
from tasks.crossing.deciding import (
    Sources,
    plan_ahead,
    plan_now,
    read_decisions_file,
    without_excess,
)
from tasks.crossing.deleting import plan_deletions
from tasks.crossing.export import content_choice
from tasks.crossing.listing import Listing
from tasks.crossing.workplace import Workplace
from tasks.errors import PlanUnconfirmedError, ServerChangedError, StepsFailedError
from tasks.ledger.imports import ImportRecord
from tasks.metadata.audit import ContentLookup, ContentView, HeldFile, audit_revisions
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import PackageSignal


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import will change, decided before anything is.

    Attributes:
        confirmed: A person confirmed this very plan by its digest.
    """

    approvals: ApprovalPlan
    deletes: DeletePlan
    sources: Sources
    confirmed: bool

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
    place: Workplace,
    arrival: Arrival,
    facts: ServerFacts,
    listing: Listing,
    *,
    confirm: str | None,
) -> ImportPlan:
    """Plan everything, and stop before the first change when a person must see it.

    Raises:
        PlanUnconfirmedError: It takes away more than the site allows, or deletes.
        ServerChangedError: The server lacks too much of what was last applied there.
    """
    assert arrival.approvals is not None
    sources = Sources(
        incoming=read_decisions_file(arrival.approvals),
        index=arrival.index,
        choice=content_choice(facts),
        held=_after_placing(arrival, listing),
    )
    present = asking.read_approvals(place)
    approvals = plan_ahead(place, sources, present)
    if approvals.loss is not None:
        raise ServerChangedError(
            reason=approvals.loss,
            remedy="Find out what happened to the server. If it was restored or rebuilt on "
            "purpose, raise policy.max_lost_share for one import.",
        )
    deletes = plan_deletions(place, arrival, listing, sources, present, approvals, facts)
    plan = ImportPlan(approvals, deletes, sources, confirmed=False)
    if not plan.reasons:
        return plan
    place.note(plan_digest=plan.digest)
    if confirm is None or confirm.lower() != plan.digest:
        raise PlanUnconfirmedError(summary="; ".join(plan.reasons), plan_digest=plan.digest)
    return ImportPlan(approvals, deletes, sources, confirmed=True)


def _after_placing(arrival: Arrival, listing: Listing) -> ContentLookup:
    """What will lie in WsusContent once the bundle is placed: by digest."""
    holdings = arrival.holdings
    assert holdings is not None

    def look_up(digest: ContentDigest) -> HeldFile | None:
        found = listing.held(digest)
        if found is not None and found.is_valid:
            return found
        coming = holdings.carried_bytes(digest)
        return found if coming is None else HeldFile(coming, is_valid=True)

    return look_up


# --- the first change -------------------------------------------------------------------------


def begin(place: Workplace, arrival: Arrival, facts: ServerFacts) -> None:
    """Remember durably, before the first change, that this bundle is being imported."""
    header = arrival.header
    place.ledger.settle_fact("chain", header.chain)
    place.ledger.settle_fact("staging_server", header.server.id)
    place.ledger.settle_fact("disconnected_server", facts.server_id)
    place.imports.begin(
        ImportRecord(
            header_digest=arrival.digest,
            sequence=header.sequence,
            status="begun",
            folder=arrival.folder,
            created=header.created,
            begun=place.clock(),
            done=None,
            outcome=None,
        )
    )


def place_content(place: Workplace, arrival: Arrival, listing: Listing) -> int:
    """Move content from the intake into WsusContent; how many files were moved.

    Raises:
        StepsFailedError: Some could not be moved; the others stay in place.
    """
    assert arrival.manifest is not None

    manifest = arrival.manifest

    def wanted() -> Iterator[PlaceItem]:
        for entry in manifest.entries():
            held = listing.look_up(entry.name) if entry.is_carried else None
            if entry.is_carried and not (held and held.is_valid):
                yield PlaceItem(entry.name, entry.size_bytes)

    moved, failed = 0, []
    place.progress.start("Place content", total=None, unit="files")
    try:
        for placed in place_files(
            place.server, place.intake, listing.content_dir, wanted(), progress=place.progress
        ):
            moved += len(placed.moved)
            failed += placed.failed
    finally:
        place.progress.finish()
    if failed:
        raise StepsFailedError(
            what="placing content",
            failed=len(failed),
            total=moved + len(failed),
            first=failed[0][1].message,
        )
    return moved


def list_placed(place: Workplace, arrival: Arrival, listing: Listing) -> Listing:
    """List WsusContent anew; what was just placed, proved on its way, is remembered as such."""
    assert arrival.manifest is not None
    after = place.listing(listing.content_dir)
    after.fill(scan(place.server, listing.content_dir, remembered=place.hashes.lookup))
    pairs = compare_sorted(
        after,
        arrival.manifest.entries(),
        left_order=lambda file: file.name.order,
        right_order=lambda entry: entry.order,
    )
    batch = []
    for pair in pairs:
        file, entry = pair.left, pair.right
        if file is None or entry is None or file.digests is not None or not entry.is_carried:
            continue
        before = listing.look_up(file.name)
        if file.size_bytes == entry.size_bytes and not (before and before.is_valid is False):
            batch.append((file, digests_of(entry)))
    place.hashes.remember(batch, now=place.clock())
    after.settle(batch)
    return after


# --- metadata ---------------------------------------------------------------------------------


def is_loaded(place: Workplace, arrival: Arrival, sources: Sources) -> bool:
    """Whether this package was loaded, and the server still knows every revision in question."""
    done = place.ledger.step(arrival.work, "metadata")
    if done is None or json.loads(done) != arrival.header.package.blake3.hex:
        return False
    return not wsusutil_run.unresolved_revisions(place, _concerned(arrival, sources))


def load_metadata(place: Workplace, arrival: Arrival, sources: Sources) -> None:
    """Have wsusutil import the package, and judge it by all signals.

    Raises:
        WsusutilError, ServiceDownError: It did not succeed; the next run starts another.
    """
    assert arrival.package is not None
    expected = arrival.header.package.blake3.hex
    on_server = _bring_package(place, arrival.package, arrival.work, expected)
    before = asking.read_server(place)
    attempt = wsusutil_run.start_or_find(place, "import", work=arrival.work, package=on_server)
    ending = wsusutil_run.wait_for(place, attempt)
    with PackageIndex(arrival.index) as index:
        revisions = index.summary.revisions
    after = wsusutil_run.digest_on_server(place, place.server.path(attempt.package))
    signal = PackageSignal(
        size_bytes=None if after is None else arrival.header.package.size_bytes,
        revisions=revisions,
        changed=after != expected,
    )
    asking.make_service_run(place)
    judgement = wsusutil_run.judge(
        place,
        attempt,
        ending,
        signal,
        before=before,
        unresolved=wsusutil_run.unresolved_revisions(place, _concerned(arrival, sources)),
    )
    place.note(wsusutil=judgement)
    wsusutil_run.forget(place, attempt, work=arrival.work)
    wsusutil_run.require_success(place, attempt, judgement)
    place.ledger.finish_step(arrival.work, "metadata", json.dumps(expected), now=place.clock())


def _bring_package(place: Workplace, package: Path, work: str, expected: str) -> str:
    """Copy the verified package to the server, unless it lies there; only a whole copy is named."""
    folder = place.run_folder(work)
    place.server.make_private_folder(folder)
    target = folder.joined("metadata.xml.gz")
    if wsusutil_run.digest_on_server(place, target) == expected:
        return target.text
    beside = folder.joined("metadata.xml.gz.part")
    place.server.write(beside, place.media.read(place.media.path(str(package))))
    place.server.flush_files([beside])
    place.server.rename([(beside, target)])
    place.server.flush_folders([folder])
    return target.text


def _concerned(arrival: Arrival, sources: Sources) -> list[tuple[str, int]]:
    """Revisions with an incoming decision, as far as the package has them."""
    incoming = sources.incoming
    wanted = {(each.update_id, each.revision) for each in (*incoming.approvals, *incoming.declines)}
    with PackageIndex(arrival.index) as index:
        return sorted(key for key in wanted if index.revision(*key) is not None)


# --- approvals -------------------------------------------------------------------------------


def plan_approvals(place: Workplace, plan: ImportPlan, listing: Listing) -> ApprovalPlan:
    """Plan anew from what the server says now that it has the metadata."""
    sources = Sources(plan.sources.incoming, plan.sources.index, plan.sources.choice, listing.held)
    now = plan_now(place, sources, asking.read_approvals(place))
    return now if plan.confirmed else without_excess(place, now)


def resume_downloads(
    place: Workplace, index_path: Path, listing: Listing, facts: ServerFacts
) -> int:
    """Have WSUS look again at approved updates that failed and whose files are whole now."""
    decisions = asking.read_approvals(place)
    stuck = [each for each in decisions.unready() if each.state in {"Failed", "Canceled"}]
    if not stuck:
        return 0
    view = ContentView(choice=content_choice(facts), held=listing.held)
    with PackageIndex(index_path) as index:
        keys = [(each.update_id, each.revision) for each in stuck]
        whole = [each.key for each in audit_revisions(index, keys, view) if each.is_complete]
    lines = [
        {"n": number, "op": "resume", "update_id": key.update_id, "revision": key.revision}
        for number, key in enumerate(whole, 1)
    ]
    if lines:
        list(asking.ask(place, "apply-approvals", items=lines))
    return len(lines)
