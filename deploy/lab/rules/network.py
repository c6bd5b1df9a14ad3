"""The network and IIS of the simulated machine: names, ports, and the upstream server's answers.

Nothing is really asked. Each name that a script asks for is written down (``asked``), so that a
test sees what would have left the machine.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from deploy.lab.rules import configuration, machine
from deploy.lab.rules.server import Server

_ASKED = "asked-names.log"


def asked(server: Server) -> list[str]:
    """The names, ports and addresses that scripts on this machine asked for, oldest first."""
    path = server.server_folder / _ASKED
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _write_down(server: Server, what: str) -> None:
    with (server.server_folder / _ASKED).open("a", encoding="utf-8") as stream:
        stream.write(f"{what}\n")


def resolves(server: Server, name: str) -> bool:
    """``Resolve-DnsName``: a connected server resolves every name but those that a knob names."""
    _write_down(server, name)
    return _resolves(server, name)


def _resolves(server: Server, name: str) -> bool:
    is_known = name.casefold() not in machine.read(server, "machine.unresolved_names")
    return bool(server.setting("is_connected")) and is_known


def opens(server: Server, name: str, port: int) -> bool:
    """``Test-NetConnection -Port``."""
    _write_down(server, f"{name}:{port}")
    return _opens(server, name, port)


def _opens(server: Server, name: str, port: int) -> bool:
    closed = machine.read(server, "machine.closed_ports")
    return _resolves(server, name) and f"{name.casefold()}:{port}" not in closed


def web(server: Server, address: str) -> str:
    """``Invoke-WebRequest``: a status of HTTP, or the name of a ``WebExceptionStatus``."""
    _write_down(server, address)
    parts = urlsplit(address)
    name, port = parts.hostname or "", parts.port or 80
    if not _resolves(server, name):
        return "NameResolutionFailure"
    if not _opens(server, name, port):
        return "ConnectFailure"
    answers = machine.read(server, "machine.upstream_answers")
    return str(answers["self_update" if "selfupdate" in parts.path else "service"])


def certificate(server: Server, name: str) -> dict[str, Any] | None:
    """The certificate that the upstream server shows; None if it shows none, or for other names."""
    _write_down(server, name)
    shown: dict[str, Any] | None = machine.read(server, "machine.upstream_certificate")
    if shown is None or name != server.setting("UpstreamWsusServerName"):
        return None
    return shown | {"names": shown["names"] or [name]}


def content_path(server: Server) -> str:
    """The physical path of the virtual directory Content in IIS."""
    return machine.read(server, "machine.content_path") or str(
        configuration.read(server, "LocalContentCachePath")
    )


def write_setting(server: Server, name: str, value: Any) -> None:
    """Write a setting of the machine."""
    server.set_setting(name, value)
