"""Knobs of a staging server below an upstream server: port, SSL, certificate, version."""

from __future__ import annotations

from deploy.lab.knobs.knob import Failure, Knob
from deploy.lab.rules import machine

_NAME = "wsus-up.example"
_HTTPS = {
    "SyncFromMicrosoftUpdate": False,
    "UpstreamWsusServerName": _NAME,
    "UpstreamWsusServerPortNumber": 8531,
    "UpstreamWsusServerUseSsl": True,
}
_CLOSED = {
    "en": "WebException: The underlying connection was closed: An unexpected error occurred on a "
    "receive.",
    "de": "WebException: Die zugrunde liegende Verbindung wurde geschlossen: Unbekannter Fehler "
    "beim Empfangen.",
}
_TRUST = {
    "en": "WebException: The underlying connection was closed: Could not establish trust "
    "relationship for the SSL/TLS secure channel.",
    "de": "WebException: Die zugrunde liegende Verbindung wurde geschlossen: Für den geschützten "
    "SSL/TLS-Kanal konnte keine Vertrauensstellung hergestellt werden.",
}
_VERSION = {
    "en": "The upstream server uses an older protocol version than this server.",
    "de": "Der Upstreamserver verwendet eine ältere Protokollversion als dieser Server.",
}
_TRUST_FAILURE = {"service": "TrustFailure", "self_update": "200"}


def _certificate(**fields: object) -> dict[str, object]:
    issuer = str(fields.pop("issuer", "CN=Example Issuing CA"))
    return machine.certificate("My", f"CN={_NAME}", issuer, **{"names": [_NAME], **fields})


KNOBS: dict[str, Knob] = {
    "upstream": Knob("the server synchronises from an upstream server over HTTPS", _HTTPS),
    "upstream-port": Knob(
        "the upstream server is asked without SSL on its port for HTTPS",
        {
            **_HTTPS,
            "UpstreamWsusServerUseSsl": False,
            "machine.upstream_answers": {
                "service": "ReceiveFailure",
                "self_update": "ReceiveFailure",
            },
        },
        Failure("UssCommunicationError", _CLOSED),
    ),
    "upstream-ssl": Knob(
        "the upstream server is asked with SSL on its port for HTTP",
        {
            **_HTTPS,
            "UpstreamWsusServerPortNumber": 8530,
            "machine.upstream_answers": {"service": "SecureChannelFailure", "self_update": "200"},
        },
        Failure("UssCommunicationError", _CLOSED),
    ),
    "upstream-chain": Knob(
        "the machine does not trust the upstream server's certificate",
        {
            **_HTTPS,
            "machine.upstream_answers": _TRUST_FAILURE,
            "machine.upstream_certificate": _certificate(issuer="CN=Unknown Issuing CA"),
        },
        Failure("UssCommunicationError", _TRUST),
    ),
    "upstream-name": Knob(
        "the upstream server's certificate is for another name",
        {
            **_HTTPS,
            "UpstreamWsusServerName": "wsus-up",
            "machine.upstream_answers": _TRUST_FAILURE,
            "machine.upstream_certificate": _certificate(),
        },
        Failure("UssCommunicationError", _TRUST),
    ),
    "upstream-expired": Knob(
        "the upstream server's certificate has expired",
        {
            **_HTTPS,
            "machine.upstream_answers": _TRUST_FAILURE,
            "machine.upstream_certificate": _certificate(not_after="2024-01-01T00:00:00Z"),
        },
        Failure("UssCommunicationError", _TRUST),
    ),
    "upstream-older": Knob(
        "this server is newer than its upstream server",
        _HTTPS,
        Failure("IncompatibleProtocolVersionOnUss", _VERSION),
    ),
    "upstream-self-update": Knob(
        "SelfUpdate of the upstream server requires SSL",
        {**_HTTPS, "machine.upstream_answers": {"service": "200", "self_update": "403"}},
    ),
    "upstream-short-name": Knob(
        "the upstream server is named by its short name, and its certificate cannot be read",
        {**_HTTPS, "UpstreamWsusServerName": "wsus-up", "machine.upstream_certificate": None},
    ),
    "content-from-microsoft": Knob(
        "the server downloads content from Microsoft, and the catalogue from its upstream server",
        {**_HTTPS, "GetContentFromMU": True},
    ),
    "replica": Knob(
        "the server is a replica of its upstream server", {**_HTTPS, "IsReplicaServer": True}
    ),
    "upstream-down": Knob(
        "the upstream server's port takes no connection",
        {**_HTTPS, "machine.closed_ports": [f"{_NAME}:8530", f"{_NAME}:8531"]},
    ),
}
