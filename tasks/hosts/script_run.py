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
    """How scripts run on a host.

    Attributes:
        powershell: The interpreter with arguments of its own, as the site file has it.
        scripts_dir: Where the site has installed our scripts; None: we bring them each time.
        pace: How often a script's end is looked for, and its wait reported.
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
        TimeLimitError: It, or before that an earlier run of it, is still going at the limit.
    """
    wait = _ScriptWait(host, script, ScriptFiles.of(script, folder).answer, setup.pace)
    job, number = _last_job(host, script, folder)
    if job is not None and host.poll_detached(job).state == "running":
        wait.until_ended(job, limit_seconds=timeout_seconds)
    given = _Counted(request)
    command, files = prepare(host, setup, script, given, folder=folder)
    job = folder.joined(f"{script.name}.job-{number + 1:03d}")
    host.start_detached(command, job=job)
    status = wait.until_ended(job, limit_seconds=timeout_seconds)
    if status.state != "exited" or status.exit_code != 0:
        raise ScriptFailedError(script=script.name, reason=_reason(host, job, status))
    said = readable_stderr(read_tail(host, job.joined("stderr")))
    return read_answer(host, script, files, said, requested=given.lines)


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
    given = _Counted(request)
    command, files = prepare(host, setup, script, given, folder=folder)
    result = host.ask(command, timeout_seconds=timeout_seconds)
    if result.exit_code != 0:
        reason = f"exit code {result.exit_code}: {_in_one_line(result.stderr, result.stdout)}"
        raise ScriptFailedError(script=script.name, reason=reason)
    return read_answer(host, script, files, result.stderr, requested=given.lines)


def prepare(
    host: Host, setup: ScriptSetup, script: Script, request: Iterable[Json], *, folder: HostPath
) -> tuple[list[str], ScriptFiles]:
    """Write what a script needs into its folder; gives the command and the files."""
    files = ScriptFiles.of(script, folder)
    place = place_script(host, setup, script, folder)
    host.write(files.request, _json_lines(request))
    _drop_torn_line(host, script, files.answer)
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


class _Counted:
    """A request that knows how many lines of it were written."""

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
    """Take away half a line that a script left when it was killed while it appended.

    What is no answer that we would read is taken away whole.
    """
    found = host.stat(path)
    if found is not None and (found.kind != "file" or found.size_bytes > script.limits.size_bytes):
        host.remove_tree(path)
        return
    if found is None or found.size_bytes == 0:
        return
    if bytes(next(host.read(path, offset=found.size_bytes - 1), b"\n")) == b"\n":
        return
    whole = path.parent.joined(f"{path.name}.whole")
    lines = _lines(host, path, script.limits)
    kept = (line + b"\n" for line in lines if line is not None)
    host.write(whole, kept)
    host.rename([(whole, path)]).require_all()


def _lines(host: Host, path: HostPath, limits: AnswerLimits) -> Iterator[bytes | None]:
    """The lines of a file; at the end None when the last one has no line end, or none in sight."""
    rest = b""
    for view in host.read(path):
        *lines, rest = (rest + bytes(view)).split(b"\n")
        yield from lines
        if len(rest) > limits.line_bytes:
            break
    if rest:
        yield None


def read_answer(
    host: Host, script: Script, files: ScriptFiles, said: str, *, requested: int = 0
) -> Iterator[Json]:
    """Yield a script's answer line by line, no more of it than the script may write.

    Args:
        host: Where the script ran.
        script: It, with its limits. An answer that is too large is refused before it is read.
        files: Where its answer lies.
        said: What it wrote to stderr, for messages.
        requested: Lines of its request.

    Raises:
        ScriptFailedError: A line is not JSON, the last one is not the end line, or there is more
            than the script may write.
    """
    ended = False
    limits = script.limits
    try:
        found = host.stat(files.answer)
        size_bytes = 0 if found is None else found.size_bytes
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
        reason = f"its answer has no end: {_in_one_line(said)}"
        raise ScriptFailedError(script=script.name, reason=reason)


def _require_within(script: Script, what: str, found: int, limit: int) -> None:
    if found > limit:
        reason = f"its answer is too large: {found:,} {what} or more, at most {limit:,} are read"
        raise ScriptFailedError(script=script.name, reason=reason)


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


@dataclass(frozen=True, slots=True)
class _ScriptWait:
    """Waiting for the end of a script's jobs; how far it is shows by how much it has answered."""

    host: Host
    script: Script
    answer: HostPath
    pace: Pace

    def until_ended(self, job: HostPath, *, limit_seconds: float) -> JobStatus:
        """Wait for the exit code, and ask now and then whether the job still lives.

        Raises:
            TimeLimitError: It is still running; it is left alone.
        """
        next_probe = time.monotonic() + _PROBE_EVERY_SECONDS

        def ask() -> JobStatus | None:
            nonlocal next_probe
            if self.host.stat(job.joined("exit-code")) is None and time.monotonic() < next_probe:
                return None
            next_probe = time.monotonic() + _PROBE_EVERY_SECONDS
            status = self.host.poll_detached(job)
            return None if status.state == "running" else status

        return poll(
            ask,
            what=f"script {self.script.name}",
            limit_seconds=limit_seconds,
            pace=self.pace,
            detail=self._progress,
        )

    def _progress(self) -> str:
        found = self.host.stat(self.answer)
        return f"{0 if found is None else found.size_bytes:,} bytes of its answer so far"


def _reason(host: Host, job: HostPath, status: JobStatus) -> str:
    note = _in_one_line(readable_stderr(read_tail(host, job.joined("stderr"))), status.stdout)
    if status.state != "exited":
        return f"it was stopped before its end: {note}"
    return f"exit code {status.exit_code}: {note}"


def _in_one_line(*outputs: str) -> str:
    """The end of the first output that says anything, for a sentence."""
    lines = (map(str.strip, output.splitlines()) for output in outputs)
    said = next((text for each in lines if (text := " / ".join(filter(None, each)))), "")
    return said[-_MESSAGE_LIMIT:] or "it said nothing"
