"""Text for each form of a report: foreign text made harmless.

Foreign text is titles, file names, group names and messages. ``tasks.visible`` is applied first in
every form: it writes out characters that a person cannot see (control characters, line breaks,
bidirectional overrides, invisible format characters, halves of surrogate pairs). Then each form
quotes the characters that have a meaning in it.
"""

from __future__ import annotations

import re

from tasks.quantities import count, duration, size
from tasks.reports.model import Cell, CellKind
from tasks.visible import visible

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Entities work even in a viewer that passes HTML on and ignores a backslash before it.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_FORMULA = frozenset("=+-@＝＋－＠")  # spreadsheets take the wide ones too


def markdown(text: str) -> str:
    """Escape foreign text for a line or table cell of Markdown.

    All ASCII punctuation is escaped, which CommonMark allows, so that no text becomes a link, an
    automatic link, HTML, emphasis, or the end of a cell.
    """
    return _PUNCTUATION.sub(lambda match: _ENTITIES.get(match[0], "\\" + match[0]), visible(text))


def csv_text(text: str) -> str:
    """Escape foreign text for a cell of a spreadsheet, so that it never is a formula."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip()[:1] in _FORMULA else shown


def cell(value: Cell, kind: CellKind) -> str:
    """Format a value for people; foreign text is made visible, not quoted yet."""
    if value is None:
        return ""
    if isinstance(value, str):
        return visible(value)
    match kind:
        case "bytes":
            return size(value)
        case "seconds":
            return duration(value)
        case _:
            return count(value)
