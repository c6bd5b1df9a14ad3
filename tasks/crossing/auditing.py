"""Compare metadata with content on the disconnected server, and write what may go back of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import approved_revisions
from tasks.bundle.manifest import Entry, TrustedManifest, compare_sorted
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
from tasks.content.names import ContentDigest
from tasks.crossing import asking
from tasks.crossing.arrival import Delivery
from tasks.crossing.beside import require_none
from tasks.crossing.deciding import last_applied, waiting_of
from tasks.crossing.holdings import Holdings
from tasks.crossing.listing import Listing
from tasks.crossing.trust import receipt_secret, signing_key
from tasks.crossing.view import ServerView
from tasks.crossing.workplace import Workplace
from tasks.hosts.bounded import read_start
from tasks.hosts.paths import HostPath
from tasks.hosts.putting import put_file
from tasks.metadata.audit import MissingFile, Provenance, audit_revisions, find_missing
from tasks.metadata.catalogue import PackageIndex
from tasks.reports.model import ApprovalOutcome
from tasks.revision import RevisionId


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the last import brought: the package's index, and the manifest by digest."""

    index: Path
    holdings: Holdings


def find_gaps(place: Workplace, metadata: Metadata, view: ServerView) -> tuple[MissingFile, ...]:
    """Every file that an approved or parked update lacks, with the reason."""
    holdings = metadata.holdings
    is_lost = place.imports.lost_bundle is not None

    def provenance(digest: ContentDigest) -> Provenance:
        if not holdings.has(digest):
            return Provenance.NEVER_HELD
        if holdings.carried_bytes(digest) is not None or place.hashes.knows(digest):
            return Provenance.PLACED
        return Provenance.IN_LOST_BUNDLE if is_lost else Provenance.HELD_BY_STAGING

    with PackageIndex(metadata.index) as index:
        wanted = _wanted_revisions(place, view.decisions)
        return tuple(find_missing(index, wanted, view.content_view(provenance=provenance)))


def _wanted_revisions(place: Workplace, present: ServerDecisions) -> list[RevisionId]:
    """Approved and parked revisions, each once."""
    parked = {
        RevisionId(str(line["update_id"]), int(str(line["revision"])))
        for line in waiting_of(place, "parked")
    }
    return sorted({*approved_revisions(present.decisions), *parked})


def count_unapproved(
    place: Workplace, metadata: Metadata, view: ServerView, *, listed: bool
) -> tuple[int, tuple[MissingFile, ...]]:
    """How many other updates lack files (with deferred download: normal), and which if asked."""
    declines = view.decisions.decisions.declines
    left_out = [
        *_wanted_revisions(place, view.decisions),
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


def resume_downloads(place: Workplace, index_path: Path, view: ServerView) -> int:
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
    return _resume(place, whole) if whole else 0


def _resume(place: Workplace, updates: list[RevisionId]) -> int:
    lines = [
        {"n": number, "op": "resume", "update_id": key.update_id, "revision": key.revision}
        for number, key in enumerate(updates, 1)
    ]
    require_none(place)
    outcomes = list(asking.ask(place, "apply-approvals", items=lines))
    refused = [each for each in outcomes if each.get("result") == "failed"]
    if refused:
        place.alarm(
            f"WSUS took up {len(lines) - len(refused)} of {len(lines)} downloads that had failed "
            f"and whose files are in place; of the first other it says: {refused[0].get('error')}"
        )
    return sum(each.get("result") == "done" for each in outcomes)


# --- receipt ----------------------------------------------------------------------------------


def make_receipt(
    place: Workplace,
    delivery: Delivery,
    listing: Listing,
    *,
    missing: tuple[MissingFile, ...],
    approvals: ApprovalOutcome,
) -> Receipt:
    """Say what the staging side may know: what of the manifest is in place, and what is not."""
    header = delivery.header
    lacking = _lacking(delivery.manifest, listing)
    first = list(islice(lacking, MOST_MISSING + 1))  # no receipt lists more
    outcome, listed = list_missing(first)
    files_missing = len(first) + sum(1 for _ in lacking)
    updates = sorted({(each.update_id, each.revision) for each in missing})
    with PackageIndex(delivery.index) as index:
        revisions = index.summary.revisions
    return Receipt(
        site=place.site.name,
        chain=header.chain,
        sequence=header.sequence,
        header_digest=header.digest,
        outcome=outcome,
        counts=ReceiptCounts(
            files_in_place=header.counts.files - files_missing,
            files_missing=files_missing,
            updates_loaded=revisions,
            approvals_applied=len(last_applied(place).approvals),
            approvals_parked=len(approvals.parked),
            approvals_held=len(approvals.held),
            approvals_failed=len(approvals.failed),
        ),
        missing_content=listed,
        missing_updates=tuple(
            MissingUpdate(update_id=i, revision=r) for i, r in updates[:MOST_MISSING]
        ),
    )


def _lacking(manifest: TrustedManifest, listing: Listing) -> Iterator[ContentDigest]:
    pairs = compare_sorted(
        manifest.entries(),
        listing,
        left_order=lambda entry: entry.order,
        right_order=lambda file: file.name.order,
    )
    for pair in pairs:
        if isinstance(pair.left, Entry) and not _is_proved(pair.left, listing):
            yield pair.left.sha1


def _is_proved(entry: Entry, listing: Listing) -> bool:
    held = listing.look_up(entry.name)
    return held is not None and bool(held.is_valid) and held.size_bytes == entry.size_bytes


def write_receipt(place: Workplace, receipt: Receipt) -> tuple[Path, str]:
    """Show and write a receipt where receipts go; its path, and the code that says the same.

    A receipt that lies there already and says the same is left as it is.
    """
    for line in show_receipt(receipt).splitlines():
        place.lines.append(line)
    folder = place.site.receipts_dir
    target = place.media.path(str(folder / receipt.file_name))
    place.media.make_folder(target.parent)
    content = seal_receipt(receipt, [signing_key(place.site)])
    if _content(place, target, limit_bytes=len(content)) != content:
        put_file(place.media, target, [content])
    code = ""
    if place.site.trust.receipt_secret is not None:
        code = make_code(receipt, receipt_secret(place.site))
    return Path(target.text), code


def _content(place: Workplace, path: HostPath, *, limit_bytes: int) -> bytes:
    if place.media.stat(path) is None:
        return b""
    return read_start(place.media, path, limit_bytes=limit_bytes)
