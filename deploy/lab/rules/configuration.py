"""A server's configuration, its service, and its history of synchronisations.

Properties have the names of ``IUpdateServerConfiguration`` and its concrete class, so that the
dispatch reads and writes them by name.
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from deploy.lab.knobs import KNOBS
from deploy.lab.knobs.knob import Failure
from deploy.lab.rules import distribution_log, machine
from deploy.lab.rules.server import RuleError, Server, now
from deploy.lab.store import database, languages

VERSION = "10.0.14393.7155"
PROTOCOL_VERSION = "1.20"
SERVICE = "WsusService"

# The settings of both servers of a fresh lab; spans of time in seconds.
DEFAULTS: dict[str, Any] = {
    "AllowProxyCredentialsOverNonSsl": False,
    "AllUpdateLanguagesDssEnabled": False,
    "AllUpdateLanguagesEnabled": False,
    "AllUpdateLanguagesUssEnabled": False,
    "AnonymousProxyAccess": True,
    "AutoApproveWsusInfrastructureUpdates": True,
    "AutoRefreshUpdateApprovals": True,
    "AutoRefreshUpdateApprovalsDeclineExpired": True,
    "BitsDownloadPriorityForeground": False,
    "ClientEventExpirationTime": 14 * 86_400,
    "ClientReportingLevel": "All",
    "CollectClientInventory": False,
    "ComputerDeletionTimeThreshold": 30 * 86_400,
    "DoDetailedRollup": True,
    "DownloadExpressPackages": False,
    "DownloadUpdateBinariesAsNeeded": True,
    "EnabledUpdateLanguages": ["de", "en", "ja"],
    "ExpiredEventDetectionPeriod": 86_400,
    "GetContentFromMU": False,
    "HasProxyPassword": False,
    "HostBinariesOnMicrosoftUpdate": False,
    "IsReplicaServer": False,
    "LastConfigChange": "2024-01-02T08:00:00Z",
    "LocalPublishingMaxCabSize": 384,
    "LogFilePath": "C:\\Program Files\\Update Services\\LogFiles",
    "LogLevel": "Info",
    "MaximumAllowedComputers": 100_000,
    "MaxSimultaneousFileDownloads": 10,
    "MURollupOptin": False,
    "MUUrl": "https://sws.update.microsoft.com",
    "OobeInitialized": True,
    "ProxyName": "",
    "ProxyServerPort": 80,
    "ProxyUserDomain": "",
    "ProxyUserName": "",
    "RedirectorChangeNumber": 4002,
    "RevisionDeletionTimeThreshold": 30 * 86_400,
    "ServerEventExpirationTime": 14 * 86_400,
    "ServerString": "",
    "SslProxyName": "",
    "SslProxyServerPort": 443,
    "SyncFromMicrosoftUpdate": True,
    "TargetingMode": "Server",
    "UpstreamWsusServerName": "",
    "UpstreamWsusServerPortNumber": 8530,
    "UpstreamWsusServerUseSsl": False,
    "UseProxy": False,
    "UseSeparateProxyForSsl": False,
    # Settings of the lab, which WSUS does not have.
    "agent_seconds": 1.0,
    "wsusutil_seconds": 0.0,
    "slow_calls": False,
    "service_status": "Running",
    "version": VERSION,
    "protocol_version": PROTOCOL_VERSION,
}
# The texts of the event log on synchronisations, by the number of the event.
EVENT_TEXTS = {
    381: "A scheduled synchronization was started.",
    382: "A manual synchronization was started.",
    384: "Synchronization completed successfully.",
    386: "Synchronization failed. Reason: %1.",
    389: "Synchronization settings were modified.",
}


def read(server: Server, name: str) -> Any:
    """Read a configuration property by its name in the API."""
    if name == "LocalContentCachePath":
        return machine.read(server, "machine.content_share") or str(server.content_dir)
    if name == "LogFilePath":
        return str(distribution_log.folder(server.server_folder))
    if name == "SupportedUpdateLanguages":
        return list(languages.CODES)
    return server.setting(name)


def save(server: Server, changes: dict[str, Any]) -> None:
    """``Save``: write the properties that a script changed."""
    with database.transaction(server.connection):
        for name, value in changes.items():
            server.set_setting(name, value)
        server.set_setting("LastConfigChange", now())


def service_status(server: Server) -> str:
    """``Running`` or ``Stopped``, the status that ``Get-Service`` shows."""
    return "Stopped" if server.fault("service-down") else str(server.setting("service_status"))


def stop_service(server: Server) -> None:
    """Stop WsusService."""
    server.set_setting("service_status", "Stopped")
    server.record_event(502, "Update Services Service Stopped")


def start_service(server: Server) -> bool:
    """Start WsusService; gives False if it does not start."""
    if server.fault("service-down"):
        server.record_event(507, "Update Services failed its initialization and stopped.")
        return False
    server.set_setting("service_status", "Running")
    server.record_event(501, "Update Services Service Started")
    distribution_log.append_schannel(
        server.server_folder, machine.read(server, "machine.schannel_lines")
    )
    return True


def last_synchronization(server: Server) -> dict[str, Any] | None:
    """The newest synchronisation as a row of its table, or None before the first."""
    rows = synchronizations(server)
    return rows[0] if rows else None


def synchronizations(server: Server) -> list[dict[str, Any]]:
    """The history of synchronisations, newest first."""
    query = "SELECT * FROM synchronization ORDER BY started DESC, id"
    return [dict(row) for row in server.connection.execute(query)]


def synchronization_status(server: Server) -> str:
    """The name of a value of ``SynchronizationStatus``."""
    query = "SELECT count(*) FROM synchronization WHERE ended IS NULL"
    return "Running" if server.connection.execute(query).fetchone()[0] else "NotProcessing"


def synchronize(server: Server, *, manual: bool) -> None:
    """``StartSynchronization``: it brings nothing new, or fails by a knob or for want of a network.

    Raises:
        RuleError: A synchronisation is running.
    """
    if synchronization_status(server) == "Running":
        raise RuleError("InvalidOperationException", "A synchronization is already in progress.")
    present = now()
    started = (382, EVENT_TEXTS[382]) if manual else (381, EVENT_TEXTS[381])
    failures = _failures(server)
    outcome, ended = ("Succeeded", "NotApplicable", ""), [(384, EVENT_TEXTS[384])]
    if failures:
        reason = _text(failures[0], server)
        outcome = ("Failed", failures[0].error, reason)
        ended = [
            (386, EVENT_TEXTS[386].replace("%1", reason)),
            (10022, "The last catalog synchronization attempt was unsuccessful."),
        ]
        _log_failures(server, failures)
    with database.transaction(server.connection) as connection:
        connection.execute(
            "INSERT INTO synchronization VALUES (?, ?, ?, ?, ?, ?, ?)",
            (str(uuid.uuid4()), present, present, *outcome, int(manual)),
        )
        for event_id, text in (started, *ended):
            server.record_event(event_id, text)


_NO_NETWORK = Failure(
    "UssNotFound",
    {
        "en": "WebException: The remote name could not be resolved: 'sws.update.microsoft.com'",
        "de": "WebException: Der Remotename konnte nicht aufgelöst werden: "
        "'sws.update.microsoft.com'",
    },
)


def _failures(server: Server) -> list[Failure]:
    """The failures of a synchronisation now: of each knob that is on, in the order of the knobs."""
    if not server.setting("is_connected"):
        return [_NO_NETWORK]
    return [
        knob.failure
        for name, knob in KNOBS.items()
        if knob.failure is not None and server.fault(name) is not None
    ]


def _log_failures(server: Server, failures: list[Failure]) -> None:
    """Write what each failure leaves in SoftwareDistribution.log before its result."""
    endpoint = urlsplit(server.setting("MUUrl")).hostname or ""
    for failure in failures:
        text = _text(failure, server)
        lines = failure.log or (("Error", "CatalogSyncAgentCore.ExecuteSyncProtocol", "{text}"),)
        for level, method, message in lines:
            shown = message.replace("{endpoint}", endpoint).replace("{text}", text)
            distribution_log.append(server.server_folder, level, method, shown)


def _text(failure: Failure, server: Server) -> str:
    return failure.texts.get(server.setting("language")) or failure.texts["en"]
