"""Knobs of names and ports on the way to Microsoft Update."""

from __future__ import annotations

from deploy.lab.knobs.knob import Failure, Knob

_NAME = "sws.update.microsoft.com"
_NOT_RESOLVED = {
    "en": f"WebException: The remote name could not be resolved: '{_NAME}'",
    "de": f"WebException: Der Remotename konnte nicht aufgelöst werden: '{_NAME}'",
}
_TIMED_OUT = {
    "en": "SocketException: A connection attempt failed because the connected party did not "
    "properly respond after a period of time, or established connection failed because connected "
    "host has failed to respond (0x8007274C)",
    "de": "SocketException: Ein Verbindungsversuch ist fehlgeschlagen, da die Gegenstelle nach "
    "einer bestimmten Zeitspanne nicht richtig reagiert hat (0x8007274C)",
}

KNOBS: dict[str, Knob] = {
    "name-unresolved": Knob(
        "the name of the endpoint is not resolved",
        {"machine.unresolved_names": [_NAME]},
        Failure("UssNotFound", _NOT_RESOLVED),
    ),
    "tcp-timeout": Knob(
        "connections to the endpoint time out",
        {"machine.closed_ports": [f"{_NAME}:443"]},
        Failure("UssCommunicationError", _TIMED_OUT),
    ),
}
