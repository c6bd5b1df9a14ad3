"""Text for each form of a report: foreign text made harmless, sizes, counts and times.

Foreign text is titles, file names, group names and messages. ``tasks.visible`` is applied first in
every form: it writes out characters that a person cannot see (control characters, line breaks,
bidirectional overrides, invisible format characters, halves of surrogate pairs). Then each form
quotes the characters that have a meaning in it.
"""

from __future__ import annotations

import re
from datetime import datetime

from tasks.reports.model import Cell, CellKind
from tasks.visible import visible

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Entities work even in a viewer that passes HTML on and ignores a backslash before it.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_FORMULA = frozenset("=+-@＝＋－＠")  # spreadsheets take the wide ones too
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


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


def size(size_bytes: int) -> str:
    """Format bytes for people, in powers of 1,000 as media makers count: ``23.4 MB``."""
    if abs(size_bytes) < 1_000:
        return f"{size_bytes} bytes" if size_bytes != 1 else "1 byte"
    amount, unit = float(size_bytes), 0
    # From 999.95 on, one decimal would round to 1000.0.
    while abs(amount) >= 999.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1_000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """Format a number with thousands separators, and its noun: ``1,234 files``."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Format seconds for people: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def moment(time: datetime) -> str:
    """Format a UTC time to the second, with its zone."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


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
