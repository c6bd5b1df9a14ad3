"""Errors that WSUS itself reports for files which an audit misses, beside our reason for each.

Event 364 names the file by its path in WsusContent, whatever the language of its text (observed).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tasks.checks.facts.log import Events
from tasks.checks.log_signs import LogSign
from tasks.errors import ScriptFailedError
from tasks.metadata.audit import MissingFile
from tasks.metadata.server import ServerFacts
from tasks.quantities import moment
from tasks.reports.model import Column, Section
from tasks.reports.sections import MOST_ROWS
from tasks.run.context import RunContext
from tasks.server.queries import read_topics

_DIGEST = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{40}(?![0-9A-Fa-f])")
_EVENT = "Event 364"


def report_download_errors(
    run: RunContext, facts: ServerFacts, missing: Sequence[MissingFile]
) -> None:
    """Report what WSUS says of the missing files, if it counts downloads that failed at all."""
    if not facts.failed_downloads or not any(file.file for file in missing):
        return
    try:
        events = read_topics(run, topics=("events",)).topics.get("events")
    except ScriptFailedError as error:
        run.report.lines.append(f"the reasons of WSUS could not be read: {error.message}")
        return
    if not isinstance(events, Events):
        run.report.lines.append("the Application event log, with the reasons of WSUS, is not known")
        return
    section = errors_section(missing, events.signs)
    if section is not None:
        run.report.sections.append(section)


def errors_section(missing: Iterable[MissingFile], signs: Iterable[LogSign]) -> Section | None:
    """Make a table of the missing files of which WSUS reported an error; None if there is none."""
    newest = {
        match[0].upper(): sign
        for sign in signs  # oldest first
        if sign.evidence.startswith(_EVENT) and (match := _DIGEST.search(sign.evidence))
    }
    rows = [
        (
            file.title or file.update_id,
            file.file,
            file.reason.value,
            "" if sign.time is None else moment(sign.time),
            sign.evidence,
        )
        for file in missing
        if file.file and (sign := newest.get(file.file[:40].upper())) is not None
    ]
    if not rows:
        return None
    return Section(
        key="wsus-errors",
        title="What WSUS says of the missing files",
        note="The newest error that WSUS reported for each, beside the reason that we found.",
        columns=(
            Column(label="Update"),
            Column(label="File"),
            Column(label="Our reason", kind="short"),
            Column(label="Reported", kind="short"),
            Column(label="WSUS says"),
        ),
        rows=tuple(rows[:MOST_ROWS]),
    )
