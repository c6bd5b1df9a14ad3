"""Programs on this machine, so that those we stop waiting for go on undisturbed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from typing import IO

from tasks.errors import CommandFailedError, TimeLimitError
from tasks.hosts import jobs
from tasks.hosts.host import OUTPUT_LIMIT_BYTES, CommandResult, JobStatus
from tasks.hosts.local_files import WINDOWS
from tasks.hosts.paths import HostPath
from tasks.hosts.waiting import watched
from tasks.hosts.windows import decode_output, readable_stderr

_LAUNCH_SECONDS = 60.0


def run_program(
    command: Sequence[str], *, timeout_seconds: float, stdin: bytes = b""
) -> CommandResult:
    """Run a program to its end.

    Its streams are files without a name, not pipes: a program that we leave alone at the limit
    would otherwise die of a broken pipe, or wait for ever for somebody to read.

    Raises:
        CommandFailedError: It could not be started.
        TimeLimitError: It is still running at the limit; it is left alone.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        process = _start(command, given, out, err)
        try:
            with watched(command[0]):
                exit_code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            _leave(process)
            raise TimeLimitError(what=command[0], limit_seconds=timeout_seconds) from error
        return CommandResult(
            exit_code=exit_code,
            stdout=decode_output(_tail(out)),
            stderr=readable_stderr(decode_output(_tail(err))),
        )


def _tail(stream: IO[bytes]) -> bytes:
    size_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size_bytes - OUTPUT_LIMIT_BYTES))
    return stream.read(OUTPUT_LIMIT_BYTES)


def _start(
    command: Sequence[str], given: IO[bytes], out: IO[bytes], err: IO[bytes]
) -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        return subprocess.Popen(
            list(command),
            stdin=given,
            stdout=out,
            stderr=err,
            start_new_session=not WINDOWS,  # a Ctrl-C at our terminal is not for this program
            creationflags=flags,
        )
    except (OSError, ValueError) as error:
        raise CommandFailedError(program=command[0], reason=str(error)) from error


def _leave(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program in the background, only so that it does not stay a zombie."""
    threading.Thread(target=process.wait, name="left-alone", daemon=True).start()


def launch_detached(command: Sequence[str], job: HostPath) -> None:
    """Start a program under a supervisor on POSIX; does nothing when the job was started before.

    Raises:
        CommandFailedError: The supervisor could not make its mark in the job folder.
        TimeLimitError: It did not answer; it may still start.
    """
    try:
        # A pipe here: it closes when the supervisor has made its mark, and says which.
        launch = subprocess.run(
            jobs.launch_command(command, job.text),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LAUNCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeLimitError(what=f"start of {job}", limit_seconds=_LAUNCH_SECONDS) from error
    if launch.stdout.strip() not in (b"started", b"found"):
        reason = decode_output(launch.stderr).strip() or "its supervisor did not answer"
        raise CommandFailedError(program=command[0], reason=reason)


def probe_job(job: HostPath) -> JobStatus:
    """Say whether the supervisor of a job still lives."""
    answer = run_program(jobs.probe_command(job.text), timeout_seconds=_LAUNCH_SECONDS)
    return jobs.read_probe(answer.stdout)
