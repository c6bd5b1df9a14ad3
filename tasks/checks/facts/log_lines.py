"""The script's lines about SoftwareDistribution.log and the event log, read as facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.checks.facts.log import Events, Log
from tasks.checks.log_signs import EventRecord, LogSign, read_signs, recognise_event
from tasks.checks.software_distribution_log import read_log

_START = "service-start"
_STOP = re.compile(r"EventId=502\b|Event 502\b")


def read_log_lines(lines: Sequence[Mapping[str, Any]]) -> Log:
    """Read the log: a line with ``path`` and sizes, and lines with ``text``, oldest text first.

    With the encoding ``latin-1`` the text has one character for each byte of the log, so that its
    encoding is found here; ``utf-16`` was decoded already.
    """
    about = next(line for line in lines if "path" in line)
    encoding = "utf-8" if about.get("encoding") == "utf-16" else "latin-1"
    texts = (str(line["text"]).encode(encoding, "replace") for line in lines if "text" in line)
    signs = tuple(read_signs(read_log(texts)))
    starts = [sign.time for sign in signs if is_service_start(sign) and sign.time]
    return Log(
        path=str(about["path"]),
        size_bytes=about["size_bytes"],
        read_bytes=about["read_bytes"],
        is_full=about.get("is_full", False),
        service_start=max(starts, default=None),
        signs=signs,
    )


def is_service_start(sign: LogSign) -> bool:
    """True if a sign is a start of the service; its stop has the same entry in the reference."""
    return sign.kind == _START and not _STOP.search(sign.evidence)


def read_events(lines: Iterable[Mapping[str, Any]]) -> Events:
    """Read the events: one line for each, in any order."""
    signs = [*_event_signs(lines)]
    oldest = datetime.min.replace(tzinfo=UTC)
    return Events(signs=tuple(sorted(signs, key=lambda sign: sign.time or oldest)))


def _event_signs(lines: Iterable[Mapping[str, Any]]) -> Iterator[LogSign]:
    for line in lines:
        if "id" not in line:
            continue  # the line that says that the event log was read
        record = EventRecord.model_validate({key: line[key] for key in EventRecord.model_fields})
        sign = recognise_event(record)
        if sign is not None:
            yield sign
