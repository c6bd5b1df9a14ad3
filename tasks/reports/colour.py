"""Colour for the lines of a command on a terminal; a pipe, and NO_COLOR, get the plain lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.text import Text

_STYLES = (
    (r"^(?P<word>error:)", "bold red"),
    (r"^(?P<word>next:)", "bold cyan"),
    (r"^\S+( \S+)?: (?P<word>done)$", "bold green"),
    (r"^\S+( \S+)?: (?P<word>flagged)$", "bold yellow"),
    (r"^\S+( \S+)?: (?P<word>refused|failed)$", "bold red"),
    (r"^  (?P<word>! .*)$", "yellow"),
    (r"(?P<word>`[^`]+`)", "bold"),
)


def print_coloured(lines: Sequence[str], stream: IO[str]) -> None:
    """Print lines with the words that matter in colour; their text stays as it is.

    Args:
        lines: Lines whose invisible characters were written out, and that the stream can take.
        stream: A terminal.

    Raises:
        OSError: The terminal has gone.
    """
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        text = Text(line)
        for pattern, style in _STYLES:
            for match in _spans(pattern, line):
                text.stylize(style, *match)
        console.print(text)


def _spans(pattern: str, line: str) -> list[tuple[int, int]]:
    return [match.span("word") for match in re.finditer(pattern, line)]
