"""HTML page of a run: self-contained, without scripts, readable on paper."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.quantities import count, moment
from tasks.reports import text
from tasks.reports.model import Cell, CellKind, CommandReport
from tasks.reports.summary import all_sections, attention, next_step, summary_facts
from tasks.visible import visible

MAX_ROWS = 2_000
_TEMPLATES = Path(__file__).parent / "templates"


def render_html(report: CommandReport, *, files: tuple[str, ...] = ()) -> str:
    """Render the page.

    Every value that the template shows is made visible, then escaped. A table ends at ``MAX_ROWS``
    with the number of further rows, which are in the files beside the page.

    Args:
        report: The report.
        files: Names of the files beside the page.
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
            max_rows=MAX_ROWS,
        )
    )


def page_environment() -> Environment:
    """Return the environment of all pages: every value is made visible, then escaped."""
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
