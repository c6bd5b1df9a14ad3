"""Knobs of TLS: protocols, cipher suites, the .NET Framework."""

from __future__ import annotations

from deploy.lab.knobs.knob import Failure, Knob
from deploy.lab.rules import registry

_CLOSED = {
    "en": "WebException: The underlying connection was closed: An unexpected error occurred on a "
    "send.",
    "de": "WebException: Die zugrunde liegende Verbindung wurde geschlossen: Unbekannter Fehler "
    "beim Senden.",
}
_NO_ALGORITHM = {
    "en": "Win32Exception: The client and server cannot communicate, because they do not possess a "
    "common algorithm",
    "de": "Win32Exception: Client und Server können nicht kommunizieren, da sie keinen gemeinsamen "
    "Algorithmus besitzen.",
}
_OLD_SUITES = "TLS_RSA_WITH_3DES_EDE_CBC_SHA,TLS_RSA_WITH_RC4_128_SHA"

KNOBS: dict[str, Knob] = {
    "tls-lines-absent": Knob(
        "the update for TLS 1.2 is not installed on Server 2012 R2",
        {"machine.windows_version": "6.3.9600", "machine.schannel_lines": []},
        Failure("UssCommunicationError", _CLOSED),
        restarts_service=True,
    ),
    "tls-1.2-disabled": Knob(
        "TLS 1.2 is switched off in the registry",
        {"machine.schannel_lines": ["SCHANNEL Protocol 'TLS 1.2' disabled"]},
        Failure("UssCommunicationError", _CLOSED),
        restarts_service=True,
    ),
    "cipher-policy": Knob(
        "group policy allows old cipher suites only",
        {registry.CIPHER_SUITES: _OLD_SUITES},
        Failure("UssCommunicationError", _NO_ALGORITHM),
    ),
    "strong-cryptography-off": Knob(
        "SchUseStrongCrypto of the .NET Framework is 0", {registry.STRONG_CRYPTO: 0}
    ),
}
