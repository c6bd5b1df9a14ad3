"""The first look at a server, on either side: whether it can take part, and what content it has."""

from __future__ import annotations

from datetime import datetime

from tasks.content.scan import scan
from tasks.crossing import asking
from tasks.crossing.listing import Listing
from tasks.crossing.workplace import Workplace
from tasks.errors import PathMissingError
from tasks.metadata.server import ServerFacts, unfit_reasons
from tasks.names import Side
from tasks.refusals import RoomError, ServerUnfitError

_LEAST_ROOM_BYTES = 64 * 1_048_576


def check_server(place: Workplace) -> ServerFacts:
    """See that the server can take part: its service runs, its role and state allow it.

    Raises:
        ServiceDownError: The service does not run and cannot be started.
        ServerUnfitError: All reasons in one sentence, and the remedy of the first.
        ServerChangedError: It is not the server that this site remembers.
        RoomError: Its content disk is as good as full.
    """
    facts = asking.read_running_server(place, since=_since(place))
    side = place.site.side
    reasons = unfit_reasons(facts, side)
    if reasons:
        raise ServerUnfitError(
            side=side,
            reason="; ".join(each.reason for each in reasons),
            remedy=reasons[0].remedy,
        )
    place.require_known_server(side, facts.server_id)
    _require_content_dir(place, facts)
    volume = facts.content_volume
    if volume is not None and volume.free_bytes < _LEAST_ROOM_BYTES:
        raise RoomError(
            where=f"the content disk of the {side} server",
            free_bytes=volume.free_bytes,
            needed_bytes=_LEAST_ROOM_BYTES,
        )
    return facts


def _require_content_dir(place: Workplace, facts: ServerFacts) -> None:
    """See that what the server names as its content folder is one, unless the site file names it.

    On every WSUS it ends in ``WsusContent``, and WSUS has made it: we never do. An export would
    take a disk that is not mounted for a server without content.
    """
    named = place.site.server.content_dir
    if named is not None:
        is_read = place.site.side is Side.STAGING
        if is_read and place.server.stat(place.server.path(named)) is None:
            raise PathMissingError(what="the content folder (server.content_dir)", path=named)
        return
    try:
        path = place.server.path(facts.content_dir)
        reason = f"it names a content folder that is no WsusContent: {path}"
        if path.name.lower() == "wsuscontent":
            found = place.server.stat(path)
            if found is not None and found.kind != "file":
                return
            reason = f"its content folder is not there: {path}"
    except ValueError as error:
        reason = f"it names a content folder that cannot be one: {error}"
    raise ServerUnfitError(
        side=place.site.side.value,
        reason=reason,
        remedy="See that the disk of WsusContent is there, or set server.content_dir in the site "
        "file to that folder; then run the same command again.",
    )


def _since(place: Workplace) -> datetime | None:
    newest = place.exports.newest()
    return newest.created if newest else None


def scan_content(place: Workplace, facts: ServerFacts) -> Listing:
    """List WsusContent; digests that are remembered come along, nothing is read."""
    content_dir = place.server.path(place.site.server.content_dir or facts.content_dir)
    place.content_dir = content_dir
    place.ledger.remember_content_dir(content_dir.text)
    place.progress.start("Scan content", total=None, unit="files")
    try:
        listing = place.listing(content_dir)
        listing.fill(
            scan(
                place.server,
                content_dir,
                remembered=place.hashes.lookup,
                progress=place.progress,
            )
        )
    finally:
        place.progress.finish()
    return listing
