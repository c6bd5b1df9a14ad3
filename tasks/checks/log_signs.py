"""The entries of SoftwareDistribution.log, and of the event log, that the reference knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.checks.error_reference import Match, find_in_message
from tasks.checks.evidence import evidence_line
from tasks.checks.software_distribution_log import LogEntry

EVENT_SOURCE = "Windows Server Update Services"

# The stack trace below says the same again, and the reason stands at the beginning.
_READ_CHARACTERS = 2_048
_QUIET_LEVELS = frozenset({"Info", "Change", "Verbose"})
_TELLING = re.compile(
    r"SCHANNEL|EventId=|Exception|[Ff]ailed|deleted|does not exist|Process Start Time"
)
_PROTOCOL = re.compile(
    r"SCHANNEL Protocols?\b[^']{0,40}'(?P<name>(?:TLS|SSL) [\d.]{1,4})'(?P<state>[^\n]{0,120})"
)
_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)"
_ENDPOINTS = (
    re.compile(rf"\bActor\s*=\s*https?://{_HOST}", re.IGNORECASE),
    re.compile(
        r"(?<![\w.-])(?P<host>(?:[\w-]{1,63}\.){1,4}update\.microsoft\.com)(?![\w-]|\.\w)",
        re.IGNORECASE,
    ),
    re.compile(rf"https?://{_HOST}(?::\d+)?/\w*ServerSyncWebService", re.IGNORECASE),
    re.compile(rf"(?:be resolved|aufgelöst werden)\s*:\s*'{_HOST}'", re.IGNORECASE),
)


class LogSign(BaseModel):
    """An entry of a log or event log that means something.

    Attributes:
        ids: Entries of the error reference that it shows, the gravest first and causes before
            symptoms; the first is its kind.
        time: UTC; None where the beginning of the entry was cut off.
        evidence: The message in one line, without secrets and made visible; foreign text all the
            same.
        endpoint: The host that the message or its stack trace names as the other end.
        protocol: The TLS version that a SCHANNEL line speaks of, like ``TLS 1.2``.
        is_enabled: Whether that version is enabled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: tuple[str, ...]
    time: AwareDatetime | None
    evidence: str
    endpoint: str | None = None
    protocol: str | None = None
    is_enabled: bool | None = None

    @property
    def kind(self) -> str:
        """The gravest thing that the entry says."""
        return self.ids[0]


class EventRecord(BaseModel):
    """A record of the Application log as a script reads it; ``message`` is foreign text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    source: str
    time: AwareDatetime
    message: str


def read_signs(entries: Iterable[LogEntry]) -> Iterator[LogSign]:
    """The entries of a log that mean something, in their order."""
    return (sign for entry in entries if (sign := recognise(entry)) is not None)


def recognise(entry: LogEntry) -> LogSign | None:
    """The meaning of one entry of the log; None when the reference has nothing on it.

    Entries of the levels Info, Change and Verbose are looked up only where their text has a word
    that entries of the reference have: nearly all of a log is such lines.
    """
    message = entry.message[:_READ_CHARACTERS]
    if entry.level in _QUIET_LEVELS and not _TELLING.search(message):
        return None
    endpoint = _endpoint_in(entry.message)
    return _sign(entry, find_in_message(f"{message}\n{endpoint or ''}"), endpoint)


def recognise_event(record: EventRecord) -> LogSign | None:
    """The meaning of one event; None for those of other sources, and for unknown ones.

    The number counts, the message only where it says more: it is in the server's language.
    """
    if record.source != EVENT_SOURCE:
        return None
    message = record.message[:_READ_CHARACTERS]
    matches = find_in_message(f"event {record.id} {message}")
    if not matches:
        return None
    return LogSign(
        ids=tuple(match.entry.id for match in matches),
        time=record.time,
        evidence=evidence_line(f"Event {record.id}: {message}"),
        endpoint=_endpoint_in(record.message),
    )


def _sign(entry: LogEntry, matches: tuple[Match, ...], endpoint: str | None) -> LogSign | None:
    if not matches:
        return None
    protocol = _PROTOCOL.search(entry.message)
    return LogSign(
        ids=tuple(match.entry.id for match in matches),
        time=entry.time,
        evidence=evidence_line(entry.message),
        endpoint=endpoint,
        protocol=protocol["name"] if protocol else None,
        is_enabled=_is_enabled(protocol["state"]) if protocol else None,
    )


def _is_enabled(state: str) -> bool:
    return "enabled" in state and "disabled" not in state


def _endpoint_in(message: str) -> str | None:
    """The other end that a message names; namespaces of SOAP are no ends."""
    matches = (match for pattern in _ENDPOINTS if (match := pattern.search(message)))
    first = next(matches, None)
    return first["host"].casefold() if first else None
