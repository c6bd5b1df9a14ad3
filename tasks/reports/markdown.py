"""Report for Prefect's UI: at most four Markdown texts, small enough for a page.

The whole report is in its files; a table here ends at ``MAX_ROWS``. The first text says what needs
a person, then the numbers, and has links to the others. With the run's bar that makes five
artifacts, whose labels do not squeeze the timeline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.quantities import count
from tasks.reports.model import CommandReport, Fact, Section
from tasks.reports.summary import (
    all_sections,
    attention,
    next_step,
    summary_facts,
)
from tasks.reports.text import cell, markdown

MAX_ROWS = 500


@dataclass(frozen=True, slots=True)
class Artifact:
    """Artifact of Prefect, a text in Markdown.

    Attributes:
        key: Lower-case letters, digits and dashes, the same in every run of a command and site.
    """

    key: str
    description: str
    text: str


# The texts after the first, with the keys of their sections; the last one takes all others.
_WAITING = ("findings", "missing", "approvals-parked", "approvals-held", "approvals-failed")
_PLAN = ("plan", "plan-totals", "plan-changes", "deletes", "would-wait", "volumes", "numbers")
_TEXTS = {
    "waiting": ("What is missing or waits", (*_WAITING, "conflicts")),
    "plan": ("Plan", _PLAN),
    "details": ("Details", ()),
}


def artifacts_of(report: CommandReport) -> Iterator[Artifact]:
    """Yield a run's artifacts in the order in which they have to be made."""
    prefix = _slug(f"{report.site or ''}-{report.command}")
    others = [
        Artifact(f"{prefix}-{key}", description, "\n\n".join(map(section_text, sections)))
        for name, sections in _grouped(report).items()
        for key, description in [_title(report, name)]
        if sections
    ]
    links = [f"[{other.description}](/artifacts/key/{other.key})" for other in others]
    more = ["", f"More: {' · '.join(links)}"] if links else []
    if report.outcome != "done":
        text = "\n".join([_attention_text(report), "", _outcome_text(report), *more])
        yield Artifact(f"{prefix}-attention", "What needs a person", text)
    else:
        text = "\n".join([f"# {_headline(report)}", "", _outcome_text(report), *more])
        yield Artifact(f"{prefix}-outcome", "Outcome", text)
    yield from others


def _title(report: CommandReport, name: str) -> tuple[str, str]:
    """Key and description of a text; nothing waits in a check, so that it has findings alone."""
    if name == "waiting" and report.command == "check":
        return "findings", "Findings"
    return name, _TEXTS[name][0]


def _grouped(report: CommandReport) -> dict[str, list[Section]]:
    """Divide the sections among the texts, each in its own order."""
    groups: dict[str, list[Section]] = {name: [] for name in _TEXTS}
    for section in all_sections(report):
        names = (name for name, (_, keys) in _TEXTS.items() if section.key in keys)
        groups[next(names, "details")].append(section)
    return groups


def _attention_text(report: CommandReport) -> str:
    """Return the errors or the reasons for the flag, and the next step."""
    lines = [f"# {_headline(report)}", ""]
    for error in report.errors:
        lines += [f"**{markdown(error.message)}**", "", f"Next: {markdown(error.next_step)}", ""]
    reasons = attention(report)
    lines += [f"- {markdown(reason)}" for reason in reasons]
    if not report.errors:
        lines += ["", f"Next: {markdown(next_step(report))}"]
    return "\n".join(lines)


def _outcome_text(report: CommandReport) -> str:
    """Return the numbers of the run, and the path of the whole report."""
    lines = [*_facts(summary_facts(report))]
    lines += ["", *(markdown(line) + "  " for line in report.lines)]
    if report.outcome == "done":
        lines += ["", f"Next: {markdown(next_step(report))}"]
    if report.report is not None:
        lines += ["", f"Whole report: {markdown(str(report.report))}"]
    return "\n".join(lines)


def section_text(section: Section) -> str:
    """Return a section as Markdown: heading, note, facts, table."""
    lines = [f"## {markdown(section.title)}", ""]
    if section.note:
        lines += [markdown(section.note), ""]
    lines += _facts(section.facts)
    if section.facts and section.rows:
        lines.append("")
    if section.key == "findings":
        lines += _findings(section)
    lines += _table(section)
    return "\n".join(lines)


def _findings(section: Section) -> list[str]:
    """Return each finding, its evidence and its next step as paragraphs.

    Prefect's page does not wrap the cells of a table, so that evidence and next step would stand
    far to the right of what is seen.
    """
    lines: list[str] = []
    for severity, finding, evidence, next_step_text, *_ in section.rows[:MAX_ROWS]:
        lines += [
            f"**{markdown(str(severity))}: {markdown(str(finding))}**",
            "",
            f"Evidence: {markdown(str(evidence))}",
            "",
            f"Next step: {markdown(str(next_step_text))}",
            "",
        ]
    return lines


def _headline(report: CommandReport) -> str:
    site = f" {markdown(report.site)}" if report.site else ""
    return f"{markdown(report.command)}{site}: {report.outcome}"


def _facts(facts: tuple[Fact, ...]) -> list[str]:
    if not facts:
        return []
    rows = [
        f"| {markdown(fact.label)} | {markdown(cell(fact.value, fact.kind))} |" for fact in facts
    ]
    return ["| | |", "| :-- | :-- |", *rows]


def _table(section: Section) -> list[str]:
    if not section.rows:
        return []
    columns = section.columns
    lines = [
        "| " + " | ".join(markdown(column.label) for column in columns) + " |",
        "| "
        + " | ".join(":--" if column.kind in {"text", "short"} else "--:" for column in columns)
        + " |",
    ]
    for row in section.rows[:MAX_ROWS]:
        cells = (
            markdown(cell(value, column.kind)) for column, value in zip(columns, row, strict=True)
        )
        lines.append("| " + " | ".join(cells) + " |")
    omitted = len(section.rows) - MAX_ROWS
    if omitted > 0:
        lines += ["", f"{count(omitted, 'more row')} in the report's files."]
    return lines


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
