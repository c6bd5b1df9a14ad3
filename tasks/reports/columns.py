"""A table of a report in columns, for a terminal or a pipe."""

from __future__ import annotations

import io
import shutil

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.reports.model import Section
from tasks.reports.text import cell
from tasks.visible import visible

_LEAST_WIDTH = 100


def table_lines(section: Section) -> list[str]:
    """Return a table as lines of plain text, as wide as the terminal; long cells are folded.

    Foreign text is made visible, and has no meaning as markup.
    """
    width = max(_LEAST_WIDTH, shutil.get_terminal_size((160, 50)).columns)
    written = io.StringIO()
    console = Console(file=written, width=width, no_color=True, force_terminal=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    for column in section.columns:
        is_number = column.kind in ("count", "bytes", "seconds")
        table.add_column(
            Text(column.label.upper()),
            justify="right" if is_number else "left",
            no_wrap=column.kind == "short",
            overflow="fold",
        )
    kinds = [column.kind for column in section.columns]
    for row in section.rows:
        texts = (cell(value, kind) for value, kind in zip(row, kinds, strict=True))
        table.add_row(*map(Text, texts))
    console.print(table)
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    note = [f"  {visible(section.note)}"] if section.note else []
    return [f"{visible(section.title)}", *note, *(f"  {line}" for line in lines), ""]
