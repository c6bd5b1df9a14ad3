"""SoftwareDistribution.log and the event log of a server, as the entries that mean something."""

from __future__ import annotations

from pydantic import AwareDatetime

from tasks.checks.facts.topic import Topic
from tasks.checks.log_signs import LogSign
from tasks.names import Count


class Log(Topic):
    """The part of SoftwareDistribution.log that was read: from its end back to a service start.

    Attributes:
        path: Path of the log on the server.
        size_bytes: Size of the log.
        read_bytes: Number of bytes that the script read of it, from its end.
        service_start: Time of the newest start of the service that the part shows; None if the
            limit came first.
        signs: The entries that the error reference knows, oldest first.
    """

    path: str
    size_bytes: Count
    read_bytes: Count
    service_start: AwareDatetime | None
    signs: tuple[LogSign, ...]


class Events(Topic):
    """The newest events of WSUS in the Application log that the error reference knows.

    Attributes:
        signs: Oldest first.
    """

    signs: tuple[LogSign, ...]
