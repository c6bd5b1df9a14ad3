"""The settings of the machine that a simulated server runs on, beside those of WSUS itself.

A setting has a default for a healthy machine; a knob or ``lab.tune`` gives it another value, in
the server's own table of settings. A topic adds its settings here, with one row each: in ``FACTS``
if the script writes the setting as it is, else in ``DEFAULTS``. What a script sees of them are the
commands of Windows in the module ``LabWindows``.
"""

from __future__ import annotations

import hashlib
from typing import Any

from deploy.lab.rules.server import Server

_MICROSOFT_ROOTS = {
    "3B1EFD3A66EA28B16697394703A72CA340A05BD5": "Microsoft Root Certificate Authority 2010",
    "8F43288AD272F3103B6FB1428485EA3014C0BCFE": "Microsoft Root Certificate Authority 2011",
}


def certificate(store: str, subject: str, issuer: str, **fields: Any) -> dict[str, Any]:
    """A certificate of a store of the machine; its dates are good unless others are given."""
    return {
        "store": store,
        "thumbprint": hashlib.sha1(f"{store} {subject}".encode()).hexdigest().upper(),
        "subject": subject,
        "issuer": issuer,
        "not_before": "2020-01-01T00:00:00Z",
        "not_after": "2060-01-01T00:00:00Z",
        "has_private_key": store == "My",
        "names": [],
        **fields,
    }


ROOT_CERTIFICATE = certificate("Root", "CN=Example Root CA", "CN=Example Root CA")
ISSUING_CERTIFICATE = certificate("CA", "CN=Example Issuing CA", "CN=Example Root CA")
OWN_CERTIFICATE = certificate(
    "My", "CN=wsus-staging.example", "CN=Example Issuing CA", names=["wsus-staging.example"]
)
CERTIFICATES = [
    OWN_CERTIFICATE,
    ISSUING_CERTIFICATE,
    ROOT_CERTIFICATE,
    *(
        certificate("Root", f"CN={name}", f"CN={name}", thumbprint=thumbprint)
        for thumbprint, name in _MICROSOFT_ROOTS.items()
    ),
]
MIME_TYPES = [".cab", ".esd", ".exe", ".msixbundle", ".msu", ".psf", ".txt", ".wim", ".xml"]

FACTS: dict[str, dict[str, Any]] = {
    "machine": {
        # What group policy sets: Undefined, AllSigned, RemoteSigned, ...
        "execution_policy": "Undefined",
        # Null: nobody knows, because the program that says so is not there.
        "is_administrator": True,
        # Application control (AppLocker, WDAC) sets another one.
        "language_mode": "FullLanguage",
        # Server 2016, as the simulated WSUS is.
        "windows_version": "10.0.14393",
    },
    "iis": {
        "ssl_flags": {
            "Content": "",
            "SelfUpdate": "",
            "ClientWebService": "",
            "ServerSyncWebService": "",
            "SimpleAuthWebService": "",
        },
        "mime_types": MIME_TYPES,
        "pool_state": "Started",
        # What set-up of WSUS gives its pool, in KB; 0: no limit.
        "pool_private_memory_kb": 1_843_200,
    },
}
"""Properties of ``read-server.ps1`` that are settings, by topic, with the value of a healthy
machine; the setting of ``x`` is ``machine.x``."""

WRONG: dict[str, tuple[str, str, Any]] = {
    "account-rights": (
        "the account of scripts is no local administrator", "machine.is_administrator", False
    ),
    "account-unknown": (
        "nobody says which rights the account has", "machine.is_administrator", None
    ),
    "execution-policy": (
        "group policy lets only signed scripts run", "machine.execution_policy", "AllSigned"
    ),
}  # fmt: skip
"""Knobs that set one fact, by name: description, setting, and the value while the knob is on."""

DEFAULTS: dict[str, Any] = {
    **{f"machine.{name}": value for facts in FACTS.values() for name, value in facts.items()},
    # What `netsh winhttp show proxy` prints.
    "machine.winhttp_proxy": "\nCurrent WinHTTP proxy settings:\n\n"
    "    Direct access (no proxy server).\n",
    # The state of W3SVC, the service of IIS.
    "machine.web_service": "Running",
    "machine.certificates": CERTIFICATES,
    # The thumbprint that the binding for HTTPS of the site names; None: there is no such binding.
    "machine.bound_certificate": None,
    # Lower case; ports as NAME:PORT.
    "machine.unresolved_names": [],
    "machine.closed_ports": [],
    # A status of HTTP, or the name of a WebExceptionStatus.
    "machine.upstream_answers": {"service": "200", "self_update": "200"},
    # Without names it is for the name that the server is set to; None: it cannot be read.
    "machine.upstream_certificate": certificate(
        "My", "CN=upstream", "CN=Example Issuing CA", names=[]
    ),
    # The name of the content folder that WSUS gives, if it is that of a share; the files lie in
    # WsusContent all the same.
    "machine.content_share": None,
    # None: WsusContent itself.
    "machine.content_path": None,
    "machine.content_anonymous": True,
    # Events of recycling for memory that WAS wrote when this day began (5117, 5077), by their ids.
    "machine.pool_recyclings": [],
    # SID, bits of FileSystemRights, Allow or Deny.
    "machine.content_rights": [
        ["S-1-5-18", 2032127, "Allow"],
        ["S-1-5-20", 2032127, "Allow"],
        ["S-1-5-32-544", 2032127, "Allow"],
        ["S-1-5-32-545", 131241, "Allow"],
    ],
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


def facts(server: Server, topic: str) -> dict[str, Any]:
    """The properties of a topic that are settings, as they are now."""
    return {name: read(server, f"machine.{name}") for name in FACTS.get(topic, {})}
