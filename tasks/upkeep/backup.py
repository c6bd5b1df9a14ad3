"""``backup``: a side's state in one file, while runs go on.

The file is a ZIP archive:

=====================  ===================================================================
``backup.json``        version, site, side, state folder, time, and the digest of every file
``site.toml``          the site file as it was
``state/…``            the state folder: ledger, digests, documents, receipts, reports
=====================  ===================================================================

It holds no private key, no secret, and nothing of Prefect. The two databases are copied by SQLite's
backup API, first of all: what the ledger names was durable before the ledger named it, so that the
files that are copied afterwards are at least as new.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path, PurePosixPath

from blake3 import blake3
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tasks.errors import HostFileError, UsageError
from tasks.hosts.os_errors import file_fault
from tasks.names import Side, SiteName
from tasks.site.settings import Site
from tasks.version import VERSION

RECORD = "backup.json"
SITE_FILE = "site.toml"
STATE = "state"
DATABASES = ("ledger.sqlite", "hashes.sqlite")
# Prefect has its own database; scratch and work folders belong to runs; `up` names its own home;
# the saved listing is made anew; volumes that wait for others are as large as their bundle.
_LEFT_OUT = frozenset({"prefect", "scratch", "work", "up-home", "content.sqlite", "volumes"})
_UNFINISHED = (".partial", ".new", "-wal", "-shm", "-journal")
_PIECE_BYTES = 1_048_576


class BackupRecord(BaseModel):
    """``backup.json``.

    Attributes:
        version: Version of this form.
        product: The version of the product that wrote it.
        state_dir: Path of the state folder; the ledger's paths begin with it.
        files: The BLAKE3 (64 hex digits) of every other file of the archive, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(default=1, ge=1, le=1)
    product: str
    site: SiteName
    side: Side
    state_dir: str
    created: AwareDatetime
    files: dict[str, str]


def write_backup(site: Site, target: Path, *, now: datetime) -> BackupRecord:
    """Write the state of a side into a file that is not there yet, readable by this account only.

    Raises:
        UsageError: The file exists already, or lies in the state folder.
        HostFileError, DiskFullError: Something cannot be read or written; there is no file then.
    """
    if os.path.lexists(target):
        raise UsageError(
            reason=f"{target} exists, and a backup never overwrites a file",
            remedy="Name another file, for example one with the date in its name.",
        )
    if target.resolve().is_relative_to(site.state_dir.resolve()):
        raise UsageError(
            reason=f"{target} lies in the state folder that is to be saved",
            remedy="Name a file on another disk.",
        )
    partial = target.with_name(f"{target.name}.partial")
    try:
        record = _write(site, partial, now=now)
        partial.replace(target)
    except OSError as error:
        raise file_fault("write", partial, error) from error
    except sqlite3.Error as error:
        raise HostFileError(
            operation="copy", path=site.state_dir / DATABASES[0], reason=str(error)
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return record


def _write(site: Site, partial: Path, *, now: datetime) -> BackupRecord:
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    digests: dict[str, str] = {}
    with os.fdopen(descriptor, "w+b") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, path in _databases(site.state_dir, partial.parent):
                digests[name] = _add(archive, name, path)
            digests[SITE_FILE] = _add(archive, SITE_FILE, site.path)
            for name, path in _documents(site):
                with contextlib.suppress(FileNotFoundError):  # a run removed it just now
                    digests[name] = _add(archive, name, path)
            record = BackupRecord(
                product=VERSION,
                site=site.name,
                side=site.side,
                state_dir=str(site.state_dir),
                created=now,
                files=digests,
            )
            archive.writestr(RECORD, record.model_dump_json(indent=2))
        stream.flush()
        os.fsync(stream.fileno())
    return record


_BINARY = getattr(os, "O_BINARY", 0)


def _databases(state_dir: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Copy each database as it is at one instant, and yield the copy, which is removed again."""
    for name in DATABASES:
        source = state_dir / name
        if not source.is_file():
            continue
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".wsus-airgap-backup-") as folder:
            copy = Path(folder) / name
            with (
                closing(sqlite3.connect(source, timeout=30)) as database,
                closing(sqlite3.connect(copy)) as target,
            ):
                database.backup(target)
            yield f"{STATE}/{name}", copy


def _documents(site: Site) -> Iterator[tuple[str, Path]]:
    """List the files of the state folder; links, secrets and unfinished files are left out."""
    secrets = {path.resolve() for path in site.secret_files}
    for folder, folders, names in os.walk(site.state_dir):
        at = Path(folder)
        left_out = {*_LEFT_OUT, *DATABASES} if at == site.state_dir else set()
        folders[:] = sorted(set(folders) - left_out)
        for name in sorted(set(names) - left_out):
            path = at / name
            is_plain = path.is_file() and not path.is_symlink()
            if is_plain and not name.endswith(_UNFINISHED) and path.resolve() not in secrets:
                inner = PurePosixPath(STATE, *path.relative_to(site.state_dir).parts)
                yield str(inner), path


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    """Add a file, and return the digest of the very bytes that were added."""
    digest = blake3()
    # Not ``ZipInfo.from_file``: a file may grow, and a time before 1980 is refused by ZIP.
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()
