"""What a killed run left, and what earlier bundles did: swept when nobody needs it any more.

What lies on the server is swept by the next run, when it holds the server's lock. Under it nobody
else works for this site, so what lies below ``runs`` belongs to runs that are over. Scripts that
such a run started go on by themselves; they are waited for first, so that nothing changes the
server beside us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tasks.bundle.layout import PACKAGE
from tasks.errors import TimeLimitError
from tasks.hosts.paths import HostPath
from tasks.hosts.waiting import poll
from tasks.ledger.work_id import WorkId, is_run_id
from tasks.logs import log
from tasks.metadata.index import INDEX
from tasks.run.context import RunContext

# A script that changes the server is waited for as long as it may take; one that only reads is
# left alone after a while, with its folder.
_CHANGING = "apply-approvals"
_CHANGE_SECONDS = 6 * 3_600.0
_READ_SECONDS = 120.0

_JOB = re.compile(r"(?P<script>[a-z-]+)\.job-\d+")


def clean_up_server(run: RunContext) -> None:
    """Wait for what earlier runs left running on the server, and remove their folders.

    The folder of a piece of work that is not done stays: the run that takes it up needs it.

    Raises:
        TimeLimitError: A script that changes the server is still running after hours.
    """
    for folder, name in _own_folders(run):
        work = WorkId.parse(name)
        if work is None and not is_run_id(name):
            continue
        if _wait_for_scripts(run, folder) and (work is None or _is_over(run, work)):
            run.server.remove_tree(folder)


def remove_work(run: RunContext, work: WorkId) -> None:
    """Remove the folders of a finished piece of work from the server, with those of its plans."""
    for folder, name in _own_folders(run):
        parsed = WorkId.parse(name)
        if parsed is not None and parsed.whole == work:
            run.server.remove_tree(folder)


def _own_folders(run: RunContext) -> Iterator[tuple[HostPath, str]]:
    """Folders below ``runs`` that begin with this site's name, each with the rest of its name."""
    runs, start = run.folders.work_dir.joined("runs"), f"{run.site.name}-"
    for stat in run.server.list_folder(runs):
        if stat.kind == "folder" and stat.name.startswith(start):
            yield runs.joined(stat.name), stat.name.removeprefix(start)


def drop_old_packages(newest: Path) -> None:
    """Remove the packages of all bundles but one from the state folder, with their indexes.

    Each is as large as the catalogue, and only the newest is asked again; manifests stay.
    """
    for name in (PACKAGE, INDEX):
        for path in newest.parent.glob(f"*/{name}"):
            if path.parent != newest:
                path.unlink()


def _is_over(run: RunContext, work: WorkId) -> bool:
    if work.kind == "audit":
        return True
    if work.kind == "export":
        record = run.exports.by_sequence(work.sequence)
        return record is not None and record.status in {"sealed", "void"}
    newest = run.imports.newest_done()
    return newest is not None and work.sequence <= newest.sequence


def _wait_for_scripts(run: RunContext, folder: HostPath) -> bool:
    """Wait for the scripts in a folder; False when one that only reads takes too long."""
    for stat in run.server.list_folder(folder):
        match = _JOB.fullmatch(stat.name)
        if match is None:
            continue
        changes = match["script"] == _CHANGING
        limit_seconds = _CHANGE_SECONDS if changes else _READ_SECONDS
        try:
            _wait_for(run, folder.joined(stat.name), limit_seconds)
        except TimeLimitError as error:
            if changes:
                raise
            log.warning("%s; it only reads, and is left alone", error)
            return False
    return True


def _wait_for(run: RunContext, job: HostPath, limit_seconds: float) -> None:
    def end() -> Literal[True] | None:
        has_code = run.server.stat(job.joined("exit-code")) is not None
        return True if has_code or run.server.poll_detached(job).state != "running" else None

    poll(end, what=f"an earlier run's script ({job})", limit_seconds=limit_seconds)
