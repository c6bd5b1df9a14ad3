"""Receipt of an import: make it, seal it, and write it where the site file says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tasks.bundle.manifest import Entry, compare_sorted
from tasks.bundle.receipt import (
    MOST_MISSING,
    MissingUpdate,
    Receipt,
    ReceiptCounts,
    list_missing,
    seal_receipt,
    show_receipt,
)
from tasks.bundle.receipt_code import make_code
from tasks.bundle.trusted_manifest import TrustedManifest
from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentDigest
from tasks.custody import custody_head
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.importing.approval_run import last_applied
from tasks.importing.content_audit import AuditResult
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.importing.volume_feed import forget_volumes
from tasks.ledger.imports import Imports
from tasks.metadata.audit import MissingFile
from tasks.metadata.catalogue import PackageIndex
from tasks.reports.model import ApprovalOutcome
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.keys import receipt_secret, signing_key
from tasks.server.cleanup import drop_old_packages, remove_work
from tasks.server.mark import mark_of, write_mark


def make_receipt(
    imports: Imports,
    bundle: TrustedBundle,
    listing: ContentListing,
    *,
    missing: tuple[MissingFile, ...],
    approvals: ApprovalOutcome,
) -> Receipt:
    """Make the receipt: the manifest's content that is in place or missing, and counts.

    Args:
        imports: The ledger's imports, with the applied approvals.
        bundle: The imported bundle.
        listing: Listing of WsusContent after the import.
        missing: Files that approved or parked updates lack.
        approvals: Outcome of the approvals.
    """
    header = bundle.header
    lacking = _missing_digests(bundle.manifest, listing)
    first = list(islice(lacking, MOST_MISSING + 1))  # no receipt lists more
    outcome, listed = list_missing(first)
    files_missing = len(first) + sum(1 for _ in lacking)
    updates = sorted({(file.update_id, file.revision) for file in missing})
    with PackageIndex(bundle.index) as index:
        revisions = index.summary.revisions
    return Receipt(
        site=header.site,
        chain=header.chain,
        sequence=header.sequence,
        header_digest=header.digest,
        outcome=outcome,
        counts=ReceiptCounts(
            files_in_place=header.counts.files - files_missing,
            files_missing=files_missing,
            updates_loaded=revisions,
            approvals_applied=len(last_applied(imports).approvals) - approvals.overruled,
            approvals_parked=len(approvals.parked),
            approvals_held=len(approvals.held),
            approvals_failed=len(approvals.failed),
        ),
        missing_content=listed,
        missing_updates=tuple(
            MissingUpdate(update_id=i, revision=r) for i, r in updates[:MOST_MISSING]
        ),
    )


def _missing_digests(manifest: TrustedManifest, listing: ContentListing) -> Iterator[ContentDigest]:
    pairs = compare_sorted(
        manifest.entries(),
        listing,
        first_order=lambda entry: entry.order,
        second_order=lambda file: file.name.order,
    )
    for pair in pairs:
        if isinstance(pair.first, Entry) and not is_proved(pair.first, listing):
            yield pair.first.sha1


def is_proved(entry: Entry, listing: ContentListing) -> bool:
    """Return True if a file of the manifest lies in WsusContent and its bytes were proved."""
    present = listing.look_up(entry.name)
    return present is not None and bool(present.is_valid) and present.size_bytes == entry.size_bytes


def write_receipt(run: RunContext, receipt: Receipt) -> tuple[Path, str]:
    """Write a receipt into the site's receipts folder and show it in the report.

    A file with the same bytes is left as it is.

    Returns:
        Its path, and its code for typing; the code is empty without a receipt secret.
    """
    for line in show_receipt(receipt).splitlines():
        run.report.lines.append(line)
    folder = run.site.receipts_dir
    target = run.media.path(str(folder / receipt.file_name))
    run.media.make_folder(target.parent)
    content = seal_receipt(receipt, [signing_key(run.site)])
    if _read_existing(run.media, target, limit_bytes=len(content)) != content:
        write_atomic(run.media, target, [content])
    code = ""
    if run.site.trust.receipt_secret is not None:
        code = make_code(receipt, receipt_secret(run.site))
    return Path(target.text), code


def _read_existing(media: Host, path: HostPath, *, limit_bytes: int) -> bytes:
    if media.stat(path) is None:
        return b""
    return read_limited(media, path, limit_bytes=limit_bytes)


def finish_import(
    run: RunContext,
    bundle: TrustedBundle,
    listing: ContentListing,
    *,
    approvals: ApprovalOutcome,
    audit: AuditResult,
) -> None:
    """Write the mark on the server, record the import as done, and write its receipt.

    A superseded bundle only put content back, so it leaves no mark and gets no receipt.
    """
    if bundle.incoming.is_repair:
        changes = ", ".join(f"{what}: {count}" for what, count in (+run.report.changes).items())
        run.report.lines.append(changes or "nothing had to be changed")
    if not bundle.incoming.is_superseded:
        receipt = make_receipt(
            run.imports, bundle, listing, missing=audit.missing, approvals=approvals
        )
        _finish(run, bundle, receipt)
    remove_work(run, bundle.work)
    forget_volumes(run.site, bundle.digest)
    run.server.remove_tree(run.content_disk(listing.content_dir).intake)


def _finish(run: RunContext, bundle: TrustedBundle, receipt: Receipt) -> None:
    record_event(
        run,
        "imported",
        f"{receipt.outcome}; {receipt.counts.files_in_place} files of the bundle in place, "
        f"{receipt.counts.files_missing} missing, {receipt.counts.approvals_applied} approvals "
        "of staging in force",
        bundle=bundle.header.bundle,
        digest=bundle.digest.hex,
    )
    write_mark(run.server, run.folders.mark, mark_of(bundle.header, custody_head(run.ledger)))
    run.imports.finish(bundle.digest, outcome=receipt.outcome, now=run.clock())
    run.ledger.note_time(bundle.header.created)
    drop_old_packages(bundle.incoming.folder)
    path, code = write_receipt(run, receipt)
    run.report.note(receipt=path, receipt_code=code or None)
    record_event(
        run, "receipt", f"made: {path}", bundle=bundle.header.bundle, digest=bundle.digest.hex
    )
