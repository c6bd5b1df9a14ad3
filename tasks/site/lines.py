"""Find the line of each key in a TOML text, because ``tomllib`` reports no positions.

The text is cut into statements, each the header of a table or a key with its value. A statement
ends with the first line up to which ``tomllib`` can parse it alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

KeyPath = tuple[str | int, ...]
"""The keys and list indexes that lead to a value, for example ``("trust", "keys", 0)``."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map each key path of a valid TOML text to its line, counted from 1.

    Entries of a list have no path; the tables of an array of tables share one path.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement, content in _statements(text):
        paths = list(_paths(content))
        if statement.lstrip().startswith("["):
            table = max(paths, key=len)
            paths = [table]
        else:
            paths = [(*table, *path) for path in paths]
        for path in paths:
            for length in range(1, len(path) + 1):
                lines.setdefault(path[:length], number)
    return lines


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Find the line of a key, or of the nearest table around it; None if the text has neither."""
    lengths = range(len(path), 0, -1)
    return next((lines[path[:length]] for length in lengths if path[:length] in lines), None)


def _statements(text: str) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Yield the number of each statement's first line, its text, and its parsed content."""
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            first = number
        statement += f"{line}\n"
        try:
            content = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # the value continues on the next line
        if content:
            yield first, statement, content
        statement = ""


def _paths(value: object) -> Iterator[KeyPath]:
    """Yield the path of each key of a table and of the tables in it."""
    if isinstance(value, list):  # an array of tables
        value = value[0] if value and isinstance(value[0], dict) else {}
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (key,)
            yield from ((key, *path) for path in _paths(inner))
