"""Run programs on this machine; a program goes on undisturbed after we stop waiting for it."""

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

    Its streams are unnamed files, not pipes: with pipes, a program that still runs at the time
    limit would later die of a broken pipe, or wait for ever for a reader.

    Raises:
        CommandFailedError: The program could not be started.
        TimeLimitError: The program still runs at the limit; it is not stopped.
    """
    with (
        tempfile.TemporaryFile() as standard_input,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        standard_input.write(stdin)
        standard_input.seek(0)
        process = _start(command, standard_input, out, err)
        try:
            with watched(command[0]):
                exit_code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            _reap_later(process)
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
    command: Sequence[str], standard_input: IO[bytes], out: IO[bytes], err: IO[bytes]
) -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        return subprocess.Popen(
            list(command),
            stdin=standard_input,
            stdout=out,
            stderr=err,
            start_new_session=not WINDOWS,  # a Ctrl-C at our terminal must not reach this program
            creationflags=flags,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)  # its text repeats the path
        raise CommandFailedError(program=command[0], reason=reason) from error


def _reap_later(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program in the background, so that it does not become a zombie."""
    threading.Thread(target=process.wait, name="left-alone", daemon=True).start()


def launch_detached(command: Sequence[str], job: HostPath) -> None:
    """Start a program under a supervisor on POSIX; do nothing if the job was started before.

    Raises:
        CommandFailedError: The supervisor could not write ``started`` into the job folder.
        TimeLimitError: The supervisor did not answer; it may still start.
    """
    try:
        # With a pipe, unlike above: it closes when the supervisor has written ``started``.
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
    """Check whether the processes of a job still live."""
    answer = run_program(jobs.probe_command(job.text), timeout_seconds=_LAUNCH_SECONDS)
    return jobs.read_probe(answer.stdout)
