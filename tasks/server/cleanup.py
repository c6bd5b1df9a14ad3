"""What a killed run left, and what earlier bundles did: swept when nobody needs it any more.

What lies on the server is swept by the next run, when it holds the server's lock. Under it nobody
else works for this site, so what lies below ``runs`` belongs to runs that are over. Scripts that
such a run started go on by themselves; they are waited for first, so that nothing changes the
server beside us.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from tasks.bundle.layout import PACKAGE
from tasks.errors import TimeLimitError
from tasks.hosts.paths import HostPath
from tasks.metadata.index import INDEX
from tasks.run.context import RunContext

# A script that changes the server is waited for as long as it may take; one that only reads is
# left alone after a while, with its folder.
_CHANGING = "apply-approvals"
_CHANGE_SECONDS = 6 * 3_600.0
_READ_SECONDS = 120.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0

_RUN = r"\d{8}T\d{6}Z-[a-z]+-[0-9a-f]{6}"
_WORK = r"(?P<kind>export|import|audit)-(?P<sequence>\d+)(?:-[0-9a-f]{16}){0,2}"
_JOB = re.compile(r"(?P<script>[a-z-]+)\.job-\d+")


def clean_up_server(run: RunContext) -> None:
    """Wait for what earlier runs left running on the server, and remove their folders.

    The folder of a piece of work that is not done stays: the run that takes it up needs it.

    Raises:
        TimeLimitError: A script that changes the server is still running after hours.
    """
    own = re.compile(rf"{re.escape(run.site.name)}-(?:{_RUN}|{_WORK})")
    runs = run.folders.work_dir.joined("runs")
    for stat in run.server.list_folder(runs):
        match = own.fullmatch(stat.name)
        if match is None or stat.kind != "folder":
            continue
        folder = runs.joined(stat.name)
        if _wait_for_scripts(run, folder) and _is_over(run, match):
            run.server.remove_tree(folder)


def remove_work(run: RunContext, work: str) -> None:
    """Remove the folders of a finished piece of work from the server."""
    own = re.compile(rf"{re.escape(run.site.name)}-{re.escape(work)}(?:-[0-9a-f]{{16}})?")
    runs = run.folders.work_dir.joined("runs")
    for stat in run.server.list_folder(runs):
        if own.fullmatch(stat.name):
            run.server.remove_tree(runs.joined(stat.name))


def drop_old_packages(newest: Path) -> None:
    """Remove the packages of all bundles but one from the state folder, with their indexes.

    Each is as large as the catalogue, and only the newest is asked again; manifests stay.
    """
    for name in (PACKAGE, INDEX):
        for path in newest.parent.glob(f"*/{name}"):
            if path.parent != newest:
                path.unlink()


def _is_over(run: RunContext, match: re.Match[str]) -> bool:
    if match["kind"] is None or match["kind"] == "audit":
        return True
    sequence = int(match["sequence"])
    if match["kind"] == "export":
        record = run.exports.by_sequence(sequence)
        return record is not None and record.status in {"sealed", "void"}
    newest = run.imports.newest_done()
    return newest is not None and sequence <= newest.sequence


def _wait_for_scripts(run: RunContext, folder: HostPath) -> bool:
    """Wait for the scripts in a folder; False when one that only reads takes too long."""
    for stat in run.server.list_folder(folder):
        match = _JOB.fullmatch(stat.name)
        if match is None:
            continue
        changes = match["script"] == _CHANGING
        limit = _CHANGE_SECONDS if changes else _READ_SECONDS
        if not _wait_for(run, folder.joined(stat.name), limit):
            if changes:
                raise TimeLimitError(what=f"script {match['script']}", limit_seconds=limit)
            return False
    return True


def _wait_for(run: RunContext, job: HostPath, limit_seconds: float) -> bool:
    pause, give_up = _FIRST_PAUSE_SECONDS, time.monotonic() + limit_seconds
    while run.server.stat(job.joined("exit-code")) is None:
        if run.server.poll_detached(job).state != "running":
            break
        if time.monotonic() > give_up:
            return False
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return True
