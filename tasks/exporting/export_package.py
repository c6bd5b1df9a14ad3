"""The metadata package of an export: wsusutil writes it, we judge, fetch and index it."""

from __future__ import annotations

from dataclasses import replace

from tasks.approvals.capture import ServerDecisions
from tasks.bundle.layout import PACKAGE
from tasks.content import digest
from tasks.errors import PackageError
from tasks.exporting.draft import (
    Draft,
)
from tasks.ledger.steps import Attempt, ExportedPackage
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX, PackageSummary, index_package
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import PackageSignal, contradiction
from tasks.names import Side
from tasks.run.context import RunContext
from tasks.server import wsusutil_run


def find_package(run: RunContext, draft: Draft, facts: ServerFacts) -> ExportedPackage | None:
    """The package that an earlier run of this export fetched, when it is still there and true."""
    found = run.ledger.steps(draft.work.text).package
    if found is None:
        return None
    here = digest.blake3_of_file(found.path)
    if here != found.blake3 or not (draft.folder / INDEX).is_file():
        return None
    if draft.is_committed:
        return found
    return found if found.counts == _counts(facts) and not facts.arrived_since else None


def export_package(
    run: RunContext, draft: Draft, facts: ServerFacts, decisions: ServerDecisions
) -> ExportedPackage:
    """Have wsusutil export the metadata, judge it by all signals, fetch and index the package.

    Raises:
        WsusutilError, ServiceDownError: It did not succeed; the next run starts another.
    """
    started = wsusutil_run.start_or_find(run, "export", work=draft.work)
    attempt = started.attempt
    ending = wsusutil_run.wait_for(run, attempt)
    target = draft.folder / PACKAGE
    signal, summary = _take_package(run, draft, attempt)
    if summary is not None:
        approved = (each.update_id for each in decisions.approval_set.approvals)
        with PackageIndex(draft.folder / INDEX) as index:
            signal = replace(signal, problem=contradiction(index, facts, approved))
    judgement = wsusutil_run.judge(run, attempt, ending, signal, before=facts)
    wsusutil_run.forget(run, attempt, work=draft.work.text)
    if wsusutil_run.is_old_failure(run, started, judgement):
        return export_package(run, draft, facts, decisions)
    wsusutil_run.require_success(run, attempt, judgement)
    if summary is None:  # a judgement that saw success saw it
        raise PackageError(path=target, reason="it was not read")
    exported = ExportedPackage(
        path=target,
        blake3=summary.blake3,
        size_bytes=summary.package_bytes,
        revisions=summary.revisions,
        counts=_counts(facts),
    )
    # Not before: the package bears witness that this is the server's id.
    run.ledger.adopt_server(Side.STAGING, facts.server_id)
    run.ledger.steps(draft.work.text).finish_package(exported, now=run.clock())
    return exported


def _take_package(
    run: RunContext, draft: Draft, attempt: Attempt
) -> tuple[PackageSignal, PackageSummary | None]:
    """Fetch what wsusutil wrote and read it to its end; what is wrong with it is its signal."""
    target = draft.folder / PACKAGE
    try:
        fetched = wsusutil_run.fetch_package(run, run.server.path(attempt.package), target)
        if fetched is None or fetched == 0:
            return PackageSignal(fetched), None
        summary = _index_package(run, draft, size_bytes=fetched)
    except PackageError as error:
        return PackageSignal(None, problem=str(error.facts.get("reason", error))), None
    return PackageSignal(fetched, summary.revisions), summary


def _index_package(run: RunContext, draft: Draft, *, size_bytes: int) -> PackageSummary:
    run.progress.start("Read package", total=size_bytes, unit="bytes")
    try:
        return index_package(draft.folder / PACKAGE, draft.folder / INDEX, progress=run.progress)
    finally:
        run.progress.finish()


def _counts(facts: ServerFacts) -> tuple[int, int, int]:
    return facts.update_count, facts.declined_count, facts.approved_count
