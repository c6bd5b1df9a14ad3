"""The topics of ``read-server.ps1``, as the stand-in answers them: one function a topic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.lab.powershell.stand_in import machine_topics
from deploy.lab.powershell.stand_in.files import volume_of
from deploy.lab.powershell.stand_in.log_reader import read_logs
from deploy.lab.powershell.stand_in.run import Run
from deploy.lab.rules import (
    configuration,
    distribution_log,
    machine,
    registry,
    subscription,
    windows,
)
from deploy.lab.rules.categories import CATEGORIES_SETTING, CLASSIFICATIONS_SETTING, subscribed
from deploy.lab.rules.server import as_text

# What is read through the API alone.
_OF_THE_API = frozenset({"configuration", "synchronisation", "network", "upstream"})
_MOST_RUNS = 50
_MOST_EVENTS = 200
# The properties of the configuration that the script reads, by the key that it writes.
_CONFIGURATION = {
    "sync_from_microsoft_update": "SyncFromMicrosoftUpdate",
    "is_replica_server": "IsReplicaServer",
    "mu_url": "MUUrl",
    "redirector_change_number": "RedirectorChangeNumber",
    "upstream_wsus_server_name": "UpstreamWsusServerName",
    "upstream_wsus_server_port_number": "UpstreamWsusServerPortNumber",
    "upstream_wsus_server_use_ssl": "UpstreamWsusServerUseSsl",
    "use_proxy": "UseProxy",
    "proxy_name": "ProxyName",
    "proxy_server_port": "ProxyServerPort",
    "anonymous_proxy_access": "AnonymousProxyAccess",
    "has_proxy_password": "HasProxyPassword",
    "use_separate_proxy_for_ssl": "UseSeparateProxyForSsl",
    "ssl_proxy_name": "SslProxyName",
    "ssl_proxy_server_port": "SslProxyServerPort",
    "allow_proxy_credentials_over_non_ssl": "AllowProxyCredentialsOverNonSsl",
    "host_binaries_on_microsoft_update": "HostBinariesOnMicrosoftUpdate",
    "get_content_from_mu": "GetContentFromMU",
}


def write_topics(run: Run) -> None:
    """Write the lines of the topics that the request names, in the order of the script."""
    requested = run.settings.get("topics") or []
    is_silent = bool(run.server.fault("api-silent"))
    for topic, write in _TOPICS.items():
        if topic in requested and topic in _OF_THE_API and is_silent:
            run.write(kind="unknown", topic=topic, reason="the API of WSUS does not answer")
        elif topic in requested:
            try:
                write(run)
            except OSError as error:
                run.write(kind="unknown", topic=topic, reason=str(error))


def _write_configuration(run: Run) -> None:
    values = {key: configuration.read(run.server, name) for key, name in _CONFIGURATION.items()}
    run.write(kind="configuration", **values)


def _write_synchronisation(run: Run) -> None:
    server = run.server
    runs: list[dict[str, Any]] = [
        {
            "started": row.started,
            "ended": row.ended,
            "result": row.result,
            "error": row.error,
            "error_text": row.error_text,
        }
        for row in subscription.history(server)[:_MOST_RUNS]
    ]
    run.write(
        kind="synchronisation",
        runs=runs,
        scheduled=subscription.read(server).automatic,
        products=len(subscribed(server, CATEGORIES_SETTING)),
        classifications=len(subscribed(server, CLASSIFICATIONS_SETTING)),
    )


def _write_machine(run: Run) -> None:
    run.write(
        kind="machine",
        clock=as_text(
            datetime.now(UTC)
            + timedelta(seconds=machine.read(run.server, "machine.clock_offset_seconds"))
        ),
        service_status=windows.service(run.server).status,
        work_volume=_volume_name(run, run.settings.get("content_work_dir")),
        content_volume=_volume_name(run, _content_dir(run)),
        **machine.facts(run.server, "machine"),
        **registry.facts(run.server, "machine"),
    )


def _content_dir(run: Run) -> str | None:
    """WsusContent as the API names it; None if the API does not answer."""
    if run.server.fault("api-silent"):
        return None
    return str(configuration.read(run.server, "LocalContentCachePath"))


def _volume_name(run: Run, path: str | None) -> str | None:
    volume = volume_of(run.server, path) if path else None
    return None if volume is None else volume.name


def _write_tls(run: Run) -> None:
    run.write(kind="tls", **registry.facts(run.server, "tls"))


def _write_winhttp(run: Run) -> None:
    text = str(machine.read(run.server, "machine.winhttp_proxy"))
    run.write(kind="winhttp", text=text.strip())


def _write_log(run: Run) -> None:
    answer = read_logs(distribution_log.folder(run.server.server_folder))
    run.write(
        kind="log",
        path=str(answer.path),
        size_bytes=answer.size_bytes,
        read_bytes=answer.read_bytes,
        encoding=answer.encoding,
        is_full=answer.is_full,
    )
    for piece in answer.pieces():
        run.write(kind="log", text=piece)


def _write_events(run: Run) -> None:
    run.write(kind="events")
    for event in windows.events(run.server, levels=[1, 2, 3])[:_MOST_EVENTS]:
        run.write(
            kind="events",
            id=event.event_id,
            source=event.source,
            time=event.time,
            message=event.text[:2048],
        )


_TOPICS: dict[str, Callable[[Run], None]] = {
    "configuration": _write_configuration,
    "synchronisation": _write_synchronisation,
    "machine": _write_machine,
    "tls": _write_tls,
    "winhttp": _write_winhttp,
    "certificates": machine_topics.write_certificates,
    "network": machine_topics.write_network,
    "upstream": machine_topics.write_upstream,
    "iis": machine_topics.write_iis,
    "log": _write_log,
    "events": _write_events,
}
