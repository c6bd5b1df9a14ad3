"""Report for Prefect's UI: Markdown texts and one table, small enough for a page.

The whole report is in its files; a table here ends at ``MAX_ROWS``. The first artifact of a flagged
run lists the reasons for the flag.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks.quantities import count
from tasks.reports.check_sections import findings_section
from tasks.reports.model import CommandReport, Fact, Section
from tasks.reports.summary import (
    all_sections,
    attention,
    missing_section,
    next_step,
    summary_facts,
)
from tasks.reports.text import cell, markdown

MAX_ROWS = 500

TextArtifact = Callable[[str, str, str], None]
TableArtifact = Callable[[str, list[dict[str, object]], str], None]


@dataclass(frozen=True, slots=True)
class Artifact:
    """Artifact of Prefect: a text, or the rows of a table.

    Attributes:
        key: Lower-case letters, digits and dashes, the same in every run of a command and site.
    """

    key: str
    description: str
    text: str = ""
    rows: tuple[dict[str, object], ...] | None = None

    def show(self, show_text: TextArtifact, show_table: TableArtifact) -> None:
        """Pass key, content and description to the function that makes such an artifact."""
        if self.rows is None:
            show_text(self.key, self.text, self.description)
        else:
            show_table(self.key, list(self.rows), self.description)


def artifacts_of(report: CommandReport) -> Iterator[Artifact]:
    """Yield a run's artifacts in the order in which they have to be made."""
    prefix = _slug(f"{report.site or ''}-{report.command}")
    if report.outcome != "done":
        text = _attention_text(report)
        yield Artifact(f"{prefix}-attention", "What needs a person", text)
    yield Artifact(f"{prefix}-outcome", "Outcome", _outcome_text(report))
    for section in all_sections(report):
        text = section_text(section)
        yield Artifact(f"{prefix}-{section.key}", cell(section.title, "text"), text)
    if report.findings:
        rows = _table_rows(findings_section(report.findings))
        yield Artifact(f"{prefix}-findings-table", "Findings, gravest first", rows=rows)
    if report.missing:
        rows = _table_rows(missing_section(report.missing))
        yield Artifact(f"{prefix}-missing-table", "Missing content, as a table", rows=rows)


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
    """Return the numbers of the run, the next step, and the path of the whole report."""
    lines = [f"# {_headline(report)}", "", *_facts(summary_facts(report))]
    lines += ["", *(markdown(line) + "  " for line in report.lines)]
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
    lines += _table(section)
    return "\n".join(lines)


def _table_rows(section: Section) -> tuple[dict[str, object], ...]:
    """Return the rows of a section for a table artifact: texts by column label.

    Texts are escaped, because the page renders cells as Markdown.
    """
    return tuple(
        {
            column.label: markdown(value) if isinstance(value, str) else cell(value, column.kind)
            for column, value in zip(section.columns, row, strict=True)
        }
        for row in section.rows[:MAX_ROWS]
    )


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
