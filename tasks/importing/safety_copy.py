"""The safety copy of WSUS's database before an import's metadata, by the site's own command.

It runs as a detached job, because it can take longer than a connection lasts. Each run has one job
folder, named after the run:

| job of | state | done |
|---|---|---|
| an earlier run | running | wait for it; it counts, and no second copy is started beside it |
| an earlier run | ended | remove it: it may be from before other changes to the database |
| this run, by an earlier try of the step | any | wait for it; it counts |
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import CommandFailedError, TimeLimitError
from tasks.hosts.host import Host, JobStatus
from tasks.hosts.jobs import read_tail
from tasks.hosts.paths import HostPath
from tasks.hosts.waiting import Pace, poll
from tasks.hosts.windows import readable_stderr
from tasks.logs import log
from tasks.refusals import BackupFailedError

_LAST_CHARACTERS = 300
_PACE = Pace(first_seconds=0.05, longest_seconds=5.0)


def make_safety_copy(
    server: Host, command: Sequence[str], *, folder: HostPath, run_id: str, limit_hours: float
) -> None:
    """Run ``server.backup_command`` on the server and wait for its end.

    Args:
        server: The server.
        command: The program with its arguments.
        folder: Our folder for its jobs, on the server.
        run_id: Name of this run.
        limit_hours: The longest time to wait for it; then it goes on alone.

    Raises:
        BackupFailedError: It could not be started, or did not end with 0 in time.
        ConnectionLostError: The job goes on; the next try, or run, finds it.
    """
    log.info("safety copy of the database: %s", command[0])
    server.make_private_folder(folder.parent)
    server.make_private_folder(folder)
    job = folder.joined(run_id)
    running = _find_running(server, folder, own=job)
    if running is not None:
        log.info("a safety copy that an earlier run began is still at work; it is waited for")
        job = running
    try:
        server.start_detached(command, job=job)  # does nothing if the job was started before
        status = poll(
            lambda: _ended(server, job),
            what="the safety copy of the database",
            limit_seconds=limit_hours * 3_600,
            pace=_PACE,
        )
    except (CommandFailedError, TimeLimitError) as error:
        raise BackupFailedError(program=command[0], reason=error.message) from error
    if status.state != "exited" or status.exit_code != 0:
        raise BackupFailedError(program=command[0], reason=_reason(server, job, status))


def _find_running(server: Host, folder: HostPath, *, own: HostPath) -> HostPath | None:
    """Return the job of an earlier run that still works, and remove those that have ended."""
    for entry in server.list_folder(folder):
        job = folder.joined(entry.name)
        if job == own:
            continue
        if server.poll_detached(job).state == "running":
            return job
        server.remove_tree(job)
    return None


def _ended(server: Host, job: HostPath) -> JobStatus | None:
    status = server.poll_detached(job)
    return None if status.state == "running" else status


def _reason(server: Host, job: HostPath, status: JobStatus) -> str:
    stderr = readable_stderr(read_tail(server, job.joined("stderr")))
    output = (stderr.strip() or status.stdout.strip())[-_LAST_CHARACTERS:]
    last = f": {' '.join(output.split())}" if output else ""
    if status.state != "exited":
        return f"it was stopped before its end{last}"
    return f"it ended with exit code {status.exit_code}{last}"
