"""Unpack a lab of an older version; ``make_older_labs`` made it, with that version's code."""

from __future__ import annotations

import json
import sqlite3
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tests.support.labs import ROOT, SIDES, Lab

_DATA = ROOT / "tests" / "data"
_SQLITE = b"SQLite format 3\0"

OlderLab = Literal["export-killed", "import-killed"]


def unpack_lab(name: OlderLab, folder: Path, *, version: str = "0.1.0") -> Lab:
    """Unpack a lab and write its new place wherever its old one stood.

    A lab's site files, launchers, state folders and job folders hold absolute paths; what is
    sealed holds none.

    Args:
        name: Which of the labs.
        folder: Where it goes; made.
        version: The version that made it.
    """
    source = _DATA / f"v{version}"
    made = json.loads((source / "labs.json").read_text(encoding="utf-8"))
    renamed = {
        made["folder"]: str(folder),
        made["interpreter"]: sys.executable,  # before the installation, which it lies in
        made["installation"]: str(ROOT),
    }
    with tarfile.open(source / "labs.tar.xz") as archive:
        members = [member for member in archive if member.name.partition("/")[0] == name]
        for member in members:
            member.name = member.name.partition("/")[2] or "."
            # Unlike "data" it keeps the mode of folders: ours on a server are private.
            archive.extract(member, folder, filter="tar")
        for member in members:
            path = folder / member.name
            if member.isfile() and not path.name.endswith("-wal"):  # its database takes it in
                _rename_in(path, renamed)
    return Lab(folder)


def continue_lab(name: OlderLab, folder: Path, *, api_url: str) -> Lab:
    """Unpack a lab so that commands can go on in it.

    They use the Prefect API that is named, and take bundles that are as old as the archive.
    """
    lab = unpack_lab(name, folder)
    for side in SIDES:
        lab.configure(side, "prefect", api_url=api_url)
        lab.configure(side, "trust", max_bundle_age_days=100_000)
    return lab


def _rename_in(path: Path, renamed: Mapping[str, str]) -> None:
    content = path.read_bytes()
    if content.startswith(_SQLITE):
        _rename_in_database(path, renamed)
    elif any(old.encode() in content for old in renamed):
        for old, new in renamed.items():
            content = content.replace(old.encode(), new.encode())
        path.write_bytes(content)


def _rename_in_database(path: Path, renamed: Mapping[str, str]) -> None:
    connection = sqlite3.connect(path)
    with connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        for (table,) in tables:
            columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
            for column in (f'"{row[1]}"' for row in columns):
                for old, new in renamed.items():
                    connection.execute(
                        f'UPDATE "{table}" SET {column} = replace({column}, ?1, ?2)'  # noqa: S608
                        f" WHERE instr({column}, ?1) AND typeof({column}) = 'text'",
                        (old, new),
                    )
    connection.close()
