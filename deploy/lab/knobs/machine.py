"""Knobs of the machine: account, PowerShell, clock."""

from __future__ import annotations

from deploy.lab.knobs.knob import Failure, Knob
from deploy.lab.rules import machine, registry

_TRUST = {
    "en": "WebException: The underlying connection was closed: Could not establish trust "
    "relationship for the SSL/TLS secure channel. (0x80072F8F)",
    "de": "WebException: Die zugrunde liegende Verbindung wurde geschlossen: Für den geschützten "
    "SSL/TLS-Kanal konnte keine Vertrauensstellung hergestellt werden. (0x80072F8F)",
}

KNOBS: dict[str, Knob] = {
    **{
        name: Knob(description, {setting: value})
        for name, (description, setting, value) in {**machine.WRONG, **registry.WRONG}.items()
    },
    "language-mode": Knob(
        "application control lets PowerShell run in ConstrainedLanguage only",
        {"machine.language_mode": "ConstrainedLanguage"},
    ),
    "server-id": Knob(
        "another server has taken the place of this one, under another id",
        {"ServerId": "7d0a1c52-5b7e-4a08-9a55-0c6b1f3e2d41"},
    ),
    "content-share": Knob(
        "WSUS names a share of another machine as its content folder",
        {"machine.content_share": "\\\\files.example\\WSUS\\WsusContent"},
    ),
    "clock": Knob(
        "the clock of the machine is ten days ahead",
        {"machine.clock_offset_seconds": 864_000},
        Failure("UssCommunicationError", _TRUST),
    ),
}
