"""What a host cannot do by itself and asks one of our scripts for.

Windows has no call over SFTP for permissions, durable renames, or processes that outlive the
session; and no server but itself can say what it reads from its own disk. All functions raise a
``ScriptFailedError`` where the script gives no answer that can be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tasks.errors import AirGapError, CommandFailedError, HostFileError, ScriptFailedError
from tasks.hosts.host import FileHash, JobStatus, Json, Outcome, Space
from tasks.hosts.paths import HostPath
from tasks.hosts.script_run import (
    Asker,
    ScriptSetup,
    place_script,
    run_script,
    run_script_attached,
)
from tasks.refusals import FolderUnsafeError
from tasks.scripts import load_script

_SHORT_SECONDS = 300.0
_BATCH_SECONDS = 6 * 3600.0

Move = tuple[HostPath, HostPath]


def start_detached(host: Asker, setup: ScriptSetup, command: Sequence[str], job: HostPath) -> None:
    """Start a program on Windows that outlives the session, once per job folder.

    Raises:
        CommandFailedError: It was not started.
    """
    answer = _ask_for_job(host, setup, job, list(command))
    if answer.get("state") not in ("started", "found"):
        raise CommandFailedError(program=command[0], reason="it was not started as a job")


def probe_job(host: Asker, setup: ScriptSetup, job: HostPath) -> JobStatus:
    """Say how a job on Windows stands, by its processes."""
    answer = _ask_for_job(host, setup, job, None)
    exit_code, cpu_seconds = answer.get("exit_code"), answer.get("cpu_seconds")
    if answer.get("state") == "absent":
        return JobStatus("absent")
    if isinstance(exit_code, int):
        return JobStatus("exited", exit_code=exit_code)
    if not answer.get("running"):
        return JobStatus("lost")
    known = isinstance(cpu_seconds, int | float)
    return JobStatus("running", cpu_seconds=float(str(cpu_seconds)) if known else None)


def _ask_for_job(host: Asker, setup: ScriptSetup, job: HostPath, command: list[str] | None) -> Json:
    folder = host.request_folder()
    place_script(host, setup, load_script("supervise-job"), folder)  # start-detached starts it
    settings = {"kind": "settings", "command": command, "job": job.text}
    script = load_script("start-detached")
    lines = run_script_attached(
        host, setup, script, [settings], folder=folder, timeout_seconds=_SHORT_SECONDS
    )
    answer = None
    for line in lines:  # to the end, which shows whether the answer is whole
        if line.get("kind") == "job":
            answer = line
    if answer is None:
        raise ScriptFailedError(script=script.name, reason="it did not speak of the job")
    return answer


def prepare_folder(host: Asker, setup: ScriptSetup, path: HostPath) -> None:
    """Make a folder for SYSTEM and Administrators only, or prove that it is one.

    Raises:
        FolderUnsafeError: It is a link, has another owner, or is open to others.
    """
    settings = {"kind": "settings", "path": path.text}
    for line in _ask_shortly(host, setup, "prepare-folder", settings):
        if line.get("kind") == "folder":
            if line.get("problem"):
                raise FolderUnsafeError(path=path, reason=line["problem"])
            return
    raise ScriptFailedError(script="prepare-folder", reason="it did not speak of the folder")


def read_volume(host: Asker, setup: ScriptSetup, path: HostPath) -> Space:
    """Ask for room and file system of the volume that holds a path."""
    settings = {"kind": "settings", "path": path.text}
    for line in _ask_shortly(host, setup, "read-volume", settings):
        if line.get("kind") == "volume":
            free_bytes, file_system = line.get("free_bytes"), line.get("file_system")
            if isinstance(free_bytes, int):
                return Space(free_bytes, str(file_system or "unknown"))
    raise ScriptFailedError(script="read-volume", reason="it did not say how much room there is")


def place_files(
    host: Asker, setup: ScriptSetup, moves: Sequence[Move], *, inherit: bool
) -> Outcome[Move]:
    """Flush and rename files, permissions taken from the new folder, in one run."""
    by_source = {source.text: (source, target) for source, target in moves}
    request = ({"from": source.text, "to": target.text} for source, target in moves)
    settings: Json = {"kind": "settings", "inherit": inherit}
    ok: list[Move] = []
    failed: list[tuple[Move, AirGapError]] = []
    for line in _ask_batch(host, setup, "place-files", settings, request=request):
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
        reason = {"error": "the script did not speak of it"}
        failed.append((move, _file_error("rename", move[0], reason)))
    return Outcome(tuple(ok), tuple(failed))


def hash_files(
    host: Asker, setup: ScriptSetup, paths: Sequence[HostPath]
) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
    """Have the server read files of its own and say their size and SHA-1."""
    if not paths:
        return
    wanted = {path.text: path for path in paths}
    settings: Json = {"kind": "settings"}
    request = ({"path": path.text} for path in paths)
    for line in _ask_batch(host, setup, "hash-files", settings, request=request):
        path = wanted.get(str(line.get("path"))) if line.get("kind") == "file" else None
        if path is None:
            continue
        del wanted[path.text]
        size_bytes, sha1 = line.get("size_bytes"), line.get("sha1")
        if isinstance(size_bytes, int) and isinstance(sha1, str) and not line.get("error"):
            yield FileHash(path, size_bytes, sha1.upper())
        else:
            yield path, _file_error("hash", path, line)
    for path in wanted.values():
        yield path, _file_error("hash", path, {"error": "the script did not speak of it"})


def _file_error(operation: str, path: HostPath, line: Json) -> HostFileError:
    return HostFileError(operation=operation, path=path, reason=line.get("error") or "no answer")


def _ask_shortly(host: Asker, setup: ScriptSetup, name: str, settings: Json) -> Iterator[Json]:
    return run_script_attached(
        host,
        setup,
        load_script(name),
        [settings],
        folder=host.request_folder(),
        timeout_seconds=_SHORT_SECONDS,
    )


def _ask_batch(
    host: Asker, setup: ScriptSetup, name: str, settings: Json, *, request: Iterable[Json]
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
