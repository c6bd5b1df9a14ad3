"""Topics of ``read-server.ps1`` about the machine: certificates, network, upstream server, IIS."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from deploy.lab.powershell.stand_in.run import Run
from deploy.lab.rules import configuration, machine, network, registry, windows

_SETUP = r"SOFTWARE\Microsoft\Update Services\Server\Setup"
_STORES = ("My", "CA", "Root")
_SHOWN = ("subject", "issuer", "not_before", "not_after", "names")
_PLAIN_PORTS = {8531: 8530, 443: 80}


def write_certificates(run: Run) -> None:
    """Write the topic ``certificates``."""
    setup = registry.read_key(run.server, _SETUP) or {}
    rows = machine.read(run.server, "machine.certificates")
    run.write(
        kind="certificates",
        stored=[
            {
                "store": store,
                "thumbprint": row["thumbprint"],
                **{name: row[name] for name in _SHOWN[:4]},
                "has_private_key": row["has_private_key"],
                "names": row["names"],
            }
            for store in _STORES
            for row in rows
            if row["store"] == store
        ],
        uses_ssl=setup.get("UsingSSL") == 1,
        bound=machine.read(run.server, "machine.bound_certificate") or "none",
        **registry.facts(run.server, "certificates"),
    )


def write_network(run: Run) -> None:
    """Write the topic ``network``."""
    asked: list[tuple[str, int, bool]] = []
    if _read(run, "SyncFromMicrosoftUpdate"):
        asked.append((urlsplit(_read(run, "MUUrl")).hostname or "", 443, False))
        asked.append(("download.windowsupdate.com", 80, False))
    if _read(run, "UseProxy") and _read(run, "ProxyName"):
        asked.append((_read(run, "ProxyName"), _read(run, "ProxyServerPort"), True))
    if _read(run, "UseSeparateProxyForSsl") and _read(run, "SslProxyName"):
        asked.append((_read(run, "SslProxyName"), _read(run, "SslProxyServerPort"), True))
    run.write(kind="network", probes=[_probe(run, *row) for row in asked])


def _probe(run: Run, name: str, port: int, is_proxy: bool) -> dict[str, Any]:  # noqa: FBT001
    resolves = network.resolves(run.server, name)
    opens = network.opens(run.server, name, port) if resolves else None
    return {"name": name, "port": port, "is_proxy": is_proxy, "resolves": resolves, "opens": opens}


def write_upstream(run: Run) -> None:
    """Write the topic ``upstream``."""
    line: dict[str, Any] = dict.fromkeys(("opens", "service", "self_update", "certificate"))
    name, port = _read(run, "UpstreamWsusServerName"), _read(run, "UpstreamWsusServerPortNumber")
    if not _read(run, "SyncFromMicrosoftUpdate") and name:
        line["opens"] = network.opens(run.server, name, port)
        scheme, plain = "http", port
        if _read(run, "UpstreamWsusServerUseSsl"):
            scheme, plain = "https", _PLAIN_PORTS.get(port)
            shown = network.certificate(run.server, name)
            line["certificate"] = shown and {field: shown[field] for field in _SHOWN}
        service = f"{scheme}://{name}:{port}/ClientWebService/client.asmx"
        line["service"] = network.web(run.server, service)
        if plain is not None:
            address = f"http://{name}:{plain}/selfupdate/iuident.cab"
            line["self_update"] = network.web(run.server, address)
    run.write(kind="upstream", **line)


def write_iis(run: Run) -> None:
    """Write the topic ``iis``."""
    server = run.server
    run.write(
        kind="iis",
        content_path=network.content_path(server),
        anonymous=machine.read(server, "machine.content_anonymous"),
        pool_recyclings=[
            {"event_id": event.event_id, "time": event.time}
            for event in windows.pool_events(server, ids=(5077, 5117))
        ],
        content_rights=None
        if server.fault("api-silent")
        else [
            {"sid": sid, "rights": rights, "is_allowed": word == "Allow"}
            for sid, rights, word in machine.read(server, "machine.content_rights")
        ],
        **machine.facts(server, "iis"),
    )


def _read(run: Run, name: str) -> Any:
    return configuration.read(run.server, name)
