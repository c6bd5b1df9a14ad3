"""Scan of WsusContent into a listing, and proof of files that changed since they were hashed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from tasks.content.content_listing import ContentListing
from tasks.content.copy_item import CopyItem
from tasks.content.rescan import refresh_proofs, rescan
from tasks.content.rotation import FOLDERS, due_folders, spread
from tasks.content.scan import ContentFile, linked_folders
from tasks.content.transfer import copy_files
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.ledger.store import Rotation
from tasks.metadata.server import ServerFacts
from tasks.progress import Progress
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft


def prove_rotating(run: RunContext, listing: ContentListing) -> int:
    """Hash files without cached digests, and a rotating share of all; return how many were read.

    ``[audit] full_every_days`` is the time within which every file is read again.
    """
    rotation, now = run.ledger.rotation, run.clock()
    period = timedelta(days=run.site.audit.full_every_days)
    read_at = spread(rotation.read_at, period=period, now=now)
    due = due_folders(read_at, period=period, last=rotation.last, now=now)
    read = prove_content(run, listing, again=frozenset(due))
    read_at |= dict.fromkeys(due, now)
    run.ledger.remember_rotation(Rotation(last=now, read_at=read_at))
    run.report.lines.append(
        f"{len(due)} of {len(FOLDERS)} folders of WsusContent were read again; all are within "
        f"{run.site.audit.full_every_days} days"
    )
    return read


def prove_content(
    run: RunContext,
    listing: ContentListing,
    *,
    everything: bool = False,
    again: frozenset[str] = frozenset(),
) -> int:
    """Hash the content files that have no cached digests; return how many were read.

    Args:
        run: The run.
        listing: Listing of WsusContent; the digests are written into it.
        everything: Hash all files, cached digests or not.
        again: Folders of WsusContent whose files are hashed too.
    """
    files = iter(listing) if everything else listing.unproved()
    if again and not everything:
        files = (file for file in listing if not file.digests or file.name.folder in again)
    waiting: deque[ContentFile] = deque()  # of the batches that are under way

    def items() -> Iterator[CopyItem]:
        for file in files:
            waiting.append(file)
            yield CopyItem(sources=(file.path,), size_bytes=file.size_bytes)

    count = 0
    run.progress.start("Read content", total=None, unit="bytes")
    try:
        for batch in copy_files(run.server, None, items(), progress=run.progress):
            results = [(waiting.popleft(), result.digests) for result in batch]
            listing.record_digests(results)
            run.hash_cache.remember(
                ((file, digests) for file, digests in results if digests), now=run.clock()
            )
            count += len(results)
    finally:
        run.progress.finish()
    return count


def find_content_dir(run: RunContext, facts: ServerFacts) -> HostPath:
    """Return WsusContent where it really lies: sites put it on a bigger disk behind a junction.

    Only this path is used from here on, and guarded against links like every other.
    """
    given = run.server.path(run.site.server.content_dir or facts.content_dir)
    content_dir = run.server.real_path(given)
    if content_dir != given:
        line = f"{given} is a link to {content_dir}, where content is read and placed"
        if line not in run.report.lines:
            run.report.lines.append(line)
    return content_dir


def scan_content(
    run: RunContext, facts: ServerFacts, *, adopted: Path | None = None
) -> ContentListing:
    """List WsusContent with the cached digests of its files; no file is read.

    Args:
        run: The run.
        facts: The server's facts.
        adopted: A listing of another site of this server that is proved to be current.
    """
    content_dir = find_content_dir(run, facts)
    run.ledger.remember_content_dir(content_dir.text)
    _name_links(run.server, content_dir, run.report)
    run.progress.start("Scan content", total=None, unit="files")
    try:
        return list_again(run, content_dir, run.progress, adopted=adopted)
    finally:
        run.progress.finish()


def _name_links(server: Host, content_dir: HostPath, report: ReportDraft) -> None:
    """Name folders of WsusContent that are links: what lies behind them counts as not there."""
    links = linked_folders(server, content_dir)
    if not links:
        return
    report.notice(
        f"links in {content_dir}: {', '.join(links)}. We follow a link in place of the whole "
        "folder, not one inside it, so what lies behind these counts as not there. Move all "
        "content to one volume with `wsusutil movecontent`, and remove nothing by hand"
    )


def list_and_prove(run: RunContext, content_dir: HostPath) -> ContentListing:
    """List WsusContent after it was changed, and read the files without cached digests."""
    listing = list_again(run, content_dir)
    prove_content(run, listing)
    return listing


def list_again(
    run: RunContext,
    content_dir: HostPath,
    progress: Progress | None = None,
    *,
    adopted: Path | None = None,
) -> ContentListing:
    """List WsusContent; a folder that has not changed since the last run is not listed again.

    ``adopted`` as in ``scan_content``.
    """
    saved = run.site.state_dir / "content.sqlite"
    if adopted is not None:
        listing = run.new_listing(content_dir, adopted=adopted)
    else:
        listing = run.new_listing(content_dir, saved=saved)
    is_current = adopted is not None
    is_changed = rescan(run.server, listing, run.hash_cache, progress, is_current=is_current)
    is_changed = is_changed or is_current
    last = refresh_proofs(listing, run.hash_cache)
    if is_changed or last:
        listing.digest()  # saved too, so that an unchanged site need not compute it
        listing.save(saved)
        run.hash_cache.forget_recent(last)
    return listing
