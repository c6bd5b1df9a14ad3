"""The settings of the machine that a simulated server runs on, beside those of WSUS itself.

A setting has a default for a healthy machine; a knob or ``lab.tune`` gives it another value, in
the server's own table of settings. A topic adds its settings here, with one row each; what a script
sees of them are the commands of Windows in the module ``LabWindows``.
"""

from __future__ import annotations

from typing import Any

from deploy.lab.rules.server import Server

DEFAULTS: dict[str, Any] = {
    # What group policy sets: Undefined, AllSigned, RemoteSigned, ...
    "machine.execution_policy": "Undefined",
    # Null: nobody knows, because the program that says so is not there.
    "machine.is_administrator": True,
    # Server 2016, as the simulated WSUS is.
    "machine.windows_version": "10.0.14393",
    # What `netsh winhttp show proxy` prints.
    "machine.winhttp_proxy": "\nCurrent WinHTTP proxy settings:\n\n"
    "    Direct access (no proxy server).\n",
    # The state of W3SVC, the service of IIS.
    "machine.web_service": "Running",
    # Seconds by which the clock of the machine is ahead.
    "machine.clock_offset_seconds": 0,
    # The lines on SCHANNEL that the service writes into its log when it starts.
    "machine.schannel_lines": [
        "SCHANNEL Protocol 'TLS 1.0' disabled",
        "SCHANNEL Protocol 'TLS 1.1' disabled",
        "SCHANNEL Protocols subkey for 'TLS 1.2' not found. Protocol is enabled",
    ],
}


def read(server: Server, name: str) -> Any:
    """A setting of the machine: its value now, or its default."""
    try:
        return server.setting(name)
    except KeyError:
        return DEFAULTS[name]
