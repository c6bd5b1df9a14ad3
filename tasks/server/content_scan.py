"""Prove content that lies in WsusContent already: what nobody has looked into since it changed."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.content.content_listing import ContentListing
from tasks.content.scan import ContentFile
from tasks.content.transfer import CopyItem, copy_files
from tasks.run.context import RunContext


def prove_content(run: RunContext, listing: ContentListing, *, everything: bool = False) -> int:
    """Read content files that nobody has looked into since they changed; how many were read.

    Args:
        run: The run.
        listing: What lies there; the proof is written into it.
        everything: Read all files, whatever is remembered of them.
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
            listing.settle(results)
            run.hash_cache.remember(
                ((file, digests) for file, digests in results if digests), now=run.clock()
            )
            count += len(results)
    finally:
        run.progress.finish()
    return count
