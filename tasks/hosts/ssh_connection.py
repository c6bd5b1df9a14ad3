"""The connection to an SSH server: its sessions, and reconnecting after it broke or stalled.

| event | result |
|---|---|
| the connection breaks during an action | ``with_reconnect`` makes it again, repeats the action |
| it breaks at every try of ``retry_delays_seconds`` | ``ConnectionLostError`` |
| no answer within ``answer_seconds`` | it is closed, and counts as broken and as a stall |
| ``most_stalls`` stalls in a row | ``ConnectionStalledError``: Prefect does not retry it |
| ``steady_seconds`` of work on a connection | the row of stalls ends |

Clean-up after such stalls waits ``connect_seconds`` (15 s) instead of ``answer_seconds`` (120 s).
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TypeVar, cast

import paramiko

from tasks.errors import (
    ConnectionLostError,
    ConnectionStalledError,
)
from tasks.hosts.ssh_login import ConnectionBrokenError, Link, SshAccess, connect, translate_errors
from tasks.hosts.ssh_paramiko import (
    RECEIVE_PACKET_BYTES,
    RECEIVE_WINDOW_BYTES,
    receive_packets,
)
from tasks.hosts.ssh_sftp import SftpChannel, SftpStatusError
from tasks.hosts.waiting import Watch, repeat_after_errors, watched
from tasks.logs import log

Result = TypeVar("Result")

# sshd gives ten sessions to a connection by default (MaxSessions); some are left for commands.
MOST_CHANNELS = 6


class SshConnection:
    """One connection, made at its first use and again after it broke. For many threads.

    Attributes:
        access: The server, how to log in, and all time limits.
        is_given_up: True if the last action ended with a ``ConnectionLostError``.
    """

    def __init__(self, access: SshAccess) -> None:
        self.access = access
        self._lock = threading.Lock()
        self._transport: Link | None = None
        self._connected_at = 0.0
        self._is_lost = False
        self.is_given_up = False
        self._stalls = 0
        self._stalled: Link | None = None
        self._idle: list[SftpChannel] = []
        self._channels = threading.BoundedSemaphore(MOST_CHANNELS)

    def with_reconnect(self, action: Callable[[], Result]) -> Result:
        """Carry out an action, and repeat it with back-off while the connection breaks during it.

        Raises:
            ConnectionLostError: The connection broke at every try.
            ConnectionStalledError: No answer came, several times in a row.
        """

        def attempt() -> Result:
            try:
                return action()
            except ConnectionBrokenError as error:
                self._count_stall(error)
                raise

        try:
            result = repeat_after_errors(
                attempt,
                delays_seconds=(
                    delay_seconds * random.uniform(0.8, 1.2)  # noqa: S311
                    for delay_seconds in self.access.patience.retry_delays_seconds
                ),
                passes=lambda error: isinstance(error, ConnectionBrokenError),
            )
        except ConnectionBrokenError as error:
            self.is_given_up = True
            raise ConnectionLostError(address=self.access.target, reason=str(error)) from error
        except ConnectionLostError:
            self.is_given_up = True
            raise
        self.is_given_up = False
        return result

    def _count_stall(self, error: ConnectionBrokenError) -> None:
        """Count a stalled connection, only once for all threads that waited for it.

        Raises:
            ConnectionStalledError: There were too many stalls, with hardly any work in between.
        """
        patience, target = self.access.patience, self.access.target
        with self._lock:
            if error.stalled is None or error.stalled is self._stalled:
                return
            self._stalled = error.stalled
            worked_seconds = time.monotonic() - self._connected_at - patience.answer_seconds
            self._stalls = 1 + (self._stalls if worked_seconds < patience.steady_seconds else 0)
            stalls = self._stalls
        log.warning(
            "no answer from %s within %g seconds (%d in a row, given up at %d)",
            target, patience.answer_seconds, stalls, patience.most_stalls,
        )  # fmt: skip
        if stalls >= patience.most_stalls:
            # Cleaning up (locks, folders) is still tried, but with shorter waits.
            brief = replace(
                patience, answer_seconds=min(patience.answer_seconds, patience.connect_seconds)
            )
            self.access = replace(self.access, patience=brief)
            raise ConnectionStalledError(
                address=target, limit_seconds=patience.answer_seconds, stalls=stalls
            ) from error

    def transport(self) -> Link:
        """Return the live connection; make it if there is none.

        Raises:
            ConnectionBrokenError: The server cannot be reached now.
            HostKeyError: The server shows a key that is not pinned.
            ConnectionLostError: The server refuses the login.
        """
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                if self._transport is not None and not self._is_lost:
                    self._is_lost = True
                    log.warning("connection to %s is lost; connecting again", self.access.target)
                self._drop()
                self._transport = self._connect()
                self._connected_at = time.monotonic()
                if self._is_lost:
                    self._is_lost = False
                    log.info("connected to %s again", self.access.target)
            return self._transport

    def _connect(self) -> Link:
        try:
            return connect(self.access)
        except ConnectionBrokenError as error:
            if not self._is_lost:
                self._is_lost = True
                log.warning("%s: %s; trying again", self.access.target, error)
            raise

    def _drop(self) -> None:
        self._idle.clear()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    @contextmanager
    def channel(self) -> Iterator[Channel]:
        """Reserve one SFTP channel; it is replaced when it breaks.

        Raises:
            ConnectionLostError: No channel became free in time.
        """
        patience = self.access.patience
        with self.watched("a free channel"):
            limit_seconds = patience.connect_seconds + patience.answer_seconds
            is_free = self._channels.acquire(timeout=limit_seconds)
        if not is_free:
            raise ConnectionLostError(address=self.access.target, reason="no channel came free")
        channel = Channel(self)
        try:
            yield channel
        finally:
            # Return the channel before releasing the slot; otherwise a waiting thread sees no idle
            # channel, opens a new one, and exceeds the server's session limit for good.
            channel.give_back()
            self._channels.release()

    def take_sftp(self) -> SftpChannel:
        """Return an SFTP channel that no thread uses; open one if there is none."""
        transport = self.transport()
        with self._lock:
            if self._idle:
                return self._idle.pop()
        with self.answered(transport, "a file session"):
            session = self.open_session(transport, RECEIVE_WINDOW_BYTES, RECEIVE_PACKET_BYTES)
            try:
                session.settimeout(self.access.patience.answer_seconds)
                pipe = receive_packets(session)  # before the server sends anything
                session.invoke_subsystem("sftp")
                sftp = SftpChannel(session, pipe)
                sftp.read_limits()
            except BaseException:
                close_quietly(session)  # an open session counts against the server's limit
                raise
            return sftp

    def watched(self, what: str) -> AbstractContextManager[Watch]:
        """Watch a wait for this server, so that it is reported."""
        seconds = self.access.patience.report_every_seconds
        return watched(f"{what} of {self.access.target}", report_every_seconds=seconds)

    @contextmanager
    def answered(self, link: Link, what: str) -> Iterator[None]:
        """Limit the time of calls of paramiko, some of which wait for an answer without a limit.

        Raises:
            ConnectionBrokenError: The connection broke, or nothing was received for too long.
        """
        patience = self.access.patience
        try:
            with (
                watched(
                    f"{what} of {self.access.target}",
                    report_every_seconds=patience.report_every_seconds,
                    limit_seconds=patience.answer_seconds,
                    at_limit=lambda: link.close_if_silent(patience.answer_seconds),
                ) as watch,
                translate_errors(link),
            ):
                yield
        except ConnectionBrokenError as error:
            if watch.has_expired:
                raise ConnectionBrokenError("no answer in time", stalled=link) from error
            raise

    def open_session(
        self, link: Link, window_bytes: int | None = None, packet_bytes: int | None = None
    ) -> paramiko.Channel:
        """Open a session within ``answered``, whose limit must expire before paramiko's own."""
        limit_seconds = 2 * self.access.patience.answer_seconds
        return link.open_session(window_bytes, packet_bytes, timeout=limit_seconds)

    def require_answer(self, link: Link) -> None:
        """Check that an idle connection still answers.

        Raises:
            ConnectionBrokenError: It does not.
        """
        try:
            with self.answered(link, "a sign of life"):
                self.open_session(link).close()
        except ConnectionBrokenError as error:
            if not isinstance(error.__cause__, paramiko.ChannelException):
                raise
            # A refused session is an answer too.

    def give_sftp(self, sftp: SftpChannel) -> None:
        """Make a channel available to other threads, if it belongs to the live connection."""
        with self._lock:
            live = self._transport is not None and self._transport.is_active()
            if live and sftp.session.get_transport() is self._transport:
                self._idle.append(sftp)

    def close(self) -> None:
        """Close the connection; the next call would make it again."""
        with self._lock:
            self._drop()


