"""The files of one run's report: the same numbers for people, programs and spreadsheets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from tasks.hosts.os_errors import file_fault, retry_sharing
from tasks.reports.html import render_html
from tasks.reports.model import CommandReport
from tasks.reports.tables import missing_csv, shopping_list

PAGE = "report.html"
DOCUMENT = "report.json"
MISSING = "missing.csv"
SHOPPING = "shopping-list.json"


def write_reports(folder: Path, report: CommandReport, *, now: datetime) -> CommandReport:
    """Write a run's report into its folder and return it with its path filled in.

    ``report.html`` for people, ``report.json`` with the very document of ``--json``, and where
    something misses ``missing.csv`` and ``shopping-list.json``. Each file appears whole or not at
    all; written again, they are replaced.

    Raises:
        DiskFullError: No room.
        HostFileError: The folder cannot be written.
    """
    named = report.model_copy(update={"report": folder.absolute() / PAGE})
    names = [DOCUMENT]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / DOCUMENT, _pretty(named.as_json()))
        if named.missing:
            wanted = shopping_list(named.missing, site=named.site or "", now=now)
            _write(folder / MISSING, [missing_csv(named.missing)])
            _write(folder / SHOPPING, _pretty(wanted.model_dump(mode="json")))
            names += [MISSING, SHOPPING]
        _write(folder / PAGE, [render_html(named, files=tuple(names)).encode()])
    except OSError as error:
        raise file_fault("write", folder, error) from error
    return named


def _write(path: Path, content: Iterable[bytes]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
    retry_sharing(lambda: partial.replace(path))


def _pretty(content: object) -> Iterator[bytes]:
    """JSON in pieces: of the longest report the whole text does not fit into memory twice."""
    # ASCII, as on stdout: what cannot be seen is an escape, also where the file is just printed.
    for piece in json.JSONEncoder(indent=2).iterencode(content):
        yield piece.encode()
    yield b"\n"
