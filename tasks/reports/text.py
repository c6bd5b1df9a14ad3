"""Foreign text made harmless where it is shown: titles, file names, group names, messages.

``tasks.visible`` comes first everywhere: what a person cannot see (control characters, line breaks,
bidirectional overrides, invisible format characters, halves of surrogate pairs) is written out.
Then each form quotes what means something there.
"""

from __future__ import annotations

import re
from datetime import datetime

from tasks.reports.model import Cell, CellKind
from tasks.visible import visible

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Entities hold also in a viewer that passes HTML on and knows no backslash before it.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_FORMULA = frozenset("=+-@＝＋－＠")  # spreadsheets take the wide ones too
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def markdown(text: str) -> str:
    """Foreign text inside a line or table cell of Markdown: every mark in it stays a mark.

    All ASCII punctuation is escaped, which CommonMark allows: so nothing becomes a link, an
    address that links itself, HTML, emphasis, or the end of a cell.
    """
    return _PUNCTUATION.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), visible(text))


def csv_text(text: str) -> str:
    """Foreign text in a cell of a spreadsheet: never a formula."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip()[:1] in _FORMULA else shown


def size(size_bytes: int) -> str:
    """Bytes for people, in powers of 1,000 as media makers count: ``23.4 MB``."""
    if abs(size_bytes) < 1_000:
        return f"{size_bytes} bytes" if size_bytes != 1 else "1 byte"
    amount, unit = float(size_bytes), 0
    # 999,950 kB would be shown as 1000.0 kB.
    while abs(amount) >= 999.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1_000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """A number with thousands apart, and its noun: ``1,234 files``."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Seconds for people: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def moment(time: datetime) -> str:
    """A time to the second, with its zone said."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def cell(value: Cell, kind: CellKind) -> str:
    """A value for people; foreign text made visible, not yet quoted."""
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
