"""Operations of a host that need one of our PowerShell scripts on it.

On Windows SFTP cannot set permissions, rename durably, or start processes that outlive the
session; and only the server itself can read its own disk without the network between. All
functions raise a ``ScriptFailedError`` if the script gives no usable answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tasks.errors import AirGapError, CommandFailedError, HostFileError, ScriptFailedError
from tasks.hosts.host import FileHash, JobStatus, Json, Outcome, Space
from tasks.hosts.paths import HostPath
from tasks.hosts.script_run import (
    ScriptRunner,
    ScriptSetup,
    provide_script,
    run_script,
    run_script_attached,
)
from tasks.refusals import FolderUnsafeError
from tasks.scripts import load_script

_SHORT_SECONDS = 300.0
_BATCH_SECONDS = 6 * 3600.0

Move = tuple[HostPath, HostPath]


def start_detached(
    host: ScriptRunner, setup: ScriptSetup, command: Sequence[str], job: HostPath
) -> None:
    """Start a program on Windows that outlives the session, once per job folder.

    Raises:
        CommandFailedError: The program was not started.
    """
    answer = _query_job(host, setup, job, list(command))
    if answer.get("state") not in ("started", "found"):
        raise CommandFailedError(program=command[0], reason="it was not started as a job")


def probe_job(host: ScriptRunner, setup: ScriptSetup, job: HostPath) -> JobStatus:
    """Return the state of a job on Windows, by its processes."""
    answer = _query_job(host, setup, job, None)
    exit_code, cpu_seconds = answer.get("exit_code"), answer.get("cpu_seconds")
    if answer.get("state") == "absent":
        return JobStatus("absent")
    if isinstance(exit_code, int):
        return JobStatus("exited", exit_code=exit_code)
    if not answer.get("running"):
        return JobStatus("lost")
    is_number = isinstance(cpu_seconds, int | float)
    return JobStatus("running", cpu_seconds=float(str(cpu_seconds)) if is_number else None)


def _query_job(
    host: ScriptRunner, setup: ScriptSetup, job: HostPath, command: list[str] | None
) -> Json:
    folder = host.request_folder()
    provide_script(host, setup, load_script("supervise-job"), folder)  # start-detached starts it
    settings = {"kind": "settings", "command": command, "job": job.text}
    script = load_script("start-detached")
    lines = run_script_attached(
        host, setup, script, [settings], folder=folder, timeout_seconds=_SHORT_SECONDS
    )
    answer = None
    for line in lines:  # read to the end, because the end line proves that the answer is complete
        if line.get("kind") == "job":
            answer = line
    if answer is None:
        raise ScriptFailedError(script=script.name, reason="its answer does not mention the job")
    return answer


def prepare_folder(host: ScriptRunner, setup: ScriptSetup, path: HostPath) -> None:
    """Make a folder for SYSTEM and Administrators only, or prove that an existing one is.

    Raises:
        FolderUnsafeError: The path is a link, has another owner, or is open to others.
    """
    settings = {"kind": "settings", "path": path.text}
    for line in _query(host, setup, "prepare-folder", settings):
        if line.get("kind") == "folder":
            if line.get("problem"):
                raise FolderUnsafeError(path=path, reason=line["problem"])
            return
    raise ScriptFailedError(
        script="prepare-folder", reason="its answer does not mention the folder"
    )


@dataclass(frozen=True, slots=True)
class Volume:
    """Volume of a path.

    Attributes:
        name: Its name: a drive letter, or the folder that it is mounted in.
        space: Its free space and file system.
        real_path: The path with junctions and links followed.
    """

    name: str
    space: Space
    real_path: str


def read_volume(host: ScriptRunner, setup: ScriptSetup, path: HostPath) -> Volume:
    """Return the volume of a path, after following junctions and links."""
    settings = {"kind": "settings", "path": path.text}
    for line in _query(host, setup, "read-volume", settings):
        if line.get("kind") == "volume":
            free_bytes, file_system = line.get("free_bytes"), line.get("file_system")
            if isinstance(free_bytes, int):
                return Volume(
                    name=str(line.get("name")),
                    space=Space(free_bytes, str(file_system or "unknown")),
                    real_path=str(line.get("real_path")),
                )
    raise ScriptFailedError(script="read-volume", reason="its answer has no number of free bytes")


def place_files(
    host: ScriptRunner, setup: ScriptSetup, moves: Sequence[Move], *, inherit: bool
) -> Outcome[Move]:
    """Flush and rename files in one run of the script.

    With ``inherit`` a file takes the permissions of its new folder.
    """
    by_source = {source.text: (source, target) for source, target in moves}
    request = ({"from": source.text, "to": target.text} for source, target in moves)
    settings: Json = {"kind": "settings", "inherit": inherit}
    ok: list[Move] = []
    failed: list[tuple[Move, AirGapError]] = []
    for line in _query_batch(host, setup, "place-files", settings, request=request):
        move = by_source.pop(str(line.get("from")), None)
        if move is None:
            continue
        if line.get("error"):
            failed.append((move, _file_error("rename", move[0], line)))
        elif line.get("kind") == "moved":
            ok.append(move)
        else:
            by_source[move[0].text] = move
    for move in by_source.values():
        reason = {"error": "the script's answer does not mention it"}
        failed.append((move, _file_error("rename", move[0], reason)))
    return Outcome(tuple(ok), tuple(failed))


def hash_files(
    host: ScriptRunner, setup: ScriptSetup, paths: Sequence[HostPath]
) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
    """Have the server read its own files, and yield size and SHA-1."""
    if not paths:
        return
    unanswered = {path.text: path for path in paths}
    settings: Json = {"kind": "settings"}
    request = ({"path": path.text} for path in paths)
    for line in _query_batch(host, setup, "hash-files", settings, request=request):
        path = unanswered.get(str(line.get("path"))) if line.get("kind") == "file" else None
        if path is None:
            continue
        del unanswered[path.text]
        size_bytes, sha1 = line.get("size_bytes"), line.get("sha1")
        if isinstance(size_bytes, int) and isinstance(sha1, str) and not line.get("error"):
            yield FileHash(path, size_bytes, sha1.upper())
        else:
            yield path, _file_error("hash", path, line)
    for path in unanswered.values():
        yield path, _file_error("hash", path, {"error": "the script's answer does not mention it"})


def _file_error(operation: str, path: HostPath, line: Json) -> HostFileError:
    return HostFileError(operation=operation, path=path, reason=line.get("error") or "no answer")


def _query(host: ScriptRunner, setup: ScriptSetup, name: str, settings: Json) -> Iterator[Json]:
    return run_script_attached(
        host,
        setup,
        load_script(name),
        [settings],
        folder=host.request_folder(),
        timeout_seconds=_SHORT_SECONDS,
    )


def _query_batch(
    host: ScriptRunner, setup: ScriptSetup, name: str, settings: Json, *, request: Iterable[Json]
) -> Iterator[Json]:
    def lines() -> Iterator[Json]:
        yield settings
        yield from request

    return run_script(
        host,
        setup,
        load_script(name),
        lines(),
        folder=host.request_folder(),
        timeout_seconds=_BATCH_SECONDS,
    )
