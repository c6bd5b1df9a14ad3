"""A server's own description: facts, settings, and its subscription with its history."""

from __future__ import annotations

import platform
import uuid
from typing import Any, NamedTuple

from deploy.lab.rules import categories, configuration, content_agent
from deploy.lab.rules.server import RuleError, Server

# A setting of the lab beside the properties of the API.
_SCHEDULE = "schedule"
_COMPUTED = ("LocalContentCachePath", "SupportedUpdateLanguages")
_SILENT = "The request failed with HTTP status 503: Service Unavailable."
_DATABASE_SERVER = "MICROSOFT##WID"
ADMINISTRATOR = "LAB\\Administrator"
PORT, SECURE_PORT = 8530, 8531


class FactsRow(NamedTuple):
    """The properties of ``IUpdateServer``."""

    name: str
    port: int
    secure: bool
    culture: str
    version: str
    protocol_version: str
    database_server: str


class ProgressRow(NamedTuple):
    """``ContentDownloadProgress``."""

    total: int
    downloaded: int


class Schedule(NamedTuple):
    """The schedule of synchronisations; ``time_of_day`` in seconds after midnight."""

    per_day: int = 1
    automatic: bool = False
    time_of_day: int = 3 * 3600


class SubscriptionRow(NamedTuple):
    """``ISubscription``; ``synchronized`` is None before the first synchronisation."""

    per_day: int
    automatic: bool
    time_of_day: int
    modified_by: str
    modified: str
    synchronized: str | None


class SynchronizationRow(NamedTuple):
    """``ISynchronizationInfo``; ``ended`` is None while the synchronisation runs."""

    id: str
    started: str
    ended: str | None
    result: str
    error: str
    error_text: str
    manual: bool


class EventRow(NamedTuple):
    """``ISubscriptionEvent``; ``category`` is a name of ``SubscriptionEventCategory``."""

    id: str
    created: str
    category: str
    event_id: int
    error: str
    error_text: str
    message: str
    administrator: str


class SynchronizationProgressRow(NamedTuple):
    """``SynchronizationProgress`` and ``SynchronizationStatus``."""

    status: str
    phase: str
    total: int
    processed: int


def facts(server: Server, name: str | None, port: int, *, secure: bool) -> FactsRow:
    """The server that ``AdminProxy.GetUpdateServer`` connects to; without a name this one.

    Raises:
        RuleError: No server of that name and port answers (``WsusInvalidServerException``).
    """
    if server.fault("api-silent"):
        raise RuleError("InvalidOperationException", _SILENT)
    own = f"wsus-{server.folder.name}"
    ports = (SECURE_PORT, 443) if secure else (PORT, 80)
    if name is not None:
        own_names = {own, "localhost", platform.node().partition(".")[0].casefold()}
        plain = name.casefold().partition(".")[0]
        if name not in {".", "127.0.0.1", "::1"} and plain not in own_names:
            raise RuleError("WsusInvalidServerException", f"The server {name} does not answer.")
        if port not in ports:
            raise RuleError("WsusInvalidServerException", f"Nothing answers on port {port}.")
    return FactsRow(
        name=own,
        port=port if name is not None else PORT,
        secure=secure,
        culture=server.setting("language"),
        version=server.setting("version"),
        protocol_version=server.setting("protocol_version"),
        database_server=_DATABASE_SERVER,
    )


def configuration_values(server: Server) -> dict[str, Any]:
    """The lab's properties of ``IUpdateServerConfiguration`` by name."""
    names = [*configuration.DEFAULTS, "ServerId", *_COMPUTED]
    return {name: configuration.read(server, name) for name in names if name[0].isupper()}


def configuration_state(server: Server) -> str:
    """``GetUpdateServerConfigurationState``: the name of its value."""
    is_running = configuration.synchronization_status(server) == "Running"
    return "SynchronizationInProgress" if is_running else "Ready"


def progress(server: Server) -> ProgressRow:
    """``GetContentDownloadProgress``."""
    return ProgressRow(*content_agent.download_progress(server))


def read(server: Server) -> SubscriptionRow:
    """``GetSubscription``."""
    last = configuration.last_synchronization(server)
    return SubscriptionRow(
        *_schedule(server),
        modified_by=ADMINISTRATOR,
        modified=server.setting("LastConfigChange"),
        synchronized=None if last is None else last["started"],
    )


