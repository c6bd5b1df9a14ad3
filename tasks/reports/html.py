"""HTML page of a run: self-contained, without scripts, readable on paper."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.quantities import count, moment
from tasks.reports import text
from tasks.reports.model import Cell, CellKind, CommandReport
from tasks.reports.summary import all_sections, attention, next_step, summary_facts
from tasks.visible import visible

MAX_ROWS = 2_000
"""Most rows of a table on the page; the files beside it have all."""

PRINTED_ROWS = 30
"""Most rows of a table on paper, so that a first import of thousands of updates is ten pages."""

_TEMPLATES = Path(__file__).parent / "templates"


def render_html(
    report: CommandReport, *, files: tuple[str, ...] = (), tables: Mapping[str, str] | None = None
) -> str:
    """Render the page.

    Every value that the template shows is made visible, then escaped. A table ends at ``MAX_ROWS``,
    and on paper at ``PRINTED_ROWS``, with the name of the file beside the page that has all.

    Args:
        report: The report.
        files: Names of the files beside the page.
        tables: By the key of a section, the name of the file that has all its rows.
    """
    return (
        page_environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            facts=summary_facts(report),
            attention=attention(report),
            next_step=next_step(report),
            sections=all_sections(report),
            files=files,
            tables=tables or {},
            max_rows=MAX_ROWS,
            printed_rows=PRINTED_ROWS,
        )
    )


@cache
def page_environment() -> Environment:
    """Return the environment of all pages: every value is made visible, then escaped.

    It stays for the process, since a template takes a tenth of a second to compile.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "moment": moment, "count": count}
    return environment


def _finalize(value: object) -> object:
    """Make the value of a template expression visible, so that no raw control character passes."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else visible(str(value))


def _cell(value: Cell, kind: CellKind) -> str:
    return text.cell(value, kind)
