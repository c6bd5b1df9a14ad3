"""Clean-up: remove folders of killed runs on the server, and packages of older bundles.

The next run cleans up the server once it holds the server's lock. While it holds the lock no other
run works for this site, so every folder below ``runs`` belongs to a run that is over. A script that
such a run started may still be working; we wait for it first, so that nothing else changes the
server during our run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tasks.bundle.layout import PACKAGE
from tasks.errors import TimeLimitError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.waiting import poll
from tasks.ledger.repairs import Repairs
from tasks.ledger.work_id import WorkId, is_run_id
from tasks.logs import log
from tasks.metadata.index import INDEX
from tasks.run.context import RunContext

# We wait for a script that changes the server as long as it may take. A script that only reads is
# left alone after a while, and its folder stays. Every script that is not listed here may change
# the server.
_READ_ONLY_SCRIPTS = frozenset(
    {
        "hash-files",
        "probe-server",
        "read-approvals",
        "read-license-files",
        "read-server",
        "read-updates",
        "read-volume",
    }
)
_CHANGE_SECONDS = 6 * 3_600.0
_READ_SECONDS = 120.0

_JOB = re.compile(r"(?P<script>[a-z-]+)\.job-\d+")


def clean_up_server(run: RunContext) -> None:
    """Wait for scripts of earlier runs that still work on the server, and remove their folders.

    The folder of an unfinished piece of work stays, because the run that continues it needs it.

    Raises:
        TimeLimitError: A script that changes the server is still running after hours.
    """
    for folder, name in _own_folders(run):
        work = WorkId.parse(name)
        if work is None and not is_run_id(name):
            continue
        is_over = work is None or _is_over(run, work)
        if _wait_for_scripts(run.server, folder) and is_over:
            run.server.remove_tree(folder)


def wait_for_changes(run: RunContext) -> None:
    """Wait for scripts of this site that still change the server.

    A step that is tried again calls this before it reads what it plans from: the plan of its first
    try, and with it the folder in which that script works, had another digest.

    Raises:
        TimeLimitError: Such a script is still running after hours.
    """
    for folder, _ in _own_folders(run):
        for stat in run.server.list_folder(folder):
            match = _JOB.fullmatch(stat.name)
            if match is not None and match["script"] not in _READ_ONLY_SCRIPTS:
                _wait_for(run.server, folder.joined(stat.name), _CHANGE_SECONDS)


def remove_work(run: RunContext, work: WorkId) -> None:
    """Remove the folders of a finished piece of work, and of its plans, from the server."""
    for folder, name in _own_folders(run):
        parsed = WorkId.parse(name)
        if parsed is not None and parsed.whole == work:
            run.server.remove_tree(folder)


def _own_folders(run: RunContext) -> Iterator[tuple[HostPath, str]]:
    """Yield the folders of this site below ``runs``, each with its name after the site's."""
    runs, start = run.folders.work_dir.joined("runs"), f"{run.site.name}-"
    for stat in run.server.list_folder(runs):
        if stat.kind == "folder" and stat.name.startswith(start):
            yield runs.joined(stat.name), stat.name.removeprefix(start)


def drop_old_packages(newest: Path) -> None:
    """Remove packages and indexes of all bundles but the newest from the state folder.

    Each is as large as the catalogue, and only the newest is read again. Manifests stay.

    Args:
        newest: Our folder of the newest bundle.
    """
    for name in (PACKAGE, INDEX):
        for path in newest.parent.glob(f"*/{name}"):
            if path.parent != newest:
                path.unlink()


def _is_over(run: RunContext, work: WorkId) -> bool:
    """Return True if no later run continues this piece of work."""
    if work.kind == "audit":
        return True
    if work.kind == "reset":
        return work.sequence not in Repairs(run.ledger).begun_unfinished()
    if work.kind == "export":
        record = run.exports.by_sequence(work.sequence)
        return record is not None and record.status in {"sealed", "void"}
    newest = run.imports.newest_done()
    return newest is not None and work.sequence <= newest.sequence


def _wait_for_scripts(server: Host, folder: HostPath) -> bool:
    """Wait for the scripts in a folder; False if a script that only reads takes too long."""
    for stat in server.list_folder(folder):
        match = _JOB.fullmatch(stat.name)
        if match is None:
            continue
        changes = match["script"] not in _READ_ONLY_SCRIPTS
        limit_seconds = _CHANGE_SECONDS if changes else _READ_SECONDS
        try:
            _wait_for(server, folder.joined(stat.name), limit_seconds)
        except TimeLimitError as error:
            if changes:
                raise
            log.warning("%s; it only reads, and is left alone", error)
            return False
    return True


def _wait_for(server: Host, job: HostPath, limit_seconds: float) -> None:
    def end() -> Literal[True] | None:
        has_code = server.stat(job.joined("exit-code")) is not None
        return True if has_code or server.poll_detached(job).state != "running" else None

    poll(end, what=f"an earlier run's script ({job})", limit_seconds=limit_seconds)
