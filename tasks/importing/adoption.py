"""Inventory of a disconnected server into which nothing was imported yet: its first receipt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.bundle.inventory import Inventory, seal_inventory, show_inventory
from tasks.bundle.manifest import Entry, write_manifest
from tasks.content.content_listing import ContentListing
from tasks.content.scan import ContentFile
from tasks.errors import UsageError
from tasks.hosts.small_files import write_atomic
from tasks.ledger.imports import Imports
from tasks.metadata.server import ServerFacts
from tasks.names import Side
from tasks.quantities import count
from tasks.reports.sections import not_adopted_section
from tasks.run.context import RunContext
from tasks.run.keys import signing_key


def require_untouched(imports: Imports) -> None:
    """Require that nothing was imported on this side yet.

    Raises:
        UsageError: A bundle was imported: its receipt says what is here, and an inventory would
            contradict it.
    """
    newest = imports.newest()
    if newest is not None:
        raise UsageError(
            reason=f"bundle {newest.sequence} was imported here, and an inventory is for a server "
            "that nothing was ever imported into",
            remedy="Run `wsus-airgap audit` without --adopt; the receipts of imports say what is "
            "here.",
        )


def adopt_content(run: RunContext, facts: ServerFacts, listing: ContentListing) -> None:
    """Seal the proved files of WsusContent as an inventory, and write it where receipts go.

    Files with other bytes than their name says, and files that cannot be read, are named and left
    out, so that a bundle brings them.

    Args:
        run: The run.
        facts: What the server says of itself; its id is remembered.
        listing: Listing of WsusContent, every file of which was read just now.
    """
    wrong: list[ContentFile] = []
    entries = run.scratch / "inventory.jsonl"
    summary = write_manifest(entries, _proved(listing, wrong))
    inventory = Inventory(
        site=run.site.name,
        files=summary.files,
        size_bytes=summary.size_bytes,
        entries=summary.binding,
    )
    run.report.lines += show_inventory(inventory)
    target = run.media.path(str(run.site.receipts_dir / inventory.file_name))
    run.media.make_folder(target.parent)
    seal = seal_inventory(inventory, [signing_key(run.site)])
    write_atomic(run.media, target, _file(seal, entries))
    run.ledger.adopt_server(Side.DISCONNECTED, facts.server_id)
    run.report.note(
        files=summary.files, bytes=summary.size_bytes, receipt=Path(target.text), receipt_code=None
    )
    if wrong:
        run.report.sections.append(not_adopted_section(wrong))
        run.report.notice(
            f"{count(len(wrong), 'file')} of WsusContent cannot be read, or has other bytes than "
            f"its name says, first {wrong[0].name.text}; the first bundle brings what staging has "
            "of them"
        )


def _proved(listing: ContentListing, wrong: list[ContentFile]) -> Iterator[Entry]:
    for file in listing:
        present = listing.look_up(file.name)
        if file.digests is None or present is None or not present.is_valid:
            wrong.append(file)
            continue
        yield Entry(
            sha1=file.name.digest,
            extension=file.name.extension,
            size_bytes=file.size_bytes,
            blake3=file.digests.blake3,
            volume=None,
        )


def _file(seal: bytes, entries: Path) -> Iterator[bytes]:
    yield seal
    with entries.open("rb") as stream:
        while chunk := stream.read(1_048_576):
            yield chunk
