"""Run one of our PowerShell scripts with a request file and an answer file.

A script runs as a detached job in a folder, so that neither a broken connection nor a kill of this
process stops it half-way. A rerun in the same folder first waits for the earlier one (for the whole
limit), then runs the script again (for the whole limit); two never work there at once.
``hash-files`` and ``place-files`` have a new folder for each call, so that a rerun of them does not
wait.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tasks.errors import HostFileError, PathMissingError, ScriptFailedError
from tasks.hosts.host import CommandResult, Host, JobStatus, Json
from tasks.hosts.jobs import read_number, read_tail
from tasks.hosts.paths import HostPath
from tasks.hosts.waiting import Pace, poll
from tasks.hosts.windows import readable_stderr
from tasks.refusals import FolderUnsafeError, ScriptDigestError
from tasks.scripts import AnswerLimits, Script

_SWITCHES = ("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass")
_PACE = Pace(first_seconds=0.01, longest_seconds=0.5)
_PROBE_EVERY_SECONDS = 5.0
_MESSAGE_LIMIT = 2_000
_CHUNK_BYTES = 262_144
_HALF_OF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class ScriptSetup:
    """Setup for running scripts on a host.

    Attributes:
        powershell: The interpreter with its own arguments, from the site file.
        scripts_dir: Folder in which the site has installed our scripts; None: copy them each time.
        pace: Pauses between checks for a script's end, and between reports of the wait.
    """

    powershell: tuple[str, ...] = ("powershell.exe",)
    scripts_dir: HostPath | None = None
    pace: Pace = _PACE


@dataclass(frozen=True, slots=True)
class ScriptFiles:
    """The files of one script in its run folder."""

    request: HostPath
    answer: HostPath

    @classmethod
    def of(cls, script: Script, folder: HostPath) -> ScriptFiles:
        """Return the files of a script in a run folder."""
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
    """Run a script as a detached job, wait for it, and return an iterator over its answer.

    The script has ended when this returns. All errors are raised here, except errors in the answer
    itself, such as a missing end line: the iterator raises these.

    Raises:
        ScriptFailedError: The exit code is not 0, or the job was lost.
        ScriptDigestError: The script that the site installed is not ours.
        TimeLimitError: The script, or an earlier run of it, still runs at the limit.
    """
    wait = _ScriptWait(host, script, ScriptFiles.of(script, folder).answer, setup.pace)
    job, number = _last_job(host, script, folder)
    if job is not None and host.poll_detached(job).state == "running":
        wait.until_ended(job, limit_seconds=timeout_seconds)
    counted_request = _CountedRequest(request)
    command, files = prepare(host, setup, script, counted_request, folder=folder)
    job = folder.joined(f"{script.name}.job-{number + 1:03d}")
    host.start_detached(command, job=job)
    status = wait.until_ended(job, limit_seconds=timeout_seconds)
    if status.state != "exited" or status.exit_code != 0:
        raise ScriptFailedError(script=script.name, reason=_reason(host, job, status))
    stderr = readable_stderr(read_tail(host, job.joined("stderr")))
    return read_answer(host, script, files, stderr, requested=counted_request.lines)


class ScriptRunner(Host, Protocol):
    """A host that can run a short program again if the connection breaks."""

    def run_repeatable(self, command: Sequence[str], *, timeout_seconds: float) -> CommandResult:
        """Run a program that may safely run twice; repeat it if the connection breaks."""


def run_script_attached(
    host: ScriptRunner,
    setup: ScriptSetup,
    script: Script,
    request: Iterable[Json],
    *,
    folder: HostPath,
    timeout_seconds: float,
) -> Iterator[Json]:
    """Run a script as a plain child of the connection, and return an iterator over its answer.

    This is for the script that starts jobs, and for short queries. The script may run twice if the
    connection breaks.

    Raises:
        ScriptFailedError, PathMissingError, ScriptDigestError: As from ``run_script``.
    """
    counted_request = _CountedRequest(request)
    command, files = prepare(host, setup, script, counted_request, folder=folder)
    result = host.run_repeatable(command, timeout_seconds=timeout_seconds)
    if result.exit_code != 0:
        reason = f"exit code {result.exit_code}: {_in_one_line(result.stderr, result.stdout)}"
        raise ScriptFailedError(script=script.name, reason=reason)
    return read_answer(host, script, files, result.stderr, requested=counted_request.lines)


def prepare(
    host: Host, setup: ScriptSetup, script: Script, request: Iterable[Json], *, folder: HostPath
) -> tuple[list[str], ScriptFiles]:
    """Write the script and its request into the folder; return the command and the files."""
    files = ScriptFiles.of(script, folder)
    script_path = provide_script(host, setup, script, folder)
    host.write(files.request, _json_lines(request))
    _drop_torn_line(host, script, files.answer)
    command = [*setup.powershell, *_SWITCHES, "-File", script_path.text]
    return [*command, "-InputFile", files.request.text, "-OutputFile", files.answer.text], files


def provide_script(host: Host, setup: ScriptSetup, script: Script, folder: HostPath) -> HostPath:
    """Copy a script into its run folder, or prove the script that the site installed.

    Raises:
        PathMissingError: The site has not installed the script.
        ScriptDigestError: The installed script is not ours.
    """
    if setup.scripts_dir is None:
        copy_path = folder.joined(script.file_name)
        host.write(copy_path, [script.content])
        return copy_path
    installed_path = setup.scripts_dir.joined(script.file_name)
    if host.stat(installed_path) is None:
        raise PathMissingError(what=f"the installed script {script.name}", path=installed_path)
    content = b"".join(bytes(view) for view in host.read(installed_path))
    if not script.is_installed_as(content):
        digest = hashlib.sha256(content).hexdigest()
        raise ScriptDigestError(path=installed_path, expected=script.sha256, found=digest)
    return installed_path


class _CountedRequest:
    """A request that counts the lines that were read from it."""

    def __init__(self, request: Iterable[Json]) -> None:
        self.lines = 0
        self._request = request

    def __iter__(self) -> Iterator[Json]:
        for line in self._request:
            self.lines += 1
            yield line


def _json_lines(request: Iterable[Json]) -> Iterator[bytes]:
    chunk = bytearray()
    for line in request:
        chunk += json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def _drop_torn_line(host: Host, script: Script, path: HostPath) -> None:
    """Remove an incomplete last line, which a killed script leaves in its answer.

    An answer that is not a plain file, or too large, is removed completely.
    """
    stat = host.stat(path)
    if stat is None or (stat.kind == "file" and stat.size_bytes == 0):
        return
    if stat.kind != "file" or stat.size_bytes > script.limits.size_bytes:
        host.remove_tree(path)
        return
    if bytes(next(host.read(path, offset=stat.size_bytes - 1), b"\n")) == b"\n":
        return
    repaired = path.parent.joined(f"{path.name}.whole")
    lines = _lines(host, path, script.limits)
    host.write(repaired, (line + b"\n" for line in lines if line is not None))
    host.rename([(repaired, path)]).require_all()


def _lines(host: Host, path: HostPath, limits: AnswerLimits) -> Iterator[bytes | None]:
    """Yield the lines of a file, then None if the last line has no end or is too long."""
    rest = b""
    for view in host.read(path):
        *lines, rest = (rest + bytes(view)).split(b"\n")
        yield from lines
        if len(rest) > limits.line_bytes:
            break
    if rest:
        yield None


def read_answer(
    host: Host, script: Script, files: ScriptFiles, stderr: str, *, requested: int = 0
) -> Iterator[Json]:
    """Yield a script's answer line by line, within the limits of the script.

    Args:
        host: The host on which the script ran.
        script: The script with its limits. An answer that is too large is refused unread.
        files: The files of the script.
        stderr: The script's standard error, for messages.
        requested: Number of lines of the request.

    Raises:
        ScriptFailedError: A line is not JSON, the last line is not the end line, or the answer
            exceeds a limit.
    """
    ended = False
    limits = script.limits
    try:
        stat = host.stat(files.answer)
        size_bytes = 0 if stat is None else stat.size_bytes
        _require_within(script, "bytes", size_bytes, limits.size_bytes)
        for number, line in enumerate(_lines(host, files.answer, limits), start=1):
            _require_within(script, "lines", number, limits.most_lines(requested))
            if line is not None and not line.strip():
                continue
            answer = _parse(script, line)
            ended = answer.get("kind") == "end"
            yield answer
    except (HostFileError, FolderUnsafeError) as error:
        raise ScriptFailedError(script=script.name, reason=f"no answer: {error}") from error
    if not ended:
        reason = f"its answer has no end: {_in_one_line(stderr)}"
        raise ScriptFailedError(script=script.name, reason=reason)


def _require_within(script: Script, unit: str, count: int, limit: int) -> None:
    if count > limit:
        reason = f"its answer is too large: {count:,} {unit} or more, at most {limit:,} are read"
        raise ScriptFailedError(script=script.name, reason=reason)


def _parse(script: Script, line: bytes | None) -> Json:
    """Parse one line into an object whose texts can be encoded as UTF-8.

    Half of a surrogate pair becomes U+FFFD, as PowerShell itself does when it writes UTF-8.
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