class Channel:
    """One reserved SFTP channel; a broken channel is replaced by a new one at the next call."""

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection
        self._sftp: SftpChannel | None = None

    def call(self, action: Callable[[SftpChannel], Result]) -> Result:
        """Carry out an action on the channel; repeat it on a new channel if the old one breaks.

        Raises:
            SftpStatusError: The server answered with an error status.
            ConnectionLostError: The connection could not be made again.
        """
        return self._connection.with_reconnect(lambda: self._try(action))

    def _try(self, action: Callable[[SftpChannel], Result]) -> Result:
        if self._sftp is None:
            self._sftp = self._connection.take_sftp()
        sftp = self._sftp
        try:
            with self._connection.answered(_link_of(sftp), "an answer"):
                return action(sftp)
        except ConnectionBrokenError:
            self.discard()
            raise

    def try_once(self, action: Callable[[SftpChannel], object]) -> None:
        """Carry out an action on the present channel; ignore its errors, do not repeat it."""
        if self._sftp is not None:
            with contextlib.suppress(ConnectionBrokenError, SftpStatusError):
                self._try(action)

    def discard(self) -> None:
        """Close the channel, because answers to abandoned requests are still on their way."""
        if self._sftp is not None:
            with contextlib.suppress(Exception):
                self._sftp.close()
            self._sftp = None

    def give_back(self) -> None:
        """Make the channel available to others."""
        if self._sftp is not None:
            self._connection.give_sftp(self._sftp)


def _link_of(sftp: SftpChannel) -> Link:
    return cast("Link", sftp.session.get_transport())


def close_quietly(session: paramiko.Channel) -> None:
    """Close a session; ignore errors, because on a dead connection it is closed already."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        session.close()
