"""``restore``: bring a side's state back from its backup, into a state folder that is empty.

Everything is proved by its digest beside the state folder, and only then gets its name there. What
a living machine might still hold is given up: the restored ledger has a new machine id, so that a
lock which the old machine holds is never taken for one of our own, and runs that had not ended are
closed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from blake3 import blake3
from pydantic import ValidationError

from tasks.custody.log import drop_newer_lines
from tasks.errors import PathMissingError, UsageError
from tasks.hosts.os_errors import file_fault
from tasks.ledger.moved import settle_moved_ledger
from tasks.ledger.store import Ledger
from tasks.refusals import SafetyError
from tasks.site.faults import read_text
from tasks.upkeep.backup import RECORD, SITE_FILE, STATE, BackupRecord

_PIECE_BYTES = 1_048_576
_MOST_RECORD_BYTES = 500_000_000
# Whatever else lies in a state folder was written by runs.
_ALLOWED_BESIDE = frozenset({"prefect", "up-home"})


@dataclass(frozen=True, slots=True)
class Restored:
    """A state that was brought back.

    Attributes:
        state_dir: The state folder.
        wrote_site_file: True if there was no site file, so that the one of the backup was written.
    """

    record: BackupRecord
    state_dir: Path
    wrote_site_file: bool


def restore_backup(source: Path, site_file: Path, *, now: datetime) -> Restored:
    """Bring back the state of a side.

    Args:
        source: The file that ``write_backup`` wrote.
        site_file: The site file, which says where the state folder is; if it is not there, it is
            written as it was. The keys that it names need not be there yet.
        now: The time.

    Raises:
        PathMissingError: There is no such file.
        UsageError: The file is no whole backup, or one of another site or side.
        SafetyError: The state folder holds a state already.
        HostFileError, DiskFullError: Something cannot be read or written.
    """
    if not source.is_file():
        raise PathMissingError(what="the backup", path=source)
    try:
        with zipfile.ZipFile(source) as archive:
            record = _read_record(archive, source)
            is_new = not os.path.lexists(site_file)
            text = _saved_site_file(archive, record, source) if is_new else read_text(site_file)
            state_dir = _state_dir(text, site_file, record)
            _require_empty(state_dir)
            _bring_back(archive, record, state_dir, source, now=now)
            if is_new:
                site_file.write_text(text, encoding="utf-8", newline="\n")
    except (zipfile.BadZipFile, KeyError, EOFError, UnicodeDecodeError) as error:
        raise _no_backup(source, str(error)) from error
    except OSError as error:
        raise file_fault("restore", source, error) from error
    return Restored(record, state_dir, is_new)


def _read_record(archive: zipfile.ZipFile, source: Path) -> BackupRecord:
    with archive.open(RECORD) as stream:
        content = stream.read(_MOST_RECORD_BYTES)
    try:
        record = BackupRecord.model_validate_json(content)
    except ValidationError as error:
        raise _no_backup(source, f"{RECORD} has another form") from error
    for name in record.files:
        parts = PurePosixPath(name).parts
        is_plain = "\\" not in name and ":" not in name and ".." not in parts
        if name != SITE_FILE and not (is_plain and parts[0] == STATE and len(parts) > 1):
            raise _no_backup(source, f"it names {name!r}")
    return record


def _saved_site_file(archive: zipfile.ZipFile, record: BackupRecord, source: Path) -> str:
    content = archive.read(SITE_FILE)
    if blake3(content).hexdigest() != record.files.get(SITE_FILE):
        raise _no_backup(source, f"{SITE_FILE} is damaged")
    return content.decode()


def _state_dir(text: str, site_file: Path, record: BackupRecord) -> Path:
    """Find the state folder in a site file whose keys may not be there yet."""
    try:
        table = tomllib.loads(text).get("site", {})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(reason=f"{site_file} is not valid TOML: {error}") from None
    if not isinstance(table, Mapping):
        table = {}
    owner = (table.get("name"), table.get("side"))
    if owner != (record.site, record.side.value):
        raise UsageError(
            reason=f"the backup is of site {record.site}, {record.side.value} side; {site_file} is "
            f"for site {owner[0]}, {owner[1]} side",
            remedy="Name the site file of that site and side with --site.",
        )
    folder = Path(str(table.get("state_dir", "state"))).expanduser()
    return Path(os.path.abspath(site_file.parent / folder))


def _require_empty(state_dir: Path) -> None:
    names = {path.name for path in state_dir.iterdir()} if state_dir.is_dir() else set()
    if others := names - _ALLOWED_BESIDE:
        raise SafetyError(
            reason=f"the state folder {state_dir} holds a state already ({min(others)})",
            remedy=f"Move {state_dir} away, then run `restore` again. It guards what may be "
            "imported, so it is never overwritten.",
        )


def _bring_back(
    archive: zipfile.ZipFile, record: BackupRecord, state_dir: Path, source: Path, *, now: datetime
) -> None:
    state_dir.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{state_dir.name}-restored-"
    beside = Path(tempfile.mkdtemp(dir=state_dir.parent, prefix=prefix))  # mode 0700
    try:
        for name, digest in record.files.items():
            if name == SITE_FILE:
                continue
            target = beside.joinpath(*PurePosixPath(name).parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as stream:
                if _copy(stream, target) != digest:
                    raise _no_backup(source, f"{name} is damaged")
        with Ledger(beside) as ledger:
            settle_moved_ledger(ledger, record.state_dir, str(state_dir), now=now)
            drop_newer_lines(ledger, beside)
        _put(beside, state_dir)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, state_dir: Path) -> None:
    """Give the restored files their names; the ledger, which makes it a state, comes last."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = sorted(beside.iterdir(), key=lambda path: path.name == "ledger.sqlite")
    for path in paths:
        path.replace(state_dir / path.name)


def _copy(stream: IO[bytes], target: Path) -> str:
    """Copy durably, and return the digest."""
    digest = blake3()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


_BINARY = getattr(os, "O_BINARY", 0)


def _no_backup(source: Path, reason: str) -> UsageError:
    return UsageError(
        reason=f"{source} is no whole backup: {reason}",
        remedy="Take another copy of it, or an earlier backup. Nothing was restored.",
    )
