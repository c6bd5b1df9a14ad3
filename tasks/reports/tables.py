"""Tables for spreadsheets, and the shopping list: what the next bundle has to bring."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from tasks.metadata.audit import MissingFile, MissingReason
from tasks.reports.model import Cell, Reported
from tasks.reports.text import csv_text

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


class WantedBy(Reported):
    """A revision that waits for a file."""

    update_id: str
    revision: int


class WantedFile(Reported):
    """A content file that the next bundle must bring; ``file`` is ``<SHA-1>.<extension>``."""

    file: str
    size_bytes: int | None
    reason: MissingReason
    wanted_by: tuple[WantedBy, ...]


class ShoppingList(Reported):
    """What a disconnected side asks for: ids and digests only, since it may leave the enclave.

    Titles, which locally published updates may have, are left to the table for people.
    """

    version: Literal[1] = 1
    site: str
    created: AwareDatetime
    files: tuple[WantedFile, ...]


def missing_csv(missing: Iterable[MissingFile]) -> bytes:
    """All missing files as CSV: UTF-8 with a byte order mark, which Excel needs, CRLF."""
    rows = (
        (
            one.update_id,
            one.revision,
            one.title,
            one.kb,
            one.file,
            one.size_bytes,
            one.reason.value,
            one.reason_text,
        )
        for one in missing
    )
    return table_csv(_HEADINGS, rows)


def table_csv(headings: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> bytes:
    """Any table as CSV; texts never become formulas, numbers stay bare."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(headings)
    for row in rows:
        writer.writerow(csv_text(value) if isinstance(value, str) else value for value in row)
    return written.getvalue().encode("utf-8-sig")


def shopping_list(missing: Iterable[MissingFile], *, site: str, now: datetime) -> ShoppingList:
    """Turn what misses into what to bring: each file once, by name, with all that wait for it.

    Where two updates name different reasons for one file, the first one counts. Revisions whose
    files are not known have nothing to bring and are left out.
    """
    wanted: dict[str, list[MissingFile]] = {}
    for one in missing:
        if one.file is not None:
            wanted.setdefault(one.file, []).append(one)
    return ShoppingList(
        site=site,
        created=now,
        files=tuple(
            WantedFile(
                file=file,
                size_bytes=waiting[0].size_bytes,
                reason=waiting[0].reason,
                wanted_by=tuple(
                    WantedBy(update_id=one.update_id, revision=one.revision) for one in waiting
                ),
            )
            for file, waiting in sorted(wanted.items())
        ),
    )
