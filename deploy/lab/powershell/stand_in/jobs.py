"""The scripts about the service, downloads and detached programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.lab.powershell.stand_in.run import Run, ScriptError
from deploy.lab.rules import configuration, content_agent, machine, windows
from deploy.lab.rules.server import RuleError

_POLL_SECONDS = 0.2
_START_LIMIT_SECONDS = 60.0
_NOT_STARTED = 127
# Fields of /proc/PID/stat after the name, from 0: state, user and system time, start time.
_STATE, _USER, _SYSTEM, _START = 0, 11, 12, 19


def control_service(run: Run) -> None:
    """Answer ``control-service.ps1``."""
    action, problem = run.settings["action"], None
    wsusutil = [
        {"process_id": row.process_id, "command_line": row.command_line, "since": row.created}
        for row in windows.processes(run.server)
    ]
    if action == "start" and wsusutil:
        problem = "wsusutil is at work"
    elif action == "start":
        run.server.set_setting("machine.pool_state", "Started")
        try:
            windows.start_service(run.server)
        except RuleError as error:
            problem = str(error)
        limit = time.monotonic() + float(run.settings["wait_seconds"])
        while _status(run) != "Running" and time.monotonic() < limit:
            time.sleep(_POLL_SECONDS)
    elif action != "status":
        raise ScriptError(f"no action of this name: {action}")
    run.write(
        kind="service",
        service=configuration.SERVICE,
        status=_status(run),
        pool=machine.read(run.server, "machine.pool_state"),
        error=problem,
        wsusutil=wsusutil,
    )
    run.end()


def control_downloads(run: Run) -> None:
    """Answer ``control-downloads.ps1``."""
    total, done = content_agent.download_progress(run.server)
    action, changed = run.settings["action"], True
    if action == "resume":
        content_agent.resume_all(run.server)
    elif action != "pause":
        raise ScriptError(f"no action of this name: {action}")
    elif total > done:
        content_agent.cancel_all(run.server)
    else:
        changed = False
    run.write(kind="downloads", waiting_bytes=total - done, changed=changed)
    run.end()


def start_detached(run: Run) -> None:
    """Answer ``start-detached.ps1``."""
    job = Path(run.settings["job"])
    command = run.settings["command"]
    if (job / "started").is_file():
        answer = _job_state(job, "found")
    elif command is None:
        answer = {"state": "absent", "running": False, "exit_code": None, "cpu_seconds": None}
    else:
        _start(run, job, command)
        answer = _job_state(job, "started")
    run.write(kind="job", **answer)
    run.end()


def supervise_job(run: Run) -> None:
    """Answer ``supervise-job.ps1``."""
    job, request = run.parameter("jobfolder"), run.parameter("requestfile")
    own = job / f"started-{os.getpid()}"
    own.write_text(_identity(os.getpid()), encoding="utf-8")
    try:
        os.link(own, job / "started")
    except FileExistsError:
        request.unlink()
        return
    finally:
        own.unlink()
    command = json.loads(request.read_text(encoding="utf-8"))["command"]
    with (job / "stdout").open("wb") as stdout, (job / "stderr").open("wb") as stderr:
        try:
            process = subprocess.Popen(
                command, cwd=job, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        except OSError as error:
            stderr.write(f"{error}\n".encode())
            code = _NOT_STARTED
        else:
            (job / "program").write_text(_identity(process.pid), encoding="utf-8")
            code = process.wait()
        for file in (stdout, stderr):
            os.fsync(file.fileno())
    part = job / "exit-code.part"
    part.write_text(f"{code}\n", encoding="utf-8")
    part.replace(job / "exit-code")
    request.unlink()


def _status(run: Run) -> str:
    return windows.service(run.server).status


def _start(run: Run, job: Path, command: Sequence[str]) -> None:
    job.mkdir(parents=True, exist_ok=True)
    request = job / f"request-{os.getpid()}-{time.monotonic_ns()}.json"
    request.write_text(json.dumps({"command": list(command)}), encoding="utf-8")
    supervisor = run.script.with_name("supervise-job.ps1")
    if not supervisor.is_file():
        raise ScriptError(f"supervise-job.ps1 does not lie beside this script: {supervisor}")
    subprocess.Popen(
        [
            *(sys.executable, "-P", "-S", "-m", "deploy.lab.powershell", str(run.side_folder)),
            *("-File", str(supervisor), "-JobFolder", str(job), "-RequestFile", str(request)),
        ],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + _START_LIMIT_SECONDS
    while not (job / "started").is_file():
        if time.monotonic() > limit:
            raise ScriptError(f"the supervisor did not begin within {_START_LIMIT_SECONDS} seconds")
        time.sleep(_POLL_SECONDS)


def _job_state(job: Path, state: str) -> dict[str, Any]:
    program = _process(_read(job / "program"))
    running = program is not None or _process(_read(job / "started")) is not None
    cpu_seconds = None
    if program is not None and sys.platform != "win32":
        ticks = int(program[_USER]) + int(program[_SYSTEM])
        cpu_seconds = ticks / os.sysconf("SC_CLK_TCK")
    ended = _read(job / "exit-code").strip()
    return {
        "state": state,
        "running": running and not ended,
        "exit_code": int(ended) if ended else None,
        "cpu_seconds": cpu_seconds,
    }


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _identity(process_id: int) -> str:
    """Process id and start time: a later process may get the same number, but not the same time."""
    fields = _statistics(process_id)
    return f"{process_id} {fields[_START] if fields else 0}\n"


def _process(identity: str) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` of an identity's process; None if it has ended."""
    parts = identity.split()
    if len(parts) != 2:
        return None
    fields = _statistics(int(parts[0]))
    if fields is None or fields[_START] != parts[1] or fields[_STATE] in {"Z", "X"}:
        return None
    return fields


def _statistics(process_id: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
