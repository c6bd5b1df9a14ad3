"""Files of one run's report: the same numbers for people, programs and spreadsheets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from tasks.hosts.os_errors import file_fault, retry_sharing
from tasks.reports.conflicts import conflicts_csv
from tasks.reports.html import PRINTED_ROWS, render_html
from tasks.reports.model import CommandReport
from tasks.reports.summary import all_sections
from tasks.reports.tables import decisions_csv, missing_csv, shopping_list, table_csv

PAGE = "report.html"
DOCUMENT = "report.json"
MISSING = "missing.csv"
CONFLICTS = "conflicts.csv"
SHOPPING = "shopping-list.json"
DECISIONS = "decisions.csv"
PLAN_TABLE = "plan.csv"
PLAN_DOCUMENT = "plan.json"


def write_reports(folder: Path, report: CommandReport, *, now: datetime) -> CommandReport:
    """Write a run's report into its folder and return it with its path filled in.

    The files are ``report.html`` for people, ``report.json`` with the document of ``--json``, if
    decisions were applied or wait ``decisions.csv``, if a decision of staging was overruled
    ``conflicts.csv``, and if content is missing ``missing.csv`` and ``shopping-list.json``. A
    rehearsal has written its ``plan.csv`` and ``plan.json`` there before. Any other table that is
    too long for paper is ``table-KEY.csv``. Each file appears whole or not at all, and replaces a
    file of its name.

    Raises:
        DiskFullError: The disk has no room.
        HostFileError: The folder cannot be written.
    """
    filled = report.model_copy(update={"report": folder.absolute() / PAGE})
    names = [DOCUMENT]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / DOCUMENT, _pretty(filled.as_json()))
        if filled.missing:
            needs = shopping_list(filled.missing, site=filled.site or "", now=now)
            _write(folder / MISSING, [missing_csv(filled.missing)])
            _write(folder / SHOPPING, _pretty(needs.model_dump(mode="json")))
            names += [MISSING, SHOPPING]
        if filled.conflicts:
            _write(folder / CONFLICTS, [conflicts_csv(filled.conflicts)])
            names.append(CONFLICTS)
        if filled.approvals is not None:
            _write(folder / DECISIONS, [decisions_csv(filled.approvals, _titles(filled))])
            names.append(DECISIONS)
        names += [name for name in (PLAN_TABLE, PLAN_DOCUMENT) if (folder / name).is_file()]
        tables = dict(_write_long_tables(folder, filled, names))
        names += [name for name in tables.values() if name not in names]
        _write(folder / PAGE, [render_html(filled, files=tuple(names), tables=tables).encode()])
    except OSError as error:
        raise file_fault("write", folder, error) from error
    return filled


def _titles(report: CommandReport) -> dict[str, str]:
    return {file.update_id: file.title for file in report.missing or ()} | {**report.titles}


def _write_long_tables(
    folder: Path, report: CommandReport, written: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Write each table that is cut on paper and is in no file yet; yield its key and file."""
    for section in all_sections(report):
        if len(section.rows) <= PRINTED_ROWS:
            continue
        topic = section.key.partition("-")[0]
        name = {
            "missing": MISSING, "conflicts": CONFLICTS, "approvals": DECISIONS, "plan": PLAN_TABLE,
        }.get(topic, "")  # fmt: skip
        if name not in written:
            name = f"table-{section.key}.csv"
            headings = [column.label for column in section.columns]
            _write(folder / name, [table_csv(headings, section.rows)])
        yield section.key, name


def write_page(path: Path, page: str) -> None:
    """Write one page, whole or not at all, replacing an older one.

    Raises:
        DiskFullError: The disk has no room.
        HostFileError: The folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, [page.encode()])
    except OSError as error:
        raise file_fault("write", path, error) from error


def _write(path: Path, content: Iterable[bytes]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
    retry_sharing(lambda: partial.replace(path))


def _pretty(content: object) -> Iterator[bytes]:
    """Yield JSON in pieces, because the text of a long report does not fit into memory twice."""
    # ASCII, as on stdout: an invisible character is an escape even if the file is just printed.
    for piece in json.JSONEncoder(indent=2).iterencode(content):
        yield piece.encode()
    yield b"\n"