def save(
    server: Server,
    *,
    category_ids: list[str] | None,
    classification_ids: list[str] | None,
    **schedule: Any,
) -> None:
    """``ISubscription.Save``: write the schedule, and the categories that a script set."""
    if not 1 <= schedule["per_day"] <= 24:
        raise RuleError(
            "ArgumentOutOfRangeException", "A server synchronizes between 1 and 24 times a day."
        )
    changes: dict[str, Any] = {_SCHEDULE: list(Schedule(**schedule))}
    if category_ids is not None:
        changes[categories.CATEGORIES_SETTING] = category_ids
    if classification_ids is not None:
        changes[categories.CLASSIFICATIONS_SETTING] = classification_ids
    configuration.save(server, changes)
    server.record_event(389, configuration.EVENT_TEXTS[389])


def last_synchronization(server: Server) -> SynchronizationRow:
    """``GetLastSynchronizationInfo``; a row with the result NeverRun before the first."""
    last = configuration.last_synchronization(server)
    if last is None:
        none = "00000000-0000-0000-0000-000000000000"
        start = "0001-01-01T00:00:00Z"
        return SynchronizationRow(none, start, start, "NeverRun", "NotApplicable", "", manual=False)
    return _synchronization(last)


def history(
    server: Server, earliest: str | None = None, latest: str | None = None
) -> list[SynchronizationRow]:
    """``GetSynchronizationHistory``, newest first."""
    return [
        _synchronization(row)
        for row in configuration.synchronizations(server)
        if (earliest or "") <= row["started"] <= (latest or "~")
    ]


def get_synchronization(server: Server, synchronization_id: str) -> SynchronizationRow:
    """``GetSynchronizationInfo``.

    Raises:
        RuleError: There is none (``WsusObjectNotFoundException``).
    """
    for row in configuration.synchronizations(server):
        if row["id"] == synchronization_id:
            return _synchronization(row)
    raise RuleError("WsusObjectNotFoundException", "The synchronization could not be found.")


def events(
    server: Server, earliest: str | None = None, latest: str | None = None
) -> list[EventRow]:
    """``GetEventHistory``: starts and ends of synchronisations and saved settings; newest first."""
    events = [row for entry in configuration.synchronizations(server) for row in _events_of(entry)]
    namespace = uuid.UUID(server.setting("ServerId"))
    saved = "SELECT id, time, text FROM event WHERE event_id = 389"
    for row in server.connection.execute(saved):
        key = str(uuid.uuid5(namespace, str(row["id"])))
        modified = (key, row["time"], "SubscriptionModification", 389, "NotApplicable", "")
        events.append(EventRow(*modified, row["text"], ADMINISTRATOR))
    inside = [row for row in events if (earliest or "") <= row.created <= (latest or "~")]
    return sorted(inside, key=lambda row: (row.created, row.event_id), reverse=True)


def get_event(server: Server, event_id: str) -> EventRow:
    """``GetSubscriptionEvent``.

    Raises:
        RuleError: There is none (``WsusObjectNotFoundException``).
    """
    for row in events(server):
        if row.id == event_id:
            return row
    raise RuleError("WsusObjectNotFoundException", "The subscription event could not be found.")


def _events_of(entry: dict[str, Any]) -> list[EventRow]:
    """The events of one synchronisation; their ids follow from its id."""
    start = 382 if entry["manual"] else 381
    events = [_event(entry, "Start", start, entry["started"])]
    if entry["ended"] is not None:
        end = 384 if entry["result"] == "Succeeded" else 386
        events.append(_event(entry, "Completion", end, entry["ended"]))
    return events


def _event(entry: dict[str, Any], kind: str, number: int, moment: str) -> EventRow:
    error_text = entry["error_text"] if kind == "Completion" else ""
    return EventRow(
        id=str(uuid.uuid5(uuid.UUID(entry["id"]), kind)),
        created=moment,
        category=f"Synchronization{kind}",
        event_id=number,
        error=entry["error"] if kind == "Completion" else "NotApplicable",
        error_text=error_text,
        message=configuration.EVENT_TEXTS[number].replace("%1", error_text),
        administrator=ADMINISTRATOR,
    )


def synchronization_progress(server: Server) -> SynchronizationProgressRow:
    """``GetSynchronizationStatus`` and ``GetSynchronizationProgress``."""
    status = configuration.synchronization_status(server)
    phase = "Updates" if status == "Running" else "NotProcessing"
    return SynchronizationProgressRow(status, phase, 0, 0)


def _schedule(server: Server) -> Schedule:
    try:
        return Schedule(*server.setting(_SCHEDULE))
    except KeyError:
        return Schedule()


def _synchronization(row: dict[str, Any]) -> SynchronizationRow:
    values = {name: row[name] for name in SynchronizationRow._fields}
    return SynchronizationRow(**values | {"manual": bool(row["manual"])})
