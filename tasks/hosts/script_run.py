"""Running one of our PowerShell scripts: files in, files out, whatever happens to us meanwhile.

A script runs as a detached job in the run folder, so that neither a broken connection nor our
own end stops it half-way, and a rerun never works beside one that is still running: it waits
for that one first.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tasks.errors import (
    FolderUnsafeError,
    HostFileError,
    PathMissingError,
    ScriptDigestError,
    ScriptFailedError,
    TimeLimitError,
)
from tasks.hosts.host import CommandResult, Host, JobStatus, Json
from tasks.hosts.jobs import read_number, read_tail
from tasks.hosts.paths import HostPath
from tasks.hosts.windows import readable_stderr
from tasks.scripts import Script

_SWITCHES = ("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass")
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5
_PROBE_EVERY_SECONDS = 5.0
_MESSAGE_LIMIT = 2_000
_CHUNK_BYTES = 262_144
_HALF_OF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
# No line of ours comes near; whoever writes one that never ends is not waited for.
_LINE_LIMIT_BYTES = 16 * 1_048_576


@dataclass(frozen=True, slots=True)
class ScriptSetup:
    """How scripts run on a host.

    Attributes:
        powershell: The interpreter with arguments of its own, as the site file has it.
        scripts_dir: Where the site has installed our scripts; None: we bring them each time.
    """

    powershell: tuple[str, ...] = ("powershell.exe",)
    scripts_dir: HostPath | None = None


@dataclass(frozen=True, slots=True)
class ScriptFiles:
    """The files of one script in its run folder."""

    request: HostPath
    answer: HostPath

    @classmethod
    def of(cls, script: Script, folder: HostPath) -> ScriptFiles:
        """Name them."""
        return cls(
            folder.joined(f"{script.name}.in.jsonl"), folder.joined(f"{script.name}.out.jsonl")
        )


def run_script(
    host: Host,
    setup: ScriptSetup,
    script: Script,
    request: Iterable[Json],
    *,
    folder: HostPath,
    timeout_seconds: float,
) -> Iterator[Json]:
    """Run a script as a detached job, wait for it, and give an iterator over its answer.

    The script has ended when this returns; what fails is raised here, except for a missing end
    line, which the iterator finds.

    Raises:
        ScriptFailedError: It ended with another exit code than 0, or without a trace.
        ScriptDigestError: The script that the site installed is not ours.
        TimeLimitError: It, or an earlier run of it, is still going at the limit.
    """
    limit = time.monotonic() + timeout_seconds
    job, number = _last_job(host, script, folder)
    if job is not None and host.poll_detached(job).state == "running":
        _wait(host, script, job, limit=limit, timeout_seconds=timeout_seconds)
    command, files = prepare(host, setup, script, request, folder=folder)
    job = folder.joined(f"{script.name}.job-{number + 1:03d}")
    host.start_detached(command, job=job)
    status = _wait(host, script, job, limit=limit, timeout_seconds=timeout_seconds)
    if status.state != "exited" or status.exit_code != 0:
        raise ScriptFailedError(script=script.name, reason=_reason(host, job, status))
    said = readable_stderr(read_tail(host, job.joined("stderr")))
    return read_answer(host, script, files, said)


class Asker(Host, Protocol):
    """A host that can be asked something twice."""

    def ask(self, command: Sequence[str], *, timeout_seconds: float) -> CommandResult:
        """Run a program that does no harm when it runs twice; a broken connection is mended."""


def run_script_attached(
    host: Asker,
    setup: ScriptSetup,
    script: Script,
    request: Iterable[Json],
    *,
    folder: HostPath,
    timeout_seconds: float,
) -> Iterator[Json]:
    """The same as a plain child of the connection: for what starts jobs, and for short questions.

    The script may run twice when the connection breaks.

    Raises:
        ScriptFailedError, PathMissingError, ScriptDigestError: As from ``run_script``.
    """
    command, files = prepare(host, setup, script, request, folder=folder)
    result = host.ask(command, timeout_seconds=timeout_seconds)
    if result.exit_code != 0:
        said = (result.stderr.strip() or result.stdout.strip())[-_MESSAGE_LIMIT:]
        reason = f"exit code {result.exit_code}: {said or 'it said nothing'}"
        raise ScriptFailedError(script=script.name, reason=reason)
    return read_answer(host, script, files, result.stderr)


def prepare(
    host: Host, setup: ScriptSetup, script: Script, request: Iterable[Json], *, folder: HostPath
) -> tuple[list[str], ScriptFiles]:
    """Write what a script needs into its folder; gives the command and the files."""
    files = ScriptFiles.of(script, folder)
    place = place_script(host, setup, script, folder)
    host.write(files.request, _json_lines(request))
    _drop_torn_line(host, files.answer)
    command = [*setup.powershell, *_SWITCHES, "-File", place.text]
    return [*command, "-InputFile", files.request.text, "-OutputFile", files.answer.text], files


def place_script(host: Host, setup: ScriptSetup, script: Script, folder: HostPath) -> HostPath:
    """Bring a script into its run folder, or prove the one that the site installed.

    Raises:
        PathMissingError: The site has not installed it.
        ScriptDigestError: The one that the site installed is not ours.
    """
    if setup.scripts_dir is None:
        place = folder.joined(script.file_name)
        host.write(place, [script.content])
        return place
    place = setup.scripts_dir.joined(script.file_name)
    if host.stat(place) is None:
        raise PathMissingError(what=f"the installed script {script.name}", path=place)
    found = hashlib.sha256(b"".join(bytes(view) for view in host.read(place))).hexdigest()
    if found != script.sha256:
        raise ScriptDigestError(path=place, expected=script.sha256, found=found)
    return place


def _json_lines(request: Iterable[Json]) -> Iterator[bytes]:
    chunk = bytearray()
    for line in request:
        chunk += json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def _drop_torn_line(host: Host, path: HostPath) -> None:
    """Take away half a line that a script left when it was killed while it appended."""
    found = host.stat(path)
    if found is not None and found.kind != "file":
        host.remove_tree(path)
        return
    if found is None or found.size_bytes == 0:
        return
    if bytes(next(host.read(path, offset=found.size_bytes - 1), b"\n")) == b"\n":
        return
    whole = path.parent.joined(f"{path.name}.whole")
    host.write(whole, (line + b"\n" for line in _lines(host, path) if line is not None))
    host.rename([(whole, path)]).require_all()


def _lines(host: Host, path: HostPath) -> Iterator[bytes | None]:
    """The lines of a file; at the end None when the last one has no line end, or none in sight."""
    rest = b""
    for view in host.read(path):
        *lines, rest = (rest + bytes(view)).split(b"\n")
        yield from lines
        if len(rest) > _LINE_LIMIT_BYTES:
            break
    if rest:
        yield None


def read_answer(host: Host, script: Script, files: ScriptFiles, said: str) -> Iterator[Json]:
    """Yield a script's answer line by line; ``said`` is what it wrote to stderr, for messages.

    Raises:
        ScriptFailedError: A line is not JSON, or the last one is not the end line.
    """
    ended = False
    try:
        for line in _lines(host, files.answer):
            if line is not None and not line.strip():
                continue
            answer = _parse(script, line)
            ended = answer.get("kind") == "end"
            yield answer
    except (HostFileError, FolderUnsafeError) as error:
        raise ScriptFailedError(script=script.name, reason=f"no answer: {error}") from error
    if not ended:
        note = said.strip()[-_MESSAGE_LIMIT:] or "it said nothing"
        raise ScriptFailedError(script=script.name, reason=f"its answer has no end: {note}")


def _parse(script: Script, line: bytes | None) -> Json:
    """Read one line: an object, with texts that UTF-8 can hold.

    Half of a surrogate pair becomes U+FFFD, as where PowerShell itself writes UTF-8.
    """
    try:
        answer = json.loads((line or b"").decode("utf-8-sig"))
        if _HALF_OF_A_PAIR.search(line or b""):
            text = json.dumps(answer, ensure_ascii=False)
            answer = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        shown = "half a line" if line is None else repr(line[:200])
        raise ScriptFailedError(script=script.name, reason=f"not a line of its answer: {shown}")
    return answer


def _last_job(host: Host, script: Script, folder: HostPath) -> tuple[HostPath | None, int]:
    prefix = f"{script.name}.job-"
    names = (entry.name for entry in host.list_folder(folder) if entry.name.startswith(prefix))
    number = max((read_number(name.removeprefix(prefix)) or 0 for name in names), default=0)
    return (folder.joined(f"{prefix}{number:03d}") if number else None), number


def _wait(
    host: Host, script: Script, job: HostPath, *, limit: float, timeout_seconds: float
) -> JobStatus:
    """Wait for the exit code, and ask now and then whether the job still lives."""
    pause_seconds = _FIRST_PAUSE_SECONDS
    next_probe = time.monotonic() + _PROBE_EVERY_SECONDS
    while True:
        if host.stat(job.joined("exit-code")) is not None or time.monotonic() >= next_probe:
            status = host.poll_detached(job)
            if status.state != "running":
                return status
            next_probe = time.monotonic() + _PROBE_EVERY_SECONDS
        if time.monotonic() >= limit:
            raise TimeLimitError(what=f"script {script.name}", limit_seconds=timeout_seconds)
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)


def _reason(host: Host, job: HostPath, status: JobStatus) -> str:
    said = readable_stderr(read_tail(host, job.joined("stderr"))).strip() or status.stdout.strip()
    note = said[-_MESSAGE_LIMIT:] or "it said nothing"
    if status.state != "exited":
        return f"it was stopped before its end: {note}"
    return f"exit code {status.exit_code}: {note}"
