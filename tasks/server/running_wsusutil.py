"""Search for every ``wsusutil`` at work on a server, since a run changes nothing beside one.

An import stops WsusService on purpose and starts it again at its end. Microsoft's page Dd939911
(WSUS 3.0 SP2) states the same of an export; whether it holds for WSUS 10.0 is unknown. So before a
command starts, stops or changes anything, it searches two places: every run folder below our work
folder, of any site and state folder; and the server's process list, which also shows a ``wsusutil``
of another work folder or an administrator. One that only lists approvals does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.metadata.wsusutil_process import Running, is_read_only, of_job, of_process, refusal
from tasks.run.context import RunContext
from tasks.server.queries import query_service

_JOB = "job-"


def job_name(stem: str) -> str:
    """Return the name of a ``wsusutil``'s job folder, from the stem of its log's name."""
    return f"{_JOB}{stem}"


def find_running(run: RunContext, *, folder: HostPath | None = None) -> tuple[Running, ...]:
    """Find every ``wsusutil`` at work on the server: jobs of ours first, then all others.

    Args:
        run: The run.
        folder: Folder in which the script runs; None: the folder of this run.
    """
    processes = query_service(run, "status", folder=folder).wsusutil
    changing = (process for process in processes if not is_read_only(process))
    jobs = tuple(_running_jobs(run.server, run.folders.runs))
    stems = {job.stem for job in jobs}
    others = (other for other in map(of_process, changing) if other.stem not in stems)
    return (*jobs, *others)


def require_no_wsusutil(run: RunContext) -> None:
    """Require that no ``wsusutil`` is at work.

    Raises:
        WsusutilRunningError: At least one is at work.
    """
    if running := find_running(run):
        raise refusal(running)


def running_job(server: Host, job: HostPath) -> Running | None:
    """Return the ``wsusutil`` of a job folder; None when it does not run."""
    names = {entry.name: entry for entry in server.list_folder(job)}
    if "started" not in names or "exit-code" in names:
        return None
    if server.poll_detached(job).state != "running":
        return None
    since = datetime.fromtimestamp(names["started"].mtime_ns / 1e9, UTC)
    return of_job(job.parent.name, job.name.removeprefix(_JOB), since)


def _running_jobs(server: Host, runs: HostPath) -> Iterator[Running]:
    for work in server.list_folder(runs):
        folder = runs.joined(work.name)
        if work.kind != "folder":
            continue
        for entry in server.list_folder(folder):
            if entry.kind == "folder" and entry.name.startswith(_JOB):
                running = running_job(server, folder.joined(entry.name))
                if running is not None:
                    yield running
