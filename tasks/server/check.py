"""Checks of a server: it can take part, it is the remembered one, its settings fit a bundle."""

from __future__ import annotations

from tasks.bundle.header import StagingFacts
from tasks.errors import PathMissingError
from tasks.hosts.host import Host
from tasks.ledger.store import Ledger
from tasks.metadata.server import ServerFacts, ServerSettings, compare_settings, unfit_reasons
from tasks.names import Side
from tasks.refusals import RoomError, ServerChangedError, ServerUnfitError, SettingsDifferError
from tasks.run.context import RunContext
from tasks.server import queries
from tasks.site.settings import Site

_LEAST_ROOM_BYTES = 64 * 1_048_576


def check_server(run: RunContext) -> ServerFacts:
    """Check that the server can take part: its service runs, its role and state allow it.

    Raises:
        ServiceDownError: The service does not run and cannot be started.
        ServerUnfitError: All reasons in one sentence, and the remedy of the first.
        ServerChangedError: It is not the server that this site remembers.
        RoomError: Its content disk is as good as full.
    """
    newest = run.exports.newest()
    facts = queries.read_running_server(run, since=newest.created if newest else None)
    side = run.site.side
    reasons = unfit_reasons(facts, side)
    if reasons:
        raise ServerUnfitError(
            side=side,
            reason="; ".join(reason.reason for reason in reasons),
            remedy=reasons[0].remedy,
        )
    require_known_server(run.ledger, side, facts.server_id)
    _require_content_dir(run.server, run.site, facts)
    volume = facts.content_volume
    if volume is not None and volume.free_bytes < _LEAST_ROOM_BYTES:
        raise RoomError(
            where=f"the content disk of the {side} server",
            free_bytes=volume.free_bytes,
            needed_bytes=_LEAST_ROOM_BYTES,
        )
    return facts


def require_known_server(ledger: Ledger, side: Side, server_id: str) -> None:
    """Require the server id that this site remembers, if it remembers one.

    Raises:
        ServerChangedError: The server has another id.
    """
    expected = ledger.server_id(side)
    if expected is not None and expected != server_id:
        raise ServerChangedError(
            reason=f"the {side} server's id is {server_id}, this site knows {expected}",
            remedy=f"Find out whether the {side} server was rebuilt or another one took its "
            "place. A rebuilt pair starts a chain of its own: move both state folders aside.",
        )


def compare_servers(ledger: Ledger, staging: StagingFacts, facts: ServerFacts) -> None:
    """Compare this server's settings, and the staging server's id, with a bundle's header.

    Args:
        ledger: State of the disconnected side.
        staging: The staging server, from the bundle's verified header.
        facts: This server.

    Raises:
        SettingsDifferError: The settings differ; it names every difference and its remedy.
        ServerChangedError: The staging server has another id than this site remembers.
    """
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
            differences="; ".join(difference.sentence for difference in differences),
            remedy=" ".join(difference.remedy for difference in differences),
        )
    require_known_server(ledger, Side.STAGING, staging.id)


def _require_content_dir(server: Host, site: Site, facts: ServerFacts) -> None:
    """Require a content folder: the one in the site file, else the one that the server names.

    WSUS always creates this folder and calls it ``WsusContent`` (``LocalContentCachePath`` in its
    configuration). If it is missing, its disk is
    probably not mounted; exporting would record an empty server.

    Raises:
        PathMissingError: The staging server lacks the folder that the site file names.
        ServerUnfitError: The server names no WsusContent, or none that exists.
    """
    configured = site.server.content_dir
    if configured is not None:
        is_read = site.side is Side.STAGING
        if is_read and server.stat(server.path(configured)) is None:
            raise PathMissingError(what="the content folder (server.content_dir)", path=configured)
        return
    try:
        path = server.path(facts.content_dir)
        reason = f"it names a content folder that is no WsusContent: {path}"
        if path.name.lower() == "wsuscontent":
            stat = server.stat(path)
            if stat is not None and stat.kind != "file":
                return
            reason = f"its content folder is not there: {path}"
    except ValueError as error:
        reason = f"it names a content folder that cannot be one: {error}"
    raise ServerUnfitError(
        side=site.side.value,
        reason=reason,
        remedy="See that the disk of WsusContent is there, or set server.content_dir in the site "
        "file to that folder; then run the same command again.",
    )
