"""Metadata package of an export: have wsusutil write it, judge, fetch and index it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tasks.approvals.capture import ServerDecisions
from tasks.bundle.layout import PACKAGE
from tasks.content import digest
from tasks.errors import PackageError, PackageLimitError
from tasks.exporting.draft import Draft
from tasks.exporting.shared_package import (
    fetch_shared,
    find_begun,
    record_begin,
    share_package,
    was_taken,
)
from tasks.ledger.steps import Attempt, ExportedPackage
from tasks.ledger.store import Ledger
from tasks.logs import log
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX, PackageSummary, index_package
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import Judgement, PackageSignal, contradiction
from tasks.names import Side
from tasks.progress import Progress
from tasks.run.context import RunContext
from tasks.server import wsusutil_run


def find_package(ledger: Ledger, draft: Draft, facts: ServerFacts) -> ExportedPackage | None:
    """Return the package that an earlier run of this export fetched, if it still holds.

    Its bytes must be unchanged, and so must the server's counts unless the draft is committed.
    """
    package = ledger.steps(draft.work.text).package
    if package is None:
        return None
    if digest.blake3_of_file(package.path) != package.blake3:
        return None
    if not (draft.folder / INDEX).is_file():
        return None
    is_current = package.counts == _counts(facts) and not facts.arrived_since
    return package if draft.is_committed or is_current else None


def export_package(
    run: RunContext, draft: Draft, facts: ServerFacts, decisions: ServerDecisions
) -> ExportedPackage:
    """Have wsusutil export the metadata, judge it by all signals, fetch and index the package.

    Raises:
        WsusutilError, ServiceDownError: It did not succeed; the next run starts another attempt.
        WsusutilRunningError: Another wsusutil has begun since the run checked.
        PackageLimitError: The package is above a limit of its reader; wsusutil is not judged.
    """
    started = wsusutil_run.start_or_find(
        run,
        "export",
        work=draft.work,
        before_start=lambda attempt: record_begin(run, facts, attempt),
    )
    steps = run.ledger.steps(draft.work.text)
    try:
        judgement, summary = _judge_attempt(run, draft, facts, decisions, attempt=started.attempt)
    except PackageLimitError:
        steps.forget_attempt("export")  # the next run may find another package
        raise
    steps.forget_attempt("export")
    if wsusutil_run.is_old_failure(run.report, started, judgement):
        given = (run, draft, facts, decisions)
        return take_shared(*given) or export_package(*given)
    wsusutil_run.require_success(run.site.side, started.attempt, judgement)
    if summary is None:  # cannot happen: a package that was not read is a bad signal
        raise PackageError(path=draft.folder / PACKAGE, reason="it was not read")
    exported = _finish(run.ledger, draft, facts, summary, now=run.clock())
    share_package(run, facts, started.attempt, exported)
    return exported


def take_begun(
    run: RunContext, draft: Draft, facts: ServerFacts, decisions: ServerDecisions
) -> ExportedPackage | None:
    """Use what a wsusutil wrote that another site's export began and did not live to judge.

    It is judged by all signals as one of our own; one that failed is a line in the report.
    """
    if run.ledger.steps(draft.work.text).attempt("export") is not None:
        return None
    begun = find_begun(run, facts)
    if begun is None:
        return None
    then = facts.model_copy(update={"clock": begun.read_at})
    try:
        judgement, summary = _judge_attempt(run, draft, then, decisions, attempt=begun.attempt)
    except PackageLimitError as error:
        log.warning("the package of site %s is not used: %s", begun.site, error)
        return None
    if not judgement.succeeded or summary is None:
        run.report.lines.append(
            f"a wsusutil export that a run of site {begun.site} had begun failed "
            f"({judgement.reason}), and was put aside"
        )
        return None
    log.info("wsusutil is not run again: one that a run of site %s began is used", begun.site)
    run.report.lines.append(
        f"the metadata package was written by a wsusutil that a run of site {begun.site} began; "
        "that run is gone, so it was judged here"
    )
    exported = _finish(run.ledger, draft, facts, summary, now=run.clock())
    share_package(run, then, begun.attempt, exported)
    return exported


def _judge_attempt(
    run: RunContext,
    draft: Draft,
    facts: ServerFacts,
    decisions: ServerDecisions,
    *,
    attempt: Attempt,
) -> tuple[Judgement, PackageSummary | None]:
    """Wait for the end of an attempt, fetch and read its package, and judge it by all signals."""
    ending = wsusutil_run.wait_for(run, attempt)
    signal, summary = take_package(run, draft, attempt)
    if summary is not None:
        with PackageIndex(draft.folder / INDEX) as index:
            problem = contradiction(index, facts, decisions.told_updates())
            signal = replace(signal, problem=problem)
    return wsusutil_run.judge(run, attempt, ending, signal, before=facts), summary


def take_shared(
    run: RunContext, draft: Draft, facts: ServerFacts, decisions: ServerDecisions
) -> ExportedPackage | None:
    """Use the package that another site's export of this very catalogue has left, if there is one.

    It is read and compared with the server as one that wsusutil has just written.
    """
    steps = run.ledger.steps(draft.work.text)
    own = steps.attempt("export")
    if own is not None and not was_taken(run.server, own):
        return None
    record = fetch_shared(run, facts, draft.folder / PACKAGE)
    if record is None:
        return None
    try:
        summary = _index_package(run.progress, draft, size_bytes=record.size_bytes)
    except PackageError:
        return None
    then = facts.model_copy(update={"clock": record.read_at})  # it may be old, unlike a new one
    with PackageIndex(draft.folder / INDEX) as index:
        if problem := contradiction(index, then, decisions.told_updates()):
            log.warning("the package of site %s is not used: %s", record.site, problem)
            return None
    log.info("wsusutil is not run: the package of site %s is that of this catalogue", record.site)
    run.report.lines.append(
        f"the metadata package was made by the export of site {record.site}, and proved by digest"
    )
    steps.forget_attempt("export")  # if there was one, it was judged for another site
    return _finish(run.ledger, draft, facts, summary, now=run.clock())


def _finish(
    ledger: Ledger, draft: Draft, facts: ServerFacts, summary: PackageSummary, *, now: datetime
) -> ExportedPackage:
    """Record the package as this draft's, and the server as the one that it is of."""
    exported = ExportedPackage(
        path=draft.folder / PACKAGE,
        blake3=summary.blake3,
        size_bytes=summary.package_bytes,
        revisions=summary.revisions,
        counts=_counts(facts),
    )
    # Not before, because the package proves that this is the server's id. Another one than before
    # has come this far only by a person's word (``checks/accepting.rebuilt_staging``).
    ledger.replace_server(Side.STAGING, facts.server_id)
    ledger.steps(draft.work.text).finish_package(exported, now=now)
    return exported


