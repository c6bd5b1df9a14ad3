"""The plan of retention, from the ledger and from listings; nothing is removed here.

Removed are reports, the large documents of old bundles, content in the trash, and on the staging
side bundles on the medium. Never removed: the ledger, a bundle's header and decisions, receipts,
and anything that the ledger does not know as ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from tasks.bundle.layout import MANIFEST, PACKAGE, bundle_name
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import ExportRecord
from tasks.ledger.imports import ImportRecord
from tasks.ledger.runs import RunRecord
from tasks.metadata.index import INDEX

_DAYS_OF_A_MONTH = 30.4375
_NEWEST_DOCUMENTS = 2
"""Bundles whose documents stay however old they are: the newest, and the one before it."""

LARGE_DOCUMENTS = (MANIFEST, PACKAGE, INDEX)
"""Documents of an old bundle that only a run about that bundle reads."""

Kind = Literal["report", "documents", "trash", "bundle"]


@dataclass(frozen=True, slots=True)
class Expired:
    """A folder, or files of it, that retention removes.

    Attributes:
        name: Name of the run or bundle.
        folder: The folder on this machine, or on the server.
        files: The files of it that go; empty: the whole folder.
        beside: Files beside the folder that go with it: the carry card of a bundle.
        since: The time from which its age counts.
    """

    kind: Kind
    name: str
    folder: Path | HostPath
    since: datetime
    files: tuple[str, ...] = ()
    beside: tuple[Path, ...] = ()


def months_before(now: datetime, months: int) -> datetime:
    """Return the time some months earlier, a month counted as 30.4 days."""
    return now - timedelta(days=months * _DAYS_OF_A_MONTH)


def expired_reports(
    runs: Sequence[RunRecord], reports_dir: Path, *, before: datetime
) -> Iterator[Expired]:
    """Find the reports of runs that ended earlier; of each command the newest report stays.

    Args:
        runs: All runs, newest first.
        reports_dir: The folder of all reports; only folders that a run of the ledger wrote count.
        before: The time before which a run must have ended.
    """
    newest: set[str] = set()
    for run in runs:
        if run.report is None or run.ended is None:
            continue
        is_newest = run.command not in newest
        newest.add(run.command)
        folder = reports_dir / run.id
        if not is_newest and run.ended < before and _is_folder(folder):
            yield Expired("report", run.id, folder, run.ended)


def expired_exports(
    records: Sequence[ExportRecord], *, baseline: int | None, before: datetime
) -> Iterator[Expired]:
    """Find old documents on the staging side.

    Those of the baseline and of everything after it stay: the next bundle is computed from them.

    Args:
        records: All bundles, oldest first.
        baseline: Number of the baseline; None: every document stays.
        before: The time before which a bundle must have been begun.
    """
    for record in records[:-_NEWEST_DOCUMENTS]:
        is_needed = baseline is None or record.sequence >= baseline
        if not is_needed and record.status in ("sealed", "void") and record.created < before:
            yield from _documents(record.bundle.name, record.folder, record.created)


def expired_imports(
    records: Sequence[ImportRecord], site: str, *, before: datetime
) -> Iterator[Expired]:
    """Find old documents on the disconnected side; those of an unfinished import stay.

    Args:
        records: All imports, oldest bundle first.
        site: Name of the site.
        before: The time before which an import must have ended.
    """
    for record in records[:-_NEWEST_DOCUMENTS]:
        if record.done is not None and record.done < before:
            yield from _documents(bundle_name(site, record.sequence), record.folder, record.done)


def expired_trash(
    records: Iterable[ImportRecord],
    site: str,
    trash: HostPath,
    names: Iterable[str],
    *,
    before: datetime,
) -> Iterator[Expired]:
    """Find content in the trash that imports of long ago deleted.

    Args:
        records: All imports.
        site: Name of the site.
        trash: Our trash on the content disk.
        names: The names of the folders in it; one that no finished import made stays.
        before: The time before which the import must have ended.
    """
    ended = {bundle_name(site, record.sequence): record.done for record in records}
    for name in sorted(names):
        done = ended.get(name)
        if done is not None and done < before:
            yield Expired("trash", name, trash.joined(name), done)


def expired_bundles(records: Sequence[ExportRecord], *, before: datetime) -> Iterator[Expired]:
    """Find bundles on the medium whose receipt came long ago; the newest sealed one stays.

    Args:
        records: All bundles, oldest first.
        before: The time before which the receipt must have come.
    """
    sealed = [record for record in records if record.status == "sealed"]
    for record in sealed[:-1]:
        if record.accepted is not None and record.accepted < before and _is_folder(record.bundle):
            yield Expired("bundle", record.bundle.name, record.bundle, record.accepted)


def _documents(name: str, folder: Path, since: datetime) -> Iterator[Expired]:
    files = tuple(file for file in LARGE_DOCUMENTS if (folder / file).is_file())
    if files:
        yield Expired("documents", name, folder, since, files)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
