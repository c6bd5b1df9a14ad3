"""Prove content that lies in WsusContent already: what nobody has looked into since it changed."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.content.scan import ContentFile
from tasks.content.transfer import CopyItem, copy_files
from tasks.crossing.listing import Listing
from tasks.crossing.workplace import Workplace


def prove_present(place: Workplace, listing: Listing, *, everything: bool = False) -> int:
    """Read content files that nobody has looked into since they changed; how many were read.

    Args:
        place: The workplace.
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
    place.progress.start("Read content", total=None, unit="bytes")
    try:
        for batch in copy_files(place.server, None, items(), progress=place.progress):
            results = [(waiting.pop(result.item), result.digests) for result in batch]
            listing.settle(results)
            place.hashes.remember(
                ((file, digests) for file, digests in results if digests), now=place.clock()
            )
            count += len(results)
    finally:
        place.progress.finish()
    return count
