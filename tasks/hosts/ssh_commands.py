"""Commands over SSH: started by the server's default shell, read to their end."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

import paramiko
from paramiko.message import Message

from tasks.errors import CommandFailedError, ConnectionLostError, TimeLimitError
from tasks.hosts.host import OUTPUT_LIMIT_BYTES, CommandResult
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_connection import SshConnection, close_quietly
from tasks.hosts.ssh_login import ConnectionBrokenError, Link, breaking
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

        A connection that breaks before the program was started is mended. Later it is mended
        only for what is ``repeatable``: whether the program did its work is not known.

        Raises:
            CommandFailedError: It could not be started.
            TimeLimitError: It is still running at the limit; it is left alone.
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
            reason = result.stderr.strip() or f"the shell says {result.exit_code}"
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
        """What the Windows server starts commands with; asked once."""
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
            started = _Running(session, name, self._connection, transport)
            try:
                with self._connection.answered(transport, f"the start of {name}"):
                    session.exec_command(text)
                with breaking(transport):
                    return started.finish(stdin, timeout_seconds)
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
            return self._connection.mend(attempt)
        finally:
            self._slots.release()

    def _open_session(self, transport: Link) -> paramiko.Channel:
        with self._connection.answered(transport, "a session"):
            return self._connection.open_session(transport)


class _Running:
    """A command on its way to its end."""

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
        """Feed it, read it, and wait for its exit code."""
        unsent: memoryview | None = memoryview(stdin)

        def ask() -> Literal[True] | None:
            nonlocal unsent
            unsent, fed = self._feed(unsent)
            while self._drain() or fed:
                self._next_look = time.monotonic() + self._patience.answer_seconds
                unsent, fed = self._feed(unsent)
            self._require_connection()
            return True if self._has_ended() else None

        try:
            poll(
                ask,
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
        """See that a program's silence is its own, and not the connection's."""
        if time.monotonic() >= self._next_look and not self._session.closed:
            self._connection.require_answer(self._transport)
            self._next_look = time.monotonic() + self._patience.answer_seconds

    def _feed(self, unsent: memoryview | None) -> tuple[memoryview | None, bool]:
        """Send what the program takes; at the end its standard input is closed once."""
        if unsent is None or self._session.closed:
            return None, False
        if not unsent:
            self._end_stdin()
            return None, True
        if not self._session.send_ready():
            return unsent, False
        sent = self._session.send(bytes(unsent[:_PART_BYTES]))
        return unsent[sent:], True

    def _end_stdin(self) -> None:
        """Say that there is no more input, unless the program has ended already.

        paramiko's own call sends that after it has let go of the session, and meanwhile the
        answer to the server's close may go out: sshd then hangs up on the whole connection.
        """
        transport = self._session.get_transport()
        end: Callable[[], Message | None] = getattr(self._session, "_send_eof")  # noqa: B009
        send: Callable[[Message], None] = getattr(transport, "_send_user_message")  # noqa: B009
        with self._session.lock:
            message = None if self._session.closed else end()
            if message is not None:
                send(message)

    def _drain(self) -> bool:
        got = False
        while self._session.recv_ready():
            _keep_tail(self._stdout, self._session.recv(_PART_BYTES))
            got = True
        while self._session.recv_stderr_ready():
            _keep_tail(self._stderr, self._session.recv_stderr(_PART_BYTES))
            got = True
        return got

    def _has_ended(self) -> bool:
        ended = self._session.eof_received and self._session.exit_status_ready()
        return bool(self._session.closed or ended)

    def _drain_on(self) -> None:
        """Read on for a program that is left alone: nobody else empties its streams."""
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
        # The exit code may overtake the last output, and a connection that breaks between them
        # closes the session just as the server does; only the server ends its output first.
        if not self._session.eof_received:
            raise ConnectionBrokenError("the session ended before its output did")
        exit_code = self._session.recv_exit_status()
        self._session.close()
        return CommandResult(
            exit_code=exit_code,
            stdout=decode_output(bytes(self._stdout)),
            stderr=readable_stderr(decode_output(bytes(self._stderr))),
        )


def _keep_tail(kept: bytearray, part: bytes) -> None:
    """Add output; of a program that never stops writing only the end is kept."""
    kept += part
    if len(kept) > 2 * OUTPUT_LIMIT_BYTES:
        del kept[:-OUTPUT_LIMIT_BYTES]
