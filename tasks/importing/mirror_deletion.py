"""Deletions of a mirror, planned before the first change and carried out last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import revision_set
from tasks.approvals.model import approved_revisions
from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.manifest import compare_sorted
from tasks.content.content_listing import ContentListing
from tasks.content.deletion import DeleteLimits, DeletePlan, plan_deletes
from tasks.content.names import ContentDigest
from tasks.content.scan import ContentFile
from tasks.errors import BatchFailedError
from tasks.importing.approval_run import PlanInputs
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import read_closures
from tasks.refusals import DeleteLimitError
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.folders import make_disk_folders
from tasks.server import queries
from tasks.server.snapshot import ServerSnapshot

_NOTHING = DeletePlan((), 0, 0)


def plan_deletions(
    run: RunContext,
    delivery: TrustedBundle,
    view: ServerSnapshot,
    *,
    sources: PlanInputs,
    approvals: ApprovalPlan,
) -> DeletePlan:
    """Plan what a mirror deletes; nothing for an incremental bundle or an empty manifest."""
    if delivery.header.mode != "mirror" or delivery.header.counts.files == 0:
        return _NOTHING
    if delivery.arrival.is_superseded:
        return _NOTHING
    surplus = list(_surplus(delivery, view.content))
    if not surplus:
        return _NOTHING
    with PackageIndex(sources.index) as index:
        wanted = _wanted(index, sources, view.decisions, approvals)
        surplus_digests = {file.name.digest for file in surplus}
        kept = _needed(index, wanted, sources, surplus_digests)
        unnamed = {digest for digest in surplus_digests if index.file(digest) is None}
        if unnamed and _has_local(run, index, view):
            kept |= unnamed
        return plan_deletes(
            surplus,
            is_needed=kept.__contains__,
            present=view.content.totals()[0],
        )


def require_within_limits(run: RunContext, plan: DeletePlan) -> None:
    """See that a plan deletes no more than the site ever allows, confirmed or not.

    Raises:
        DeleteLimitError: It does.
    """
    policy = run.site.policy
    limits = DeleteLimits(
        policy.max_deletes, policy.max_delete_share, size_bytes=policy.max_delete_bytes
    )
    broken = plan.exceeds(limits)
    if broken:
        raise DeleteLimitError(reason=broken)


def delete(
    run: RunContext, delivery: TrustedBundle, plan: DeletePlan, listing: ContentListing
) -> int:
    """Move planned files to the trash on the same disk; how many were moved.

    Raises:
        BatchFailedError: Some could not be moved; they stay where they are.
    """
    disk = run.folders.on_content_disk(listing.content_dir)
    make_disk_folders(run.server, disk, disk.trash)
    trash = disk.trash.joined(delivery.header.bundle)
    moves = []
    for file in plan.files:
        if listing.look_up(file.name) is None:
            continue
        folder = trash.joined(file.name.folder)
        run.server.make_folder(folder)
        moves.append((file.path, folder.joined(file.name.text)))
    if not moves:
        return 0
    outcome = run.server.rename(moves)
    folders = {move[0].parent for move in moves} | {move[1].parent for move in moves}
    run.server.flush_folders(sorted(folders, key=lambda folder: folder.text))
    if outcome.failed:
        raise BatchFailedError(
            what="moving content to the trash",
            failed=len(outcome.failed),
            total=len(moves),
            first=outcome.failed[0][1].message,
        )
    return len(outcome.ok)


def _surplus(delivery: TrustedBundle, listing: ContentListing) -> Iterator[ContentFile]:
    pairs = compare_sorted(
        listing,
        delivery.manifest.entries(),
        first_order=lambda file: file.name.order,
        second_order=lambda entry: entry.order,
    )
    return (pair.first for pair in pairs if pair.first is not None and pair.second is None)


def _has_local(run: RunContext, index: PackageIndex, view: ServerSnapshot) -> bool:
    """Whether the server holds an update that the package does not have.

    Such a one (published here, or gone from staging) may own files that the package does not
    name: then nothing unnamed is touched. The server shows as many updates as it has, and says of
    each of the package's whether it is among them.
    """
    newest = (RevisionId(key.update_id, 0) for key in index.approvable())
    there = revision_set(key for key, _ in queries.read_revisions(run, newest))
    return view.facts.update_count > len(there)


def _wanted(
    index: PackageIndex, sources: PlanInputs, present: ServerDecisions, approvals: ApprovalPlan
) -> Collection[RevisionId]:
    """The revisions whose files must stay.

    The newest of every update that will not be declined, and every one that is approved, will
    be, or is parked.
    """
    declined = present.approval_set.declined_ids().keys() | sources.incoming.declined_ids().keys()
    declined -= {each.update_id for each in (*approvals.held, *approvals.kept)}
    approved = approved_revisions(present.approval_set, sources.incoming)
    return revision_set(
        key for key in chain(index.approvable(), approved) if key[0] not in declined
    )


def _needed(
    index: PackageIndex,
    wanted: Iterable[RevisionId],
    sources: PlanInputs,
    among: Collection[ContentDigest],
) -> set[ContentDigest]:
    """Which of some files a wanted revision needs."""
    return {
        file.name.digest
        for closure in read_closures(index, wanted, sources.choice)
        for file in closure.files
        if file.name.digest in among
    }