@dataclass(frozen=True, slots=True)
class _ScriptWait:
    """A wait for the end of a script's job; the size of its answer shows its progress."""

    host: Host
    script: Script
    answer: HostPath
    pace: Pace

    def until_ended(self, job: HostPath, *, limit_seconds: float) -> JobStatus:
        """Wait for the exit code, and check every five seconds that the job still lives.

        Raises:
            TimeLimitError: The job still runs; it is not stopped.
        """
        next_probe = time.monotonic() + _PROBE_EVERY_SECONDS

        def check() -> JobStatus | None:
            nonlocal next_probe
            if self.host.stat(job.joined("exit-code")) is None and time.monotonic() < next_probe:
                return None
            next_probe = time.monotonic() + _PROBE_EVERY_SECONDS
            status = self.host.poll_detached(job)
            return None if status.state == "running" else status

        return poll(
            check,
            what=f"script {self.script.name}",
            limit_seconds=limit_seconds,
            pace=self.pace,
            detail=self._progress,
        )

    def _progress(self) -> str:
        stat = self.host.stat(self.answer)
        return f"{0 if stat is None else stat.size_bytes:,} bytes of its answer so far"


def _reason(host: Host, job: HostPath, status: JobStatus) -> str:
    note = _in_one_line(readable_stderr(read_tail(host, job.joined("stderr"))), status.stdout)
    if status.state != "exited":
        return f"it was stopped before its end: {note}"
    return f"exit code {status.exit_code}: {note}"


def _in_one_line(*outputs: str) -> str:
    """Return the end of the first output that is not blank, as one line for a message."""
    texts = (" / ".join(filter(None, map(str.strip, output.splitlines()))) for output in outputs)
    message = next(filter(None, texts), "")
    return message[-_MESSAGE_LIMIT:] or "it printed no message"
