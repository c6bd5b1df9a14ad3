"""Knobs of IIS, of permissions, and of the machine's own certificates."""

from __future__ import annotations

from deploy.lab.knobs.knob import Knob
from deploy.lab.rules import machine, registry

_FLAGS = machine.DEFAULTS["machine.ssl_flags"]
_SSL = dict.fromkeys(("ClientWebService", "ServerSyncWebService", "SimpleAuthWebService"), "Ssl")
_OWN = {
    registry.USING_SSL: 1,
    registry.CERTIFICATE_NAME: "wsus-staging.example",
    "machine.bound_certificate": machine.OWN_CERTIFICATE["thumbprint"],
    "machine.ssl_flags": {**_FLAGS, **_SSL},
}


def _own(**fields: object) -> list[dict[str, object]]:
    """The certificates of the machine, its own with other fields."""
    return [{**machine.OWN_CERTIFICATE, **fields}, *machine.CERTIFICATES[1:]]


KNOBS: dict[str, Knob] = {
    "https": Knob("the server is set to use HTTPS, and all of it is right", _OWN),
    "self-update-ssl": Knob(
        "SelfUpdate requires SSL", {"machine.ssl_flags": {**_FLAGS, "SelfUpdate": "Ssl"}}
    ),
    "content-ssl": Knob(
        "Content requires SSL", {"machine.ssl_flags": {**_FLAGS, "Content": "Ssl,Ssl128"}}
    ),
    "services-without-ssl": Knob(
        "SSL is on, and the web services do not require it", {**_OWN, "machine.ssl_flags": _FLAGS}
    ),
    "content-path": Knob(
        "IIS serves another folder than WsusContent", {"machine.content_path": "D:\\Old\\Content"}
    ),
    "content-anonymous": Knob(
        "IIS asks clients of Content for a name", {"machine.content_anonymous": False}
    ),
    "mime-types": Knob(
        "IIS has no type for .msu and .wim",
        {
            "machine.mime_types": [
                name for name in machine.MIME_TYPES if name not in {".msu", ".wim"}
            ]
        },
    ),
    "pool-stopped": Knob("WsusPool is stopped", {"machine.pool_state": "Stopped"}),
    "pool-memory": Knob(
        "WsusPool has a memory limit that is lower than that of set-up",
        {"machine.pool_private_memory_kb": 921_600},
    ),
    "pool-recycled": Knob(
        "WsusPool reached its memory limit today", {"machine.pool_recyclings": [5117]}
    ),
    "content-rights": Knob(
        "NETWORK SERVICE may not read WsusContent",
        {"machine.content_rights": [["S-1-5-32-544", 2032127, "Allow"]]},
    ),
    "certificate-unbound": Knob(
        "the site has no binding for HTTPS", {**_OWN, "machine.bound_certificate": None}
    ),
    "certificate-no-key": Knob(
        "the own certificate has no private key",
        {**_OWN, "machine.certificates": _own(has_private_key=False)},
    ),
    "certificate-expired": Knob(
        "the own certificate has expired",
        {**_OWN, "machine.certificates": _own(not_after="2024-01-01T00:00:00Z")},
    ),
    "certificate-name": Knob(
        "the own certificate is for another name",
        {**_OWN, "machine.certificates": _own(names=["wsus.other.example"])},
    ),
    "intermediate-in-root": Knob(
        "an intermediate certificate lies in Trusted Root",
        {
            "machine.certificates": [
                *machine.CERTIFICATES,
                {**machine.ISSUING_CERTIFICATE, "store": "Root"},
            ]
        },
    ),
    "microsoft-roots": Knob(
        "the roots of Microsoft are missing",
        {
            "machine.certificates": [
                row for row in machine.CERTIFICATES if "Microsoft" not in row["subject"]
            ]
        },
    ),
}
