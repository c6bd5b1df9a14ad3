"""Requirements of a crossing: role and state of a server, and settings equal on both sides.

``tasks/checks/stopping.py`` says which command each of them stops, whatever the site file says.
"""

from __future__ import annotations

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding
from tasks.checks.rules.rule import DISCONNECTED, Rule, rule
from tasks.metadata.server import (
    Difference,
    ServerFacts,
    ServerSettings,
    compare_settings,
)
from tasks.names import Side
from tasks.quantities import size
from tasks.refusals import REBUILT_REMEDY

LEAST_ROOM_BYTES = 64 * 1_048_576
_DISCONNECTED_GUIDE = "Microsoft, TechNet cc720512 and dd939911 (disconnected networks)"


@rule("Role of the server: autonomous", sides=DISCONNECTED)
def replica(facts: Facts) -> Finding | None:
    """A replica takes its updates and approvals from its upstream server."""
    if not _server(facts).is_replica:
        return None
    # TechNet cc720512: "You cannot import updates to a server that is being centrally managed."
    return Finding(
        id="server-replica",
        severity="failure",
        evidence="IsReplicaServer = True",
        meaning="It is a replica, which takes its updates and approvals from its upstream server.",
        next_step="Make it autonomous: Options, Update Source and Proxy Server, clear `This server "
        "is a replica of the upstream server`.",
        document=_DISCONNECTED_GUIDE,
    )


@rule("Source of the server: no upstream server", sides=DISCONNECTED)
def upstream(facts: Facts) -> Finding | None:
    """An import into a server with an upstream breaks its next synchronisation."""
    server = _server(facts)
    if server.sync_from_microsoft_update or not server.upstream_server:
        return None
    return Finding(
        id="server-downstream",
        severity="failure",
        evidence=f"UpstreamWsusServerName = {server.upstream_server}",
        meaning="It synchronises from an upstream server, and an import would break that.",
        next_step="Import into the upstream server instead, or set the source to Microsoft Update: "
        "Options, Update Source and Proxy Server.",
        document="Observed: UssInternalError at the next synchronisation (MEMLAB)",
    )


@rule("Synchronisation at work: none")
def synchronising(facts: Facts) -> Finding | None:
    """A catalogue that changes is neither exported nor imported into."""
    state = _server(facts).synchronization
    if state == "NotProcessing":
        return None
    return Finding(
        id="server-synchronising",
        severity="failure",
        evidence=f"GetSynchronizationStatus() = {state}",
        meaning="A synchronisation is running.",
        next_step="Wait until it has ended, then run the same command again.",
    )


@rule("Content stored on this server")
def content_not_stored(facts: Facts) -> Finding | None:
    """A server whose clients download from Microsoft Update has no content to carry or keep."""
    if not _server(facts).host_binaries_on_microsoft_update:
        return None
    return Finding(
        id="content-not-stored",
        severity="failure",
        evidence="HostBinariesOnMicrosoftUpdate = True",
        meaning="It keeps no content files: its clients fetch them from Microsoft Update.",
        next_step="Store update files locally: Options, Update Files and Languages.",
        document=_DISCONNECTED_GUIDE,
    )


@rule("Content folder on a local disk")
def content_on_share(facts: Facts) -> Finding | None:
    """Permissions and renames on a share do not work as on a local disk."""
    content_dir = _server(facts).content_dir
    if not content_dir.startswith(("\\\\", "//")):
        return None
    return Finding(
        id="content-on-share",
        severity="failure",
        evidence=f"LocalContentCachePath = {content_dir}",
        meaning="Its content folder is a network share, on which permissions and renames do not "
        "work as on a local disk. Microsoft asks for local content while metadata are imported.",
        next_step="Move the content to a disk of the server itself with `wsusutil movecontent`.",
    )


@rule("Server id: the one that this site remembers")
def changed(facts: Facts) -> Finding | None:
    """A rebuilt server, or another one in its place, needs a person's word."""
    server_id, remembered = _server(facts).server_id, facts.own.known_server_id
    if remembered in (None, server_id):
        return None
    return _changed("server-changed", facts.side, server_id, str(remembered))


def _changed(finding_id: str, side: Side, server_id: str, remembered: str) -> Finding:
    next_step = (
        "Find out whether the staging server was rebuilt or another one took its place. If it is "
        f"to go on in this chain, run the same command with --accept-finding {finding_id}=REASON."
    )
    if side is Side.DISCONNECTED:
        next_step = f"Find out whether another server took its place. {REBUILT_REMEDY}"
    return Finding(
        id=finding_id,
        severity="failure",
        evidence=f"the {side} server's id is {server_id}, this site knows {remembered}",
        meaning=f"The {side} server was rebuilt, or another one took its place.",
        next_step=next_step,
    )


@rule("Content folder: there, and WsusContent")
def content_folder(facts: Facts) -> Finding | None:
    """Without its disk a server would look as if it had no content."""
    folder = known(facts.own.content_folder, "the content folder")
    if folder.problem is None:
        return None
    return Finding(
        id="content-folder",
        severity="failure",
        evidence=folder.problem,
        meaning="The content folder cannot be used.",
        next_step="See that the disk of WsusContent is there, or set server.content_dir in the "
        "site file to that folder; then run the same command again.",
    )


@rule("Room on the content disk for a run")
def disk_full(facts: Facts) -> Finding | None:
    """A disk that is as good as full fails in the middle of a step."""
    volume = known(_server(facts).content_volume, "the volume of the content folder")
    if volume.free_bytes >= LEAST_ROOM_BYTES:
        return None
    return Finding(
        id="content-disk-full",
        severity="failure",
        evidence=f"{size(volume.free_bytes)} free on the content disk",
        meaning="The content disk is as good as full.",
        next_step="Make room there, then run the same command again.",
    )


@rule("Settings of both servers", sides=DISCONNECTED)
def settings(facts: Facts) -> Finding | None:
    """Languages, express files and protocol version have to be those of the staging server."""
    differences = settings_that_differ(facts)
    if not differences:
        return None
    return Finding(
        id="settings-differ",
        severity="failure",
        evidence="; ".join(difference.sentence for difference in differences),
        meaning="Settings that have to be equal on both servers are not.",
        next_step=" ".join(difference.remedy for difference in differences),
        document=_DISCONNECTED_GUIDE,
    )


def settings_that_differ(facts: Facts) -> tuple[Difference, ...]:
    """Compare this server with the staging server of the bundle.

    Raises:
        NotKnownError: This command opened no bundle, or the API of this server does not answer.
    """
    staging = known(facts.own.staging, "the staging server's settings (an import has them)")
    theirs = ServerSettings(
        server_id=staging.id,
        version=staging.version,
        protocol_version=staging.protocol_version,
        download_express=staging.download_express,
        all_languages=staging.all_languages,
        languages=staging.languages,
    )
    return compare_settings(theirs, _server(facts))


@rule("Staging server of the bundle: the one that this site remembers", sides=DISCONNECTED)
def staging_changed(facts: Facts) -> Finding | None:
    """A bundle of another staging server continues the chain only by a person's word."""
    staging = known(facts.own.staging, "the staging server's id (an import has it)")
    remembered = facts.own.known_staging_id
    if remembered in (None, staging.id):
        return None
    return _changed("staging-server-changed", Side.STAGING, staging.id, str(remembered))


def _server(facts: Facts) -> ServerFacts:
    return known(facts.server, "the API of WSUS")


RULES: tuple[Rule, ...] = (
    replica,
    upstream,
    synchronising,
    content_not_stored,
    content_on_share,
    changed,
    content_folder,
    disk_full,
    settings,
    staging_changed,
)
