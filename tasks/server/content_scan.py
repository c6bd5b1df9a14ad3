"""Scan of WsusContent into a listing, and proof of files that changed since they were hashed."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.content.content_listing import ContentListing
from tasks.content.copy_item import CopyItem
from tasks.content.scan import ContentFile, scan
from tasks.content.transfer import copy_files
from tasks.metadata.server import ServerFacts
from tasks.run.context import RunContext


def prove_content(run: RunContext, listing: ContentListing, *, everything: bool = False) -> int:
    """Hash the content files that have no cached digests; return how many were read.

    Args:
        run: The run.
        listing: Listing of WsusContent; the digests are written into it.
        everything: Hash all files, cached digests or not.
    """
    files = iter(listing) if everything else listing.unproved()
    waiting: dict[CopyItem, ContentFile] = {}

    def items() -> Iterator[CopyItem]:
        for file in files:
            item = CopyItem(sources=(file.path,), size_bytes=file.size_bytes)
            waiting[item] = file
            yield item

    count = 0
    run.progress.start("Read content", total=None, unit="bytes")
    try:
        for batch in copy_files(run.server, None, items(), progress=run.progress):
            results = [(waiting.pop(result.item), result.digests) for result in batch]
            listing.record_digests(results)
            run.hash_cache.remember(
                ((file, digests) for file, digests in results if digests), now=run.clock()
            )
            count += len(results)
    finally:
        run.progress.finish()
    return count


def scan_content(run: RunContext, facts: ServerFacts) -> ContentListing:
    """List WsusContent with the cached digests of its files; no file is read."""
    content_dir = run.server.path(run.site.server.content_dir or facts.content_dir)
    run.ledger.remember_content_dir(content_dir.text)
    run.progress.start("Scan content", total=None, unit="files")
    try:
        listing = run.new_listing(content_dir)
        listing.fill(
            scan(
                run.server,
                content_dir,
                remembered=run.hash_cache.lookup,
                progress=run.progress,
            )
        )
    finally:
        run.progress.finish()
    return listing
