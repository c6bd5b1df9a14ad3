"""All facts of one check, and how the lines of the script become topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import AwareDatetime

from tasks.checks.facts.certificates import Certificates
from tasks.checks.facts.configuration import Configuration
from tasks.checks.facts.iis import Iis
from tasks.checks.facts.log import Events, Log
from tasks.checks.facts.log_lines import read_events, read_log_lines
from tasks.checks.facts.machine import Machine
from tasks.checks.facts.network import Network, Upstream
from tasks.checks.facts.own import Own
from tasks.checks.facts.proxy import WinHttp
from tasks.checks.facts.synchronisation import Synchronisation
from tasks.checks.facts.tls import Tls
from tasks.checks.facts.topic import Topic
from tasks.metadata.server import ServerFacts
from tasks.names import Side

# A topic whose line is its model, by the line's kind; ``Facts`` has a field of the same name.
TOPICS: Mapping[str, type[Topic]] = {
    "configuration": Configuration,
    "synchronisation": Synchronisation,
    "machine": Machine,
    "tls": Tls,
    "winhttp": WinHttp,
    "certificates": Certificates,
    "network": Network,
    "upstream": Upstream,
    "iis": Iis,
}
STAGING_TOPICS = (
    *("configuration", "synchronisation", "machine", "tls", "winhttp"),
    *("certificates", "network", "upstream", "iis", "log", "events"),
)
DISCONNECTED_TOPICS = (
    *("configuration", "synchronisation", "machine", "certificates", "iis"),
    *("log", "events"),
)
"""The topics that a whole check asks the script for, by side; no probe of a public name there."""


class Facts(Topic):
    """Everything that the rules look at. A topic is None if it is not known.

    Attributes:
        now: Time of the check, UTC, when the server has answered.
        asked: Time at which it was asked; None if that is ``now``.
        own: Facts of this side's own state.
        server: The facts that every run reads.
        unknown: Reasons of the script for topics that it could not read, by topic.
    """

    side: Side
    now: AwareDatetime
    asked: AwareDatetime | None = None
    own: Own
    server: ServerFacts | None = None
    configuration: Configuration | None = None
    synchronisation: Synchronisation | None = None
    machine: Machine | None = None
    tls: Tls | None = None
    winhttp: WinHttp | None = None
    certificates: Certificates | None = None
    network: Network | None = None
    upstream: Upstream | None = None
    iis: Iis | None = None
    log: Log | None = None
    events: Events | None = None
    unknown: Mapping[str, str] = {}


def topics_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Make the topics of ``Facts`` from the lines of the script.

    Args:
        lines: Lines of ``read-server`` apart from the line ``server`` and the end.

    Returns:
        Fields of ``Facts``; a topic without a line is left out.

    Raises:
        ValidationError: A line has another shape than ours.
    """
    topics: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    several: dict[str, list[Mapping[str, Any]]] = {"log": [], "events": []}
    for line in lines:
        kind = str(line.get("kind"))
        if kind == "unknown":
            unknown[str(line.get("topic"))] = str(line.get("reason"))
        elif kind in TOPICS:
            topics[kind] = TOPICS[kind].model_validate(line)
        elif kind in several:
            several[kind].append(line)
    if several["log"]:
        topics["log"] = read_log_lines(several["log"])
    if several["events"]:
        topics["events"] = read_events(several["events"])
    return topics | {"unknown": unknown}
