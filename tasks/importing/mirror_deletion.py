"""Deletions of a mirror: planned before the first change of an import, and carried out last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import Columns, revision_set
from tasks.approvals.model import Decline, approved_revisions
from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.carry import MOST_FAILURES
from tasks.bundle.manifest import compare_sorted
from tasks.content.content_listing import ContentListing
from tasks.content.deletion import DeleteLimits, DeletePlan, plan_deletes
from tasks.content.names import ContentDigest
from tasks.content.scan import ContentFile
from tasks.errors import BatchFailedError
from tasks.hosts.host import Host, Outcome
from tasks.hosts.paths import HostPath
from tasks.importing.approval_choice import are_applied
from tasks.importing.approval_run import PlanInputs
from tasks.importing.confirmation import keep_for_undeleted
from tasks.importing.trusted_bundle import BundleDocuments
from tasks.logs import log
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import read_closures
from tasks.quantities import count, size
from tasks.refusals import DeleteLimitError
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.folders import ContentDiskFolders, make_disk_folders
from tasks.run.report import ReportDraft
from tasks.server import queries
from tasks.server.snapshot import ServerSnapshot
from tasks.site.settings import PolicySection

_NOTHING = DeletePlan((), 0, 0)


def plan_deletions(
    run: RunContext,
    bundle: BundleDocuments,
    snapshot: ServerSnapshot,
    *,
    inputs: PlanInputs,
    approvals: ApprovalPlan,
) -> DeletePlan:
    """Plan the content files that a mirror deletes.

    The plan is empty for an incremental or superseded bundle, and for an empty manifest.
    """
    if bundle.header.mode != "mirror" or bundle.header.counts.files == 0:
        return _NOTHING
    if bundle.incoming.is_superseded:
        return _NOTHING
    surplus = list(_surplus(bundle, snapshot.content))
    if not surplus:
        return _NOTHING
    with PackageIndex(inputs.index) as index:
        if not are_applied(run.site):
            inputs = _without_declines(inputs)
        revisions = _needed_revisions(index, inputs, snapshot.decisions, approvals)
        surplus_digests = {file.name.digest for file in surplus}
        needed = _needed_files(index, revisions, inputs, surplus_digests)
        unnamed = {digest for digest in surplus_digests if index.file(digest) is None}
        if unnamed and _has_local_update(run, index, snapshot):
            needed |= unnamed
        return plan_deletes(
            surplus,
            is_needed=needed.__contains__,
            present=snapshot.content.totals()[0],
        )


def require_within_limits(policy: PolicySection, plan: DeletePlan) -> None:
    """Require that a plan deletes no more than the site ever allows, confirmed or not.

    Raises:
        DeleteLimitError: It deletes more.
    """
    excess = plan.exceeds(delete_limits(policy))
    if excess:
        raise DeleteLimitError(reason=excess)


def delete_limits(policy: PolicySection) -> DeleteLimits:
    """Return what a site lets a mirror delete."""
    return DeleteLimits(
        policy.max_deletes, policy.max_delete_share, size_bytes=policy.max_delete_bytes
    )


def delete_planned(
    run: RunContext,
    bundle: BundleDocuments,
    plan: DeletePlan,
    content: ContentListing,
    *,
    confirmed: str | None,
) -> None:
    """Move planned files to the trash, report and record it.

    The confirmation goes on for the files that could not be moved, and for no other file; removals
    and declines that were confirmed with them stay covered.

    Args:
        run: The run.
        bundle: The bundle.
        plan: The plan.
        content: Listing of WsusContent.
        confirmed: Digest of the plan that a person has confirmed.

    Raises:
        BatchFailedError: As ``delete``.
    """
    disk = run.content_disk(content.content_dir)
    outcome = delete(run.server, disk, plan, content, bundle=bundle.header.bundle)
    run.report.changes["files deleted"] += len(outcome.ok)
    sentence = report_deleted(run.report, plan, outcome, trash=disk.trash, confirmed=confirmed)
    name, digest = bundle.header.bundle, bundle.digest.hex
    record_event(run, "deleted", sentence, bundle=name, digest=digest)
    steps = run.ledger.steps(bundle.work.text)
    undeleted = [source.name for (source, _), _ in outcome.failed]
    keep_for_undeleted(steps, undeleted, now=run.clock())
    log.info("moved %s files to the trash", len(outcome.ok))


def delete(
    server: Host,
    disk: ContentDiskFolders,
    plan: DeletePlan,
    listing: ContentListing,
    *,
    bundle: str,
) -> Outcome[tuple[HostPath, HostPath]]:
    """Move planned files to the trash on the same disk; return the moves that were made or failed.

    A file that cannot be moved, because a program has it open, stays where it is.

    A file that an earlier try of the step has moved counts as moved: ``listing`` is from before it.

    Args:
        server: The server.
        disk: Our folders on the content disk.
        plan: The plan.
        listing: Listing of WsusContent; planned files that it lacks are skipped.
        bundle: Name of the bundle; its folder in the trash gets the files.

    Raises:
        BatchFailedError: None of several files could be moved, or too many could not.
    """
    make_disk_folders(server, disk, disk.trash)
    trash = disk.trash.joined(bundle)
    moves = []
    for file in plan.files:
        if listing.look_up(file.name) is None:
            continue
        folder = trash.joined(file.name.folder)
        server.make_folder(folder)
        moves.append((file.path, folder.joined(file.name.text)))
    if not moves:
        return Outcome((), ())
    outcome = server.rename(moves)
    folders = {move[0].parent for move in moves} | {move[1].parent for move in moves}
    server.flush_folders(sorted(folders, key=lambda folder: folder.text))
    outcome = _count_moved(server, outcome)
    if len(outcome.failed) > MOST_FAILURES or (len(outcome.failed) > 1 and not outcome.ok):
        raise BatchFailedError(
            what="moving content to the trash",
            failed=len(outcome.failed),
            total=len(moves),
            first=outcome.failed[0][1].message,
        )
    return outcome


def _count_moved(
    server: Host, outcome: Outcome[tuple[HostPath, HostPath]]
) -> Outcome[tuple[HostPath, HostPath]]:
    """Count a move as made if its source is gone and its target is there: by an earlier try."""
    folders = {path.parent for move, _ in outcome.failed for path in move}
    present = {
        folder.joined(stat.name).text.upper()  # NTFS ignores case
        for folder in folders
        for stat in server.list_folder(folder)
    }

    def is_made(move: tuple[HostPath, HostPath]) -> bool:
        source, target = (path.text.upper() for path in move)
        return source not in present and target in present

    made = [move for move, _ in outcome.failed if is_made(move)]
    failed = tuple(pair for pair in outcome.failed if not is_made(pair[0]))
    return Outcome((*outcome.ok, *made), failed)


def report_deleted(
    report: ReportDraft,
    plan: DeletePlan,
    outcome: Outcome[tuple[HostPath, HostPath]],
    *,
    trash: HostPath,
    confirmed: str | None,
) -> str:
    """Report what was deleted, where it lies and what confirmed it; return the sentence.

    Args:
        report: The report of the run that deleted.
        plan: The plan.
        outcome: Moves of this run; a killed run may have moved the other files. Those that failed
            are named, and flag the run.
        trash: Our trash on the content disk.
        confirmed: Digest of the plan, which a person has confirmed.
    """
    moved = len(outcome.ok)
    for (source, _), error in outcome.failed:
        report.notice(
            f"{source.name} was not deleted: {error.message}. Import the same bundle again once "
            "nothing has the file open"
        )
    sentence = (
        f"{count(moved)} of {count(len(plan.files), 'file')} ({size(plan.size_bytes)} in all) were "
        f"deleted: they lie in {trash}; the plan was confirmed by {confirmed or 'an earlier run'}"
    )
    report.lines.append(sentence)
    report.details["deleted"] = {
        "files": moved,
        "planned": len(plan.files),
        "bytes": plan.size_bytes,
        "trash": str(trash),
        "confirmed": confirmed,
    }
    return sentence


def _surplus(bundle: BundleDocuments, listing: ContentListing) -> Iterator[ContentFile]:
    pairs = compare_sorted(
        listing,
        bundle.manifest.entries(),
        first_order=lambda file: file.name.order,
        second_order=lambda entry: entry.order,
    )
    return (pair.first for pair in pairs if pair.first is not None and pair.second is None)


def _has_local_update(run: RunContext, index: PackageIndex, snapshot: ServerSnapshot) -> bool:
    """Return True if the server has an update that the package does not have.

    Such an update was published locally, or is gone from staging. It may own files that the
    package does not name, so the caller deletes no unnamed file. The server's number of updates is
    compared with the number of the package's updates that it has.
    """
    newest = (RevisionId(key.update_id, 0) for key in index.approvable())
    present = revision_set(key for key, _ in queries.read_revisions(run, newest))
    return snapshot.facts.update_count > len(present)


def _without_declines(inputs: PlanInputs) -> PlanInputs:
    return replace(inputs, incoming=replace(inputs.incoming, declines=Columns.of(Decline)))


def _needed_revisions(
    index: PackageIndex, inputs: PlanInputs, present: ServerDecisions, approvals: ApprovalPlan
) -> Collection[RevisionId]:
    """Return the revisions whose files must stay.

    They are the newest revision of every update, and every revision that is approved here or in
    the bundle, parked ones included; without updates that are, or will be, declined.
    """
    declined = present.approval_set.declined_ids().keys() | inputs.incoming.declined_ids().keys()
    declined -= {waiting.update_id for waiting in (*approvals.held, *approvals.kept)}
    approved = approved_revisions(present.approval_set, inputs.incoming)
    return revision_set(
        key for key in chain(index.approvable(), approved) if key[0] not in declined
    )


def _needed_files(
    index: PackageIndex,
    revisions: Iterable[RevisionId],
    inputs: PlanInputs,
    among: Collection[ContentDigest],
) -> set[ContentDigest]:
    """Return the digests in ``among`` whose files some of the revisions need."""
    return {
        file.name.digest
        for closure in read_closures(index, revisions, inputs.choice)
        for file in closure.files
        if file.name.digest in among
    }
