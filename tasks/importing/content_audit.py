"""Compare metadata with content on the disconnected server, and write what may go back of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import approved_revisions
from tasks.bundle.manifest import Entry, TrustedManifest, compare_sorted
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.bundle.receipt import (
    MissingUpdate,
    Receipt,
    ReceiptCounts,
    list_missing,
    seal_receipt,
    show_receipt,
)
from tasks.bundle.receipt_code import make_code
from tasks.content.names import ContentDigest
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.importing.approval_run import last_applied, waiting_of
from tasks.importing.incoming import TrustedBundle
from tasks.metadata.audit import MissingFile, Provenance, audit_revisions, find_missing
from tasks.metadata.catalogue import PackageIndex
from tasks.reports.model import ApprovalOutcome
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.keys import receipt_secret, signing_key
from tasks.server import queries
from tasks.server.content_listing import ContentListing
from tasks.server.snapshot import ServerSnapshot


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the last import brought: the package's index, and the manifest by digest."""

    index: Path
    holdings: ManifestLookup


def find_missing_content(
    run: RunContext, metadata: Metadata, view: ServerSnapshot
) -> tuple[MissingFile, ...]:
    """Every file that an approved or parked update lacks, with the reason."""
    holdings = metadata.holdings
    is_lost = run.imports.lost_bundle is not None

    def provenance(digest: ContentDigest) -> Provenance:
        if not holdings.has(digest):
            return Provenance.NEVER_HELD
        if holdings.carried_bytes(digest) is not None or run.hashes.knows(digest):
            return Provenance.PLACED
        return Provenance.IN_LOST_BUNDLE if is_lost else Provenance.HELD_BY_STAGING

    with PackageIndex(metadata.index) as index:
        wanted = _wanted_revisions(run, view.decisions)
        return tuple(find_missing(index, wanted, view.content_view(provenance=provenance)))


def _wanted_revisions(run: RunContext, present: ServerDecisions) -> list[RevisionId]:
    """Approved and parked revisions, each once."""
    parked = {
        RevisionId(str(line["update_id"]), int(str(line["revision"])))
        for line in waiting_of(run, "parked")
    }
    return sorted({*approved_revisions(present.decisions.approvals), *parked})


def count_unapproved(
    run: RunContext, metadata: Metadata, view: ServerSnapshot, *, listed: bool
) -> tuple[int, tuple[MissingFile, ...]]:
    """How many other updates lack files (with deferred download: normal), and which if asked."""
    declines = view.decisions.decisions.declines
    left_out = [
        *_wanted_revisions(run, view.decisions),
        *(each.id for each in declines),
    ]
    count = 0
    files: list[MissingFile] = []
    with PackageIndex(metadata.index) as index:
        others = list(index.approvable(leaving_out=left_out))
        for each in audit_revisions(index, others, view.content_view()):
            if not each.is_complete:
                count += 1
                files += each.missing if listed else ()
    return count, tuple(files)


def resume_downloads(run: RunContext, index_path: Path, view: ServerSnapshot) -> int:
    """Have WSUS look again at approved updates that failed and whose files are whole.

    Gives how many it took up; one that it refused is looked at by the next run.
    """
    stuck = [each for each in view.decisions.unready() if each.state in {"Failed", "Canceled"}]
    if not stuck:
        return 0
    with PackageIndex(index_path) as index:
        keys = [each.id for each in stuck]
        audited = audit_revisions(index, keys, view.content_view())
        whole = [each.key for each in audited if each.is_complete]
    return _resume(run, whole) if whole else 0


def _resume(run: RunContext, updates: list[RevisionId]) -> int:
    lines = [
        {"n": number, "op": "resume", "update_id": key.update_id, "revision": key.revision}
        for number, key in enumerate(updates, 1)
    ]
    outcomes = list(queries.ask(run, "apply-approvals", items=lines))
    refused = [each for each in outcomes if each.get("result") == "failed"]
    if refused:
        run.report.notice(
            f"WSUS took up {len(lines) - len(refused)} of {len(lines)} downloads that had failed "
            f"and whose files are in place; of the first other it says: {refused[0].get('error')}"
        )
    return sum(each.get("result") == "done" for each in outcomes)


# --- receipt ----------------------------------------------------------------------------------


def make_receipt(
    run: RunContext,
    delivery: TrustedBundle,
    listing: ContentListing,
    *,
    missing: tuple[MissingFile, ...],
    approvals: ApprovalOutcome,
) -> Receipt:
    """Say what the staging side may know: what of the manifest is in place, and what is not."""
    header = delivery.header
    lacking = list(_lacking(delivery.manifest, listing))
    outcome, listed = list_missing(lacking)
    updates = sorted({(each.update_id, each.revision) for each in missing})
    with PackageIndex(delivery.index) as index:
        revisions = index.summary.revisions
    return Receipt(
        site=run.site.name,
        chain=header.chain,
        sequence=header.sequence,
        header_digest=header.digest,
        outcome=outcome,
        counts=ReceiptCounts(
            files_in_place=header.counts.files - len(lacking),
            files_missing=len(lacking),
            updates_loaded=revisions,
            approvals_applied=len(last_applied(run).approvals),
            approvals_parked=len(approvals.parked),
            approvals_held=len(approvals.held),
            approvals_failed=len(approvals.failed),
        ),
        missing_content=listed,
        missing_updates=tuple(MissingUpdate(update_id=i, revision=r) for i, r in updates),
    )


def _lacking(manifest: TrustedManifest, listing: ContentListing) -> Iterator[ContentDigest]:
    pairs = compare_sorted(
        manifest.entries(),
        listing,
        left_order=lambda entry: entry.order,
        right_order=lambda file: file.name.order,
    )
    for pair in pairs:
        if isinstance(pair.left, Entry) and not _is_proved(pair.left, listing):
            yield pair.left.sha1


def _is_proved(entry: Entry, listing: ContentListing) -> bool:
    held = listing.look_up(entry.name)
    return held is not None and bool(held.is_valid) and held.size_bytes == entry.size_bytes


def write_receipt(run: RunContext, receipt: Receipt) -> tuple[Path, str]:
    """Show and write a receipt where receipts go; its path, and the code that says the same.

    A receipt that lies there already and says the same is left as it is.
    """
    for line in show_receipt(receipt).splitlines():
        run.report.lines.append(line)
    folder = run.site.receipts_dir
    target = run.media.path(str(folder / receipt.file_name))
    run.media.make_folder(target.parent)
    content = seal_receipt(receipt, [signing_key(run.site)])
    if _content(run, target, limit_bytes=len(content)) != content:
        write_atomic(run.media, target, [content])
    code = ""
    if run.site.trust.receipt_secret is not None:
        code = make_code(receipt, receipt_secret(run.site))
    return Path(target.text), code


def _content(run: RunContext, path: HostPath, *, limit_bytes: int) -> bytes:
    if run.media.stat(path) is None:
        return b""
    return read_limited(run.media, path, limit_bytes=limit_bytes)
