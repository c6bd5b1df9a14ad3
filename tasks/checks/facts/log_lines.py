"""The script's lines about SoftwareDistribution.log and the event log, read as facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.checks.facts.log import Events, Log
from tasks.checks.log_signs import EventRecord, LogSign, read_signs, recognise_event
from tasks.checks.software_distribution_log import read_log

_START = "service-start"


def read_log_lines(lines: Sequence[Mapping[str, Any]]) -> Log:
    """Read the log: a line with ``path`` and sizes, and lines with ``text``, oldest text first.

    The text has one character for each byte of the log, so that its encoding is found here.
    """
    about = next(line for line in lines if "path" in line)
    texts = (str(line["text"]) for line in lines if "text" in line)
    signs = tuple(read_signs(read_log(text.encode("latin-1", "replace") for text in texts)))
    starts = [sign.time for sign in signs if sign.kind == _START and sign.time]
    return Log(
        path=str(about["path"]),
        size_bytes=about["size_bytes"],
        read_bytes=about["read_bytes"],
        service_start=max(starts, default=None),
        signs=signs,
    )


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