def take_package(
    run: RunContext, draft: Draft, attempt: Attempt
) -> tuple[PackageSignal, PackageSummary | None]:
    """Fetch the package and read it to its end; a fault of the package becomes a signal.

    Raises:
        PackageLimitError: The package is above a limit of its reader.

    Returns:
        The signal, and the summary of the package if it could be read.
    """
    target = draft.folder / PACKAGE
    try:
        source = run.server.path(attempt.package)
        size_bytes = wsusutil_run.fetch_package(run.server, run.media, source, target)
        if not size_bytes:
            return PackageSignal(size_bytes), None
        summary = _index_package(run.progress, draft, size_bytes=size_bytes)
    except PackageLimitError:
        raise  # it says nothing about wsusutil, so it is no signal
    except PackageError as error:
        return PackageSignal(None, problem=str(error.facts.get("reason", error))), None
    return PackageSignal(size_bytes, summary.revisions), summary


def _index_package(progress: Progress, draft: Draft, *, size_bytes: int) -> PackageSummary:
    progress.start("Read package", total=size_bytes, unit="bytes")
    try:
        return index_package(draft.folder / PACKAGE, draft.folder / INDEX, progress=progress)
    finally:
        progress.finish()


def _counts(facts: ServerFacts) -> tuple[int, int, int]:
    return facts.update_count, facts.declined_count, facts.approved_count
