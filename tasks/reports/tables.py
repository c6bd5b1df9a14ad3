"""Tables for spreadsheets, and the shopping list of files that the next bundle has to bring."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TextIO

from pydantic import AwareDatetime

from tasks.metadata.audit import MissingFile, MissingReason
from tasks.reports.decision_lines import Reported
from tasks.reports.model import ApprovalOutcome, Cell
from tasks.reports.text import csv_text

CSV_ENCODING = "utf-8-sig"  # with its mark, by which Excel knows UTF-8
_HEADINGS = (
    "update_id",
    "revision",
    "title",
    "kb",
    "file",
    "size_bytes",
    "reason",
    "reason_text",
)


_DECISION_HEADINGS = (
    "outcome",
    "update_id",
    "revision",
    "group",
    "action",
    "deadline",
    "reason",
    "title",
)


class WantedBy(Reported):
    """Revision that waits for a file."""

    update_id: str
    revision: int


class WantedFile(Reported):
    """Content file that the next bundle must bring; ``file`` is ``<SHA-1>.<extension>``."""

    file: str
    size_bytes: int | None
    reason: MissingReason
    wanted_by: tuple[WantedBy, ...]


class ShoppingList(Reported):
    """Request of the disconnected side; only ids and digests, since it may leave the enclave.

    Titles are only in the table for people, since a locally published update has a private title.
    """

    version: Literal[1] = 1
    site: str
    created: AwareDatetime
    files: tuple[WantedFile, ...]


def missing_csv(missing: Iterable[MissingFile]) -> bytes:
    """Return all missing files as CSV: UTF-8 with the byte order mark that Excel needs, CRLF."""
    rows = (
        (
            file.update_id,
            file.revision,
            file.title,
            file.kb,
            file.file,
            file.size_bytes,
            file.reason.value,
            file.reason_text,
        )
        for file in missing
    )
    return table_csv(_HEADINGS, rows)


def decisions_csv(approvals: ApprovalOutcome, titles: Mapping[str, str]) -> bytes:
    """Return every decision and its outcome as CSV, in the form of ``missing_csv``."""
    rows = (
        (
            outcome,
            line.update_id,
            line.revision,
            " / ".join(line.group),
            line.action,
            line.deadline,
            line.reason,
            titles.get(line.update_id or "", ""),
        )
        for outcome in ("applied", "parked", "held", "failed")
        for line in getattr(approvals, outcome)
    )
    return table_csv(_DECISION_HEADINGS, rows)


def table_csv(headings: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> bytes:
    """Return a table as CSV; texts never become formulas, numbers are not quoted."""
    written = io.StringIO(newline="")
    write_csv(written, headings, rows)
    return written.getvalue().encode(CSV_ENCODING)


def write_csv(target: TextIO, headings: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> None:
    """Write a table as CSV, row by row, into a text of ``CSV_ENCODING`` without line ends."""
    writer = csv.writer(target)
    writer.writerow(headings)
    for row in rows:
        writer.writerow(csv_text(value) if isinstance(value, str) else value for value in row)


def shopping_list(missing: Iterable[MissingFile], *, site: str, now: datetime) -> ShoppingList:
    """Make the shopping list: each missing file once, by name, with the revisions that need it.

    If updates name different reasons for one file, the first reason counts. Revisions whose files
    are unknown are left out.
    """
    lines_by_file: dict[str, list[MissingFile]] = {}
    for line in missing:
        if line.file is not None:
            lines_by_file.setdefault(line.file, []).append(line)
    return ShoppingList(
        site=site,
        created=now,
        files=tuple(
            WantedFile(
                file=file,
                size_bytes=lines[0].size_bytes,
                reason=lines[0].reason,
                wanted_by=tuple(
                    WantedBy(update_id=line.update_id, revision=line.revision) for line in lines
                ),
            )
            for file, lines in sorted(lines_by_file.items())
        ),
    )
