"""Run commands over SSH: the server's default shell starts them, and we read all their output."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Sequence
from typing import Literal

import paramiko

from tasks.errors import CommandFailedError, ConnectionLostError, TimeLimitError
from tasks.hosts.host import OUTPUT_LIMIT_BYTES, CommandResult
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_connection import SshConnection, close_quietly
from tasks.hosts.ssh_login import ConnectionBrokenError, Link, translate_errors
from tasks.hosts.ssh_paramiko import end_input
from tasks.hosts.waiting import Pace, poll
from tasks.hosts.windows import (
    SHELL_QUESTION,
    Shell,
    decode_output,
    quote_for_shell,
    read_shell_answer,
    readable_stderr,
)

_NOT_STARTED = frozenset({126, 127, 9009})
_PART_BYTES = 65_536
_SHORTEST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05
# sshd counts commands among the sessions of a connection, and allows ten in all.
_MOST_COMMANDS = 3


class SshCommands:
    """Runs commands on a server. For many threads."""

    def __init__(self, connection: SshConnection, platform: Platform) -> None:
        self._connection = connection
        self._platform = platform
        self._shell: Shell | None = None
        self._slots = threading.BoundedSemaphore(_MOST_COMMANDS)

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        repeatable: bool = False,
    ) -> CommandResult:
        """Run a program to its end.

        If the connection breaks before the program has started, it is made again and the program
        is started. If it breaks later, only a ``repeatable`` program is started again, because it
        is unknown whether the program did its work.

        Raises:
            CommandFailedError: The program could not be started.
            TimeLimitError: The program still runs at the limit; it is not stopped.
            ConnectionLostError: The connection broke, or could not be made.
        """
        result = self._run_text(
            self._quoted(command),
            timeout_seconds=timeout_seconds,
            stdin=stdin,
            repeatable=repeatable,
            name=command[0],
        )
        if result.exit_code in _NOT_STARTED:
            reason = result.stderr.strip() or f"the shell ended with exit code {result.exit_code}"
            raise CommandFailedError(program=command[0], reason=reason)
        return result

    def _quoted(self, command: Sequence[str]) -> str:
        if self._platform is Platform.POSIX:
            return shlex.join(command)
        try:
            return quote_for_shell(command, self._default_shell())
        except ValueError as error:
            raise CommandFailedError(program=command[0], reason=str(error)) from error

    def _default_shell(self) -> Shell:
        """Return the default shell of the Windows server; the server is asked only once."""
        if self._shell is None:
            answer = self._run_text(
                SHELL_QUESTION, timeout_seconds=60.0, stdin=b"", repeatable=True, name="echo"
            )
            self._shell = read_shell_answer(answer.stdout)
        if self._shell is None:
            reason = "the SSH server's default shell is neither cmd.exe nor PowerShell"
            raise CommandFailedError(program="echo", reason=reason)
        return self._shell

    def _run_text(
        self, text: str, *, timeout_seconds: float, stdin: bytes, repeatable: bool, name: str
    ) -> CommandResult:
        def attempt() -> CommandResult:
            transport = self._connection.transport()
            session = self._open_session(transport)
            running = _RunningCommand(session, name, self._connection, transport)
            try:
                with self._connection.answered(transport, f"the start of {name}"):
                    session.exec_command(text)
                with translate_errors(transport):
                    return running.finish(stdin, timeout_seconds)
            except ConnectionBrokenError as error:
                close_quietly(session)
                if repeatable:
                    raise
                reason = f"{error}, while {name} ran; whether it did its work is not known"
                target = self._connection.access.target
                raise ConnectionLostError(address=target, reason=reason) from error

        with self._connection.watched(f"a free session for {name}"):
            is_free = self._slots.acquire(timeout=timeout_seconds)
        if not is_free:
            raise TimeLimitError(what=name, limit_seconds=timeout_seconds)
        try:
            return self._connection.with_reconnect(attempt)
        finally:
            self._slots.release()

    def _open_session(self, transport: Link) -> paramiko.Channel:
        with self._connection.answered(transport, "a session"):
            return self._connection.open_session(transport)


class _RunningCommand:
    """A command that was started, until its end."""

    def __init__(
        self,
        session: paramiko.Channel,
        name: str,
        connection: SshConnection,
        transport: Link,
    ) -> None:
        self._session = session
        self._name = name
        self._connection = connection
        self._transport = transport
        self._patience = connection.access.patience
        self._next_look = time.monotonic() + self._patience.answer_seconds
        self._stdout = bytearray()
        self._stderr = bytearray()

    def finish(self, stdin: bytes, timeout_seconds: float) -> CommandResult:
        """Send its input, read its output, and wait for its exit code."""
        unsent: memoryview | None = memoryview(stdin)

        def exchange() -> Literal[True] | None:
            nonlocal unsent
            unsent, has_sent = self._send_input(unsent)
            while self._drain() or has_sent:
                self._next_look = time.monotonic() + self._patience.answer_seconds
                unsent, has_sent = self._send_input(unsent)
            self._require_connection()
            return True if self._has_ended() else None

        try:
            poll(
                exchange,
                what=self._name,
                limit_seconds=timeout_seconds,
                pace=Pace(
                    _SHORTEST_PAUSE_SECONDS,
                    _LONGEST_PAUSE_SECONDS,
                    self._patience.report_every_seconds,
                ),
            )
        except TimeLimitError:
            threading.Thread(target=self._drain_on, daemon=True).start()
            raise
        return self._result()

    def _require_connection(self) -> None:
        """Check that the connection still answers if the program has been silent for long."""
        if time.monotonic() >= self._next_look and not self._session.closed:
            self._connection.require_answer(self._transport)
            self._next_look = time.monotonic() + self._patience.answer_seconds

    def _send_input(self, unsent: memoryview | None) -> tuple[memoryview | None, bool]:
        """Send some input, or its end after the last byte.

        Returns:
            The input that is still unsent (None after its end), and True if anything was sent.
        """
        if unsent is None or self._session.closed:
            return None, False
        if not unsent:
            end_input(self._session)
            return None, True
        if not self._session.send_ready():
            return unsent, False
        sent = self._session.send(bytes(unsent[:_PART_BYTES]))
        return unsent[sent:], True

    def _drain(self) -> bool:
        """Read the output that has arrived; True if there was any."""
        has_read = False
        while self._session.recv_ready():
            _append_tail(self._stdout, self._session.recv(_PART_BYTES))
            has_read = True
        while self._session.recv_stderr_ready():
            _append_tail(self._stderr, self._session.recv_stderr(_PART_BYTES))
            has_read = True
        return has_read

    def _has_ended(self) -> bool:
        ended = self._session.eof_received and self._session.exit_status_ready()
        return bool(self._session.closed or ended)

    def _drain_on(self) -> None:
        """Read and drop the output of a program after its time limit, so that it never blocks."""
        while not self._has_ended():
            self._drain()
            self._stdout.clear()
            self._stderr.clear()
            time.sleep(_LONGEST_PAUSE_SECONDS)
        self._session.close()

    def _result(self) -> CommandResult:
        self._drain()
        if not self._session.exit_status_ready() or self._session.recv_exit_status() == -1:
            raise ConnectionBrokenError("the session ended without an exit code")
        # The exit code may arrive before the last output. If the connection breaks between the
        # two, the session looks closed by the server, but without an end of its output.
        if not self._session.eof_received:
            raise ConnectionBrokenError("the session ended before its output did")
        exit_code = self._session.recv_exit_status()
        self._session.close()
        return CommandResult(
            exit_code=exit_code,
            stdout=decode_output(bytes(self._stdout)),
            stderr=readable_stderr(decode_output(bytes(self._stderr))),
        )


def _append_tail(tail: bytearray, part: bytes) -> None:
    """Append output; of very long output store only the end."""
    tail += part
    if len(tail) > 2 * OUTPUT_LIMIT_BYTES:
        del tail[:-OUTPUT_LIMIT_BYTES]
