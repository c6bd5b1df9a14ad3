"""The error reference's answer to a code or a line of a log, as a command prints it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pydantic import JsonValue

from tasks.checks.error_reference import Match, find_in_question
from tasks.checks.evidence import evidence_line
from tasks.errors import FailedError, UsageError
from tasks.reports.model import CommandReport

_WIDTH = 100
_LOOK_ELSEWHERE = (
    "Explain the lines around it in SoftwareDistribution.log, and the events of the same minute in "
    "the Application log (source Windows Server Update Services). For Windows' own text on a code "
    "run `certutil -error CODE` on any Windows."
)


def explain(text: str) -> CommandReport:
    """Report the entries of the error reference that answer a text, the gravest first.

    Args:
        text: Foreign text: a code, an event's number, a line of a log, or several.

    Raises:
        UsageError: The text is empty.
        FailedError: No entry answers it.
    """
    if not text.strip():
        raise UsageError(reason="explain: name a code, an event or a line of a log")
    matches = find_in_question(text)
    if not matches:
        reason = f"the error reference has nothing on: {evidence_line(text)}"
        raise FailedError(reason=reason, remedy=_LOOK_ELSEWHERE)
    lines = [line for match in matches for line in (*_lines(match), "")]
    return CommandReport(
        command="explain",
        site=None,
        lines=tuple(lines[:-1]),
        details={"entries": [_entry(match) for match in matches]},
        next_step=matches[0].entry.first_check,
    )


def _lines(match: Match) -> Iterator[str]:
    entry = match.entry
    yield f"{entry.symptom} ({entry.severity.name.lower()}: {entry.id})"
    facts = (
        ("matched", ", ".join(match.seen)),
        *(("says", text) for text in match.texts),
        ("means", entry.meaning),
        ("seen in", entry.seen_in),
        ("look first", entry.first_check),
        ("beware", entry.do_not_conclude),
        ("source", entry.source),
    )
    for label, text in facts:
        yield from textwrap.wrap(
            text,
            width=_WIDTH,
            initial_indent=f"  {label:<10}  ",
            subsequent_indent=" " * 14,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _entry(match: Match) -> dict[str, JsonValue]:
    entry = match.entry
    return {
        "id": entry.id,
        "severity": entry.severity.name.lower(),
        "symptom": entry.symptom,
        "matched": list(match.seen),
        "says": list(match.texts),
        "meaning": entry.meaning,
        "seen_in": entry.seen_in,
        "first_check": entry.first_check,
        "do_not_conclude": entry.do_not_conclude,
        "source": entry.source,
    }
