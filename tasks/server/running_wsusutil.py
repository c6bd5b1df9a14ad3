"""Nothing is done beside a ``wsusutil`` that works on the server, whoever started it.

An import stops WsusService on purpose and starts it again at its end; Microsoft's older text says
the same of an export. So before a command starts, stops or changes anything, it looks: into every
run folder below our work folder, of any site and state folder, and into the server's process list,
which names what other work folders and administrators have started.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tasks.hosts.paths import HostPath
from tasks.metadata.wsusutil_process import Running, of_job, of_process, refusal
from tasks.run.context import RunContext
from tasks.server.queries import ask_service

_JOB = "job-"


def job_name(stem: str) -> str:
    """Name of the job folder of a ``wsusutil``, from the stem of its log's name."""
    return f"{_JOB}{stem}"


def find_running(run: RunContext, *, folder: HostPath | None = None) -> tuple[Running, ...]:
    """Find every ``wsusutil`` at work on the server: jobs of ours first, then all others.

    Args:
        run: The run.
        folder: Where the script runs; a folder of this run when left out.
    """
    listed = [of_process(each) for each in ask_service(run, "status", folder=folder).wsusutil]
    jobs = tuple(_running_jobs(run))
    known = {each.stem for each in jobs}
    return (*jobs, *(each for each in listed if each.stem not in known))


def require_no_wsusutil(run: RunContext) -> None:
    """See that no ``wsusutil`` is at work.

    Raises:
        WsusutilRunningError: One is.
    """
    if running := find_running(run):
        raise refusal(running)


def running_job(run: RunContext, job: HostPath) -> Running | None:
    """The ``wsusutil`` of a job folder, None when it does not run."""
    names = {entry.name: entry for entry in run.server.list_folder(job)}
    if "started" not in names or "exit-code" in names:
        return None
    if run.server.poll_detached(job).state != "running":
        return None
    since = datetime.fromtimestamp(names["started"].mtime_ns / 1e9, UTC)
    return of_job(job.parent.name, job.name.removeprefix(_JOB), since)


def _running_jobs(run: RunContext) -> Iterator[Running]:
    runs = run.folders.runs
    for work in run.server.list_folder(runs):
        folder = runs.joined(work.name)
        if work.kind != "folder":
            continue
        for entry in run.server.list_folder(folder):
            if entry.kind == "folder" and entry.name.startswith(_JOB):
                running = running_job(run, folder.joined(entry.name))
                if running is not None:
                    yield running
