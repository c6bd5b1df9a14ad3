"""The command ``explain``: no flow, no site and no server."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tasks.reports.explanation import explain as explain_text
from tasks.reports.model import CommandReport


def explain(
    words: Annotated[list[str], Parameter(negative="", allow_leading_hyphen=True)],
    /,
    *,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> CommandReport:
    """Say what an error code or a log line of WSUS means, and what to look at first.

    Args:
        words: A code (0x80072EE2, -2147012894), an event's number, a line of a log in quotation
            marks, or several of them.
        json: Print one JSON document.
    """
    return explain_text(" ".join(words))
