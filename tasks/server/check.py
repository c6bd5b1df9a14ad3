"""The first look at a server, on either side: whether it can take part, and what content it has."""

from __future__ import annotations

from datetime import datetime

from tasks.bundle.header import Header
from tasks.content.content_listing import ContentListing
from tasks.content.scan import scan
from tasks.errors import PathMissingError
from tasks.metadata.server import ServerFacts, ServerSettings, compare_settings, unfit_reasons
from tasks.names import Side
from tasks.refusals import RoomError, ServerUnfitError, SettingsDifferError
from tasks.run.context import RunContext
from tasks.server import queries

_LEAST_ROOM_BYTES = 64 * 1_048_576


def check_server(run: RunContext) -> ServerFacts:
    """See that the server can take part: its service runs, its role and state allow it.

    Raises:
        ServiceDownError: The service does not run and cannot be started.
        ServerUnfitError: All reasons in one sentence, and the remedy of the first.
        ServerChangedError: It is not the server that this site remembers.
        RoomError: Its content disk is as good as full.
    """
    facts = queries.read_running_server(run, since=_since(run))
    side = run.site.side
    reasons = unfit_reasons(facts, side)
    if reasons:
        raise ServerUnfitError(
            side=side,
            reason="; ".join(each.reason for each in reasons),
            remedy=reasons[0].remedy,
        )
    run.require_known_server(side, facts.server_id)
    _require_content_dir(run, facts)
    volume = facts.content_volume
    if volume is not None and volume.free_bytes < _LEAST_ROOM_BYTES:
        raise RoomError(
            where=f"the content disk of the {side} server",
            free_bytes=volume.free_bytes,
            needed_bytes=_LEAST_ROOM_BYTES,
        )
    return facts


def _require_content_dir(run: RunContext, facts: ServerFacts) -> None:
    """See that what the server names as its content folder is one, unless the site file names it.

    On every WSUS it ends in ``WsusContent``, and WSUS has made it: we never do. An export would
    take a disk that is not mounted for a server without content.
    """
    named = run.site.server.content_dir
    if named is not None:
        is_read = run.site.side is Side.STAGING
        if is_read and run.server.stat(run.server.path(named)) is None:
            raise PathMissingError(what="the content folder (server.content_dir)", path=named)
        return
    try:
        path = run.server.path(facts.content_dir)
        reason = f"it names a content folder that is no WsusContent: {path}"
        if path.name.lower() == "wsuscontent":
            found = run.server.stat(path)
            if found is not None and found.kind != "file":
                return
            reason = f"its content folder is not there: {path}"
    except ValueError as error:
        reason = f"it names a content folder that cannot be one: {error}"
    raise ServerUnfitError(
        side=run.site.side.value,
        reason=reason,
        remedy="See that the disk of WsusContent is there, or set server.content_dir in the site "
        "file to that folder; then run the same command again.",
    )


def _since(run: RunContext) -> datetime | None:
    newest = run.exports.newest()
    return newest.created if newest else None


def scan_content(run: RunContext, facts: ServerFacts) -> ContentListing:
    """List WsusContent; digests that are remembered come along, nothing is read."""
    content_dir = run.server.path(run.site.server.content_dir or facts.content_dir)
    run.content_dir = content_dir
    run.ledger.remember_content_dir(content_dir.text)
    run.progress.start("Scan content", total=None, unit="files")
    try:
        listing = run.listing(content_dir)
        listing.fill(
            scan(
                run.server,
                content_dir,
                remembered=run.hashes.lookup,
                progress=run.progress,
            )
        )
    finally:
        run.progress.finish()
    return listing


def compare_servers(run: RunContext, header: Header, facts: ServerFacts) -> None:
    """Compare this server with the one that the bundle comes from, and with what we remember.

    Raises:
        SettingsDifferError: Every difference, each with its remedy.
        ServerChangedError: The staging server has another id than this site remembers.
    """
    staging = header.server
    theirs = ServerSettings(
        server_id=staging.id,
        version=staging.version,
        protocol_version=staging.protocol_version,
        download_express=staging.download_express,
        all_languages=staging.all_languages,
        languages=staging.languages,
    )
    differences = compare_settings(theirs, facts)
    if differences:
        raise SettingsDifferError(
            differences="; ".join(each.sentence for each in differences),
            remedy=" ".join(each.remedy for each in differences),
        )
    run.require_known_server(Side.STAGING, staging.id)
