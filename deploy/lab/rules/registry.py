"""The registry of the simulated machine: the values below HKEY_LOCAL_MACHINE that scripts read.

Each value is a setting of the server, ``registry:KEY|VALUE``, so that a knob changes one value.
"""

from __future__ import annotations

import json
import os
from typing import Any

from deploy.lab.rules import distribution_log
from deploy.lab.rules.server import Server

_PREFIX = "registry:"
_FRAMEWORK = r"SOFTWARE\Microsoft\.NETFramework\v4.0.30319"
_FRAMEWORK_32 = r"SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319"
_SETUP = r"SOFTWARE\Microsoft\Update Services\Server\Setup"
_TIME = r"SYSTEM\CurrentControlSet\Services\W32Time\Parameters"
_CIPHERS = r"SOFTWARE\Policies\Microsoft\Cryptography\Configuration\SSL\00010002"
FACTS: dict[str, dict[str, tuple[str, Any]]] = {
    "machine": {"time_source": (f"{_TIME}|Type", "NT5DS")},
    "tls": {
        "cipher_suite_policy": (f"{_CIPHERS}|Functions", None),
        "strong_crypto": (f"{_FRAMEWORK}|SchUseStrongCrypto", 1),
        "strong_crypto_32": (f"{_FRAMEWORK_32}|SchUseStrongCrypto", 1),
        "system_default_tls_versions": (f"{_FRAMEWORK}|SystemDefaultTlsVersions", None),
        "system_default_tls_versions_32": (f"{_FRAMEWORK_32}|SystemDefaultTlsVersions", None),
    },
    "certificates": {"configured_name": (f"{_SETUP}|ServerCertificateName", "")},
}
"""Properties of ``read-server.ps1`` that are values of the registry, by topic: key and name of the
value, and what a healthy machine has there; None: there is no such value."""

DEFAULTS: dict[str, Any] = {
    **{path: value for facts in FACTS.values() for path, value in facts.values()},
    f"{_FRAMEWORK}|AspNetEnforceViewStateMac": 1,
    f"{_FRAMEWORK_32}|AspNetEnforceViewStateMac": 1,
    f"{_SETUP}|IisTargetWebSiteCreated": 1,
    f"{_SETUP}|IISTargetWebSiteIndex": 1,
    f"{_SETUP}|PortNumber": 8530,
    f"{_SETUP}|UsingSSL": 0,
}
USING_SSL = f"{_PREFIX}{_SETUP}|UsingSSL"
CERTIFICATE_NAME = f"{_PREFIX}{_SETUP}|ServerCertificateName"
TIME_SOURCE = f"{_PREFIX}{_TIME}|Type"
STRONG_CRYPTO = f"{_PREFIX}{_FRAMEWORK}|SchUseStrongCrypto"
CIPHER_SUITES = f"{_PREFIX}{_CIPHERS}|Functions"
WRONG: dict[str, tuple[str, str, Any]] = {
    "time-source": ("nothing sets the clock of the machine", TIME_SOURCE, "NoSync"),
}
"""Knobs that set one value, by name: description, setting, and the value while the knob is on."""


def is_strong_cryptography_off(server: Server) -> bool:
    """True if the 64-bit .NET Framework is told not to use strong cryptography."""
    return (read_key(server, _FRAMEWORK) or {}).get("SchUseStrongCrypto") == 0


def read_key(server: Server, key: str) -> dict[str, Any] | None:
    """The values of a key, given below HKEY_LOCAL_MACHINE; None if there is no such key."""
    values = {
        name: value
        for (owner, name), value in _values(server).items()
        if owner.casefold() == key.casefold()
    }
    has_below = any(
        owner.casefold().startswith(key.casefold() + "\\") for owner, _ in _values(server)
    )
    return values if values or has_below else None


def read_value(server: Server, key: str, name: str) -> Any:
    """A value as the script reads it: int for a DWORD, else str; ``not set`` if there is none."""
    return (read_key(server, key) or {}).get(name, "not set")


def facts(server: Server, topic: str) -> dict[str, Any]:
    """The properties of a topic that are values of the registry, as they are now."""
    return {
        name: read_value(server, *path.split("|"))
        for name, (path, _) in FACTS.get(topic, {}).items()
    }


def write_value(server: Server, key: str, name: str, value: Any) -> None:
    """Write a value; the key is made if it is missing."""
    for owner, existing in _values(server):
        if (owner.casefold(), existing.casefold()) == (key.casefold(), name.casefold()):
            key, name = owner, existing
    server.set_setting(f"{_PREFIX}{key}|{name}", value)


def remove_value(server: Server, key: str, name: str) -> None:
    """Remove a value; one that is not there changes nothing."""
    write_value(server, key, name, None)


def _values(server: Server) -> dict[tuple[str, str], Any]:
    """Every value that is set, by key and name."""
    rows = server.connection.execute(
        "SELECT name, value FROM setting WHERE name LIKE ?", (f"{_PREFIX}%",)
    )
    stored = {row["name"].removeprefix(_PREFIX): json.loads(row["value"]) for row in rows}
    folders = {
        f"{_SETUP}|ContentDir": str(server.content_dir.parent),
        f"{_SETUP}|TargetDir": f"{distribution_log.folder(server.server_folder).parent}{os.sep}",
    }
    values = {}
    for path, value in (DEFAULTS | folders | stored).items():
        key, _, name = path.partition("|")
        if value is not None:
            values[key, name] = value
    return values
