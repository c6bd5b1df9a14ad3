"""Apply an import: content first, then metadata."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tasks.approvals.columns import revision_set
from tasks.bundle.layout import MANIFEST, PACKAGE
from tasks.bundle.manifest import Entry, compare_sorted, read_entries
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3
from tasks.content.place import PlaceItem
from tasks.content.place import place as place_files
from tasks.content.scan import scan
from tasks.errors import AirGapError, BatchFailedError
from tasks.hosts.small_files import write_atomic
from tasks.importing.approval_run import (
    PlanInputs,
)
from tasks.importing.import_plan import newest_folder
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.ledger.imports import ImportRecord
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import PackageSignal
from tasks.names import Side
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.server import queries, wsusutil_run
from tasks.server.running_wsusutil import require_no_wsusutil

# A package of which a hundredth is missing escapes such a sample once in five hundred million.
_SAMPLE_UPDATES = 2_000


def begin(run: RunContext, delivery: TrustedBundle, facts: ServerFacts) -> None:
    """Remember durably, before the first change, that this bundle is being imported.

    Raises:
        WsusutilRunningError: A wsusutil has begun while the bundle was unpacked.
    """
    require_no_wsusutil(run)
    header = delivery.header
    run.ledger.adopt_chain(header.chain)
    run.ledger.adopt_server(Side.STAGING, header.server.id)
    run.ledger.adopt_server(Side.DISCONNECTED, facts.server_id)
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
            run.server,
            run.folders.on_content_disk(listing.content_dir).intake,
            listing.content_dir,
            wanted,
            progress=run.progress,
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
    newest = run.look_up_in(read_entries(newest_folder(run, delivery) / MANIFEST))
    return (entry for entry in carried if newest.has(entry.sha1))


def list_placed(
    run: RunContext, delivery: TrustedBundle, listing: ContentListing
) -> ContentListing:
    """List WsusContent anew; what was just placed, proved on its way, is remembered as such."""
    after = run.new_listing(listing.content_dir)
    after.fill(scan(run.server, listing.content_dir, remembered=run.hash_cache.lookup))
    pairs = compare_sorted(
        after,
        _to_place(run, delivery),
        first_order=lambda file: file.name.order,
        second_order=lambda entry: entry.order,
    )
    batch = [
        (file, entry.digests)
        for pair in pairs
        if (file := pair.first) is not None
        and (entry := pair.second) is not None
        and file.digests != entry.digests
        and file.size_bytes == entry.size_bytes
    ]
    run.hash_cache.remember(batch, now=run.clock())
    after.record_digests(batch)
    return after


def is_loaded(run: RunContext, delivery: TrustedBundle, sources: PlanInputs) -> bool:
    """Whether this package was loaded, and the server still knows every revision in question."""
    if delivery.arrival.is_superseded:
        return True
    if run.ledger.steps(delivery.work.text).loaded_package != delivery.header.package.blake3:
        return False
    wanted = revision_set(_concerned(delivery, sources))
    there = revision_set(key for key, _ in queries.read_revisions(run, wanted))
    return all(key in there for key in wanted)


def load_metadata(
    run: RunContext, delivery: TrustedBundle, sources: PlanInputs, before: ServerFacts
) -> None:
    """Have wsusutil import the package, and judge it by all signals.

    Raises:
        WsusutilError, ServiceDownError: It did not succeed; the next run starts another.
    """
    expected = delivery.header.package.blake3
    work = delivery.work.text
    on_server = _bring_package(run, delivery.package, work, expected)
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
    wsusutil_run.forget(run, attempt, work=work)
    if wsusutil_run.is_old_failure(run, started, judgement):
        load_metadata(run, delivery, sources, before)
        return
    wsusutil_run.require_success(run, attempt, judgement)
    run.ledger.steps(work).finish_loading(expected, now=run.clock())


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


def _concerned(delivery: TrustedBundle, sources: PlanInputs) -> Iterator[RevisionId]:
    """Revisions with an incoming decision, ascending, as far as the package has them."""
    with PackageIndex(delivery.index) as index:
        for key in sources.incoming.revisions():
            if index.revision(*key) is not None:
                yield key


def _expected(delivery: TrustedBundle, sources: PlanInputs) -> Iterator[RevisionId]:
    """Revisions that the server must have once it took the package in.

    Those with an incoming decision, and of the other updates that can be approved a sample, spread
    evenly: each costs the API a call. Whether it finds a category or a bundled child by its id,
    nobody documents.
    """
    decided = revision_set(_concerned(delivery, sources))
    yield from decided
    with PackageIndex(delivery.index) as index:
        step = max(1, index.count_updates() // _SAMPLE_UPDATES)
        sample = islice(index.approvable(), 0, None, step)
        yield from (key for key in sample if key not in decided)
