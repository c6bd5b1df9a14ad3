"""Labs of an older version, unpacked; ``make_labs.py.txt`` beside them made them, on its code."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
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
    old = re.compile("|".join(map(re.escape, renamed)))

    def rename(text: str) -> str:
        return old.sub(lambda match: renamed[match[0]], text)  # once: what is new stays

    with tarfile.open(source / "labs.tar.xz") as archive:
        members = [member for member in archive if member.name.partition("/")[0] == name]
        for member in members:
            member.name = member.name.partition("/")[2] or "."
            # Unlike "data" it keeps the mode of folders: ours on a server are private.
            archive.extract(member, folder, filter="tar")
        for member in members:
            path = folder / member.name
            if member.isfile() and not path.name.endswith("-wal"):  # its database takes it in
                _rename_in(path, rename)
    return Lab(folder)


def continue_lab(name: OlderLab, folder: Path, *, api_url: str) -> Lab:
    """Unpack a lab so that commands can go on in it.

    They use the Prefect API that is named, and take bundles and servers as old as the archive.
    """
    lab = unpack_lab(name, folder)
    for side in SIDES:
        lab.configure(side, "prefect", api_url=api_url)
        lab.configure(side, "trust", max_bundle_age_days=100_000, max_quiet_days=100_000)
        lab.configure(side, "check", max_sync_age_days=100_000)
    return lab


def _rename_in(path: Path, rename: Callable[[str], str]) -> None:
    content = path.read_bytes()
    if content.startswith(_SQLITE):
        _rename_in_database(path, rename)
        return
    text = content.decode(errors="surrogateescape")
    if rename(text) != text:
        path.write_bytes(rename(text).encode(errors="surrogateescape"))


def _rename_in_database(path: Path, rename: Callable[[str], str]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.create_function("renamed", 1, rename)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        for (table,) in tables:
            columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
            for column in (f'"{row[1]}"' for row in columns):
                connection.execute(
                    f'UPDATE "{table}" SET {column} = renamed({column})'  # noqa: S608
                    f" WHERE typeof({column}) = 'text' AND renamed({column}) <> {column}"
                )
