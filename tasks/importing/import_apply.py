"""Changes of an import on the server: begin, place content, load metadata.

The safety copy and the paused downloads around the last stand in ``tasks/disconnected.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tasks.approvals.columns import revision_set
from tasks.bundle.carry import MOST_FAILURES
from tasks.bundle.layout import MANIFEST, PACKAGE
from tasks.bundle.manifest import Entry
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3
from tasks.content.place import PlaceItem
from tasks.content.place import place as place_files
from tasks.errors import AirGapError, BatchFailedError
from tasks.hosts.host import Host
from tasks.hosts.small_files import write_atomic
from tasks.importing.approval_run import PlanInputs
from tasks.importing.content_trace import record_not_placed, record_rejected
from tasks.importing.import_plan import newest_folder
from tasks.importing.rebuilt import RebuiltServer, record_rebuilt
from tasks.importing.trusted_bundle import BundleDocuments, TrustedBundle
from tasks.ledger.choices import Choices
from tasks.ledger.imports import ImportRecord, Imports
from tasks.ledger.steps import Attempt
from tasks.logs import log
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import PackageSignal
from tasks.names import Side
from tasks.revision import RevisionId
from tasks.run.context import MakeLookup, RunContext
from tasks.run.custody import record_event
from tasks.server import queries, wsusutil_run
from tasks.server.content_scan import list_and_prove
from tasks.server.running_wsusutil import require_no_wsusutil, running_job

# If a hundredth of the package is missing, such a sample misses it once in five hundred million.
_SAMPLE_UPDATES = 2_000


def begin(
    run: RunContext,
    bundle: TrustedBundle,
    facts: ServerFacts,
    rebuilt: RebuiltServer | None = None,
) -> None:
    """Record durably, before the first change, that this bundle is being imported.

    What a person decided about a rebuilt server is recorded with it.

    Raises:
        WsusutilRunningError: A wsusutil has begun while the bundle was unpacked.
    """
    require_no_wsusutil(run)
    header = bundle.header
    run.ledger.adopt_chain(header.chain)
    # Another one than before has come this far only by a person's word.
    if not bundle.incoming.is_superseded:
        run.ledger.replace_server(Side.STAGING, header.server.id)
    run.ledger.adopt_server(Side.DISCONNECTED, facts.server_id)
    if rebuilt is not None:
        record_rebuilt(run.ledger, rebuilt)
    _remember_gap(run.imports, bundle)
    _record_acceptance(run, bundle)
    run.imports.begin(
        ImportRecord(
            header_digest=bundle.digest,
            sequence=header.sequence,
            status="begun",
            folder=bundle.incoming.folder,
            created=header.created,
            begun=run.clock(),
            done=None,
            outcome=None,
        )
    )


def _remember_gap(imports: Imports, bundle: TrustedBundle) -> None:
    """Record the bundle that never arrived although later bundles build on it.

    A bundle that carries everything clears the record.
    """
    verdict = bundle.incoming.verdict
    if verdict is None or verdict.kind == "repair":
        return
    if verdict.gap is not None:
        imports.remember_lost(verdict.gap.sequence)
    elif bundle.header.base is None:
        imports.remember_lost(None)


def _record_acceptance(run: RunContext, bundle: TrustedBundle) -> None:
    """Record in the ledger that a person accepted a gap; the report names it as a notice."""
    incoming = bundle.incoming
    gap = None if incoming.verdict is None else incoming.verdict.gap
    if incoming.accepted_gap is None:
        return
    if gap is None:
        run.report.lines.append("there is no gap; --accept-gap was not needed")
        return
    Choices(run.ledger).remember(
        run.run_id,
        "accept-gap",
        sequence=gap.sequence,
        reason=incoming.accepted_gap,
        now=run.clock(),
    )
    text = f"bundle {gap.sequence} never came, which is accepted: {incoming.accepted_gap}"
    record_event(run, "decided", text, bundle=bundle.header.bundle, digest=bundle.digest.hex)


def place_content(run: RunContext, bundle: TrustedBundle, listing: ContentListing) -> int:
    """Move content from the intake into WsusContent; return the number of moved files.

    The number includes the files that an earlier try of the step has moved: they were not there,
    or were others, when ``listing`` was made. A file that cannot be moved stays in the intake and
    is named; Apply approvals parks what needs it. What was moved was proved on the way from the
    media, and counts as proved where it lies now.

    Raises:
        BatchFailedError: None of several files could be moved, or too many could not.
    """
    items = (
        PlaceItem(entry.name, entry.size_bytes, entry.digests)
        for entry in to_place(run.imports, bundle, run.look_up_in)
        if not ((present := listing.look_up(entry.name)) and present.is_valid)
    )
    moved = 0
    failed: list[tuple[PlaceItem, AirGapError]] = []
    run.progress.start("Place content", total=None, unit="files")
    try:
        for placed in place_files(
            run.server,
            run.content_disk(listing.content_dir).intake,
            listing.content_dir,
            items,
            progress=run.progress,
        ):
            moved += len(placed.moved)
            moved += sum(not listing.has(file) for file in placed.already_placed)
            run.hash_cache.remember(
                ((file, file.digests) for file in placed.moved if file.digests), now=run.clock()
            )
            failed += placed.failed
    finally:
        run.progress.finish()
    if len(failed) > MOST_FAILURES or (len(failed) > 1 and not moved):
        raise BatchFailedError(
            what="placing content",
            failed=len(failed),
            total=moved + len(failed),
            first=failed[0][1].message,
        )
    record_not_placed(
        newest_folder(run.imports, bundle),
        {item.name.digest for item, _ in failed},
        adds=bundle.incoming.is_superseded,
    )
    for item, error in failed:
        run.report.notice(f"{item.name.text} was not placed: {error.message}")
    return moved


def to_place(imports: Imports, bundle: BundleDocuments, make_lookup: MakeLookup) -> Iterator[Entry]:
    """Yield the carried entries that belong in WsusContent.

    Of a superseded bundle these are the entries that the newest bundle's manifest still names.
    """
    carried = (entry for entry in bundle.manifest.entries() if entry.is_carried)
    if not bundle.incoming.is_superseded:
        return carried
    newest = make_lookup(newest_folder(imports, bundle) / MANIFEST)
    return (entry for entry in carried if newest.has(entry.sha1))


def is_loaded(run: RunContext, bundle: TrustedBundle, inputs: PlanInputs) -> bool:
    """Return True if this package was loaded and the server still has its decided revisions."""
    if bundle.incoming.is_superseded:
        return True
    if run.ledger.steps(bundle.work.text).loaded_package != bundle.header.package.blake3:
        return False
    decided = revision_set(_decided(bundle, inputs))
    present = revision_set(key for key, _ in queries.read_revisions(run, decided))
    return all(key in present for key in decided)


def is_at_work(server: Host, attempt: Attempt | None) -> bool:
    """Return True if the wsusutil of an attempt, of an earlier try or run, is at work."""
    return attempt is not None and running_job(server, server.path(attempt.job)) is not None


def load_metadata(
    run: RunContext, bundle: TrustedBundle, inputs: PlanInputs, before: ServerFacts
) -> None:
    """Have wsusutil import the package, and judge it by all signals.

    Raises:
        WsusutilError, ServiceDownError: It did not succeed; the next run starts another attempt.
        WsusutilRunningError: Another wsusutil has begun since the run checked.
    """
    expected = bundle.header.package.blake3
    work = bundle.work.text
    started = wsusutil_run.start_or_find(
        run,
        "import",
        work=bundle.work,
        provide_package=lambda: _copy_package(run, bundle.package, work, expected),
    )
    attempt = started.attempt
    ending = wsusutil_run.wait_for(run, attempt)
    with PackageIndex(bundle.index) as index:
        revisions = index.summary.revisions
    after = wsusutil_run.digest_on_server(run.server, run.server.path(attempt.package))
    signal = PackageSignal(
        size_bytes=None if after is None else bundle.header.package.size_bytes,
        revisions=revisions,
        changed=after != expected,
    )
    judgement = wsusutil_run.judge(
        run, attempt, ending, signal, before=before, expected=_expected(bundle, inputs)
    )
    steps = run.ledger.steps(work)
    steps.forget_attempt("import")
    if wsusutil_run.is_old_failure(run.report, started, judgement):
        load_metadata(run, bundle, inputs, before)
        return
    wsusutil_run.require_success(run.site.side, attempt, judgement)
    steps.finish_loading(expected, now=run.clock())


def list_loaded(
    run: RunContext, bundle: TrustedBundle, *, before: ContentListing
) -> ContentListing:
    """List WsusContent after wsusutil, and record which files it has removed."""
    listing = list_and_prove(run, before.content_dir)
    gone = record_rejected(newest_folder(run.imports, bundle), before, listing)
    if gone:
        log.warning("%s content files are gone since the metadata were loaded", gone)
    return listing


def _copy_package(run: RunContext, package: Path, work: str, expected: Blake3) -> str:
    """Copy the verified package to the server unless it is there; return its path there.

    The copy gets its name only when it is whole.
    """
    target = run.folders.work_folder(work).joined(PACKAGE)
    if wsusutil_run.digest_on_server(run.server, target) == expected:
        return target.text
    if run.server.stat(target) is not None:  # a folder, a link or another package of that name
        require_no_wsusutil(run)  # one whose supervisor is gone may read it
        run.server.remove_tree(target)
    write_atomic(run.server, target, run.media.read(run.media.path(str(package))))
    return target.text


def _decided(bundle: TrustedBundle, inputs: PlanInputs) -> Iterator[RevisionId]:
    """Yield the package's revisions that have an incoming decision, ascending."""
    with PackageIndex(bundle.index) as index:
        for key in inputs.incoming.revisions():
            if index.revision(*key) is not None:
                yield key


def _expected(bundle: TrustedBundle, inputs: PlanInputs) -> Iterator[RevisionId]:
    """Yield the revisions that the server must have after it imported the package.

    These are all revisions with an incoming decision, and an evenly spread sample of the other
    updates that can be approved, since each costs a call of the API. Categories and bundled
    children are not among them: no document says that the API finds them by their id.
    """
    decided = revision_set(_decided(bundle, inputs))
    yield from decided
    with PackageIndex(bundle.index) as index:
        step = max(1, index.count_updates() // _SAMPLE_UPDATES)
        sample = islice(index.approvable(), 0, None, step)
        yield from (key for key in sample if key not in decided)
