"""The connection to an SSH server: its sessions, and mending it when it breaks or stalls."""

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
from tasks.hosts.ssh_login import ConnectionBrokenError, Link, SshAccess, breaking, connect
from tasks.hosts.ssh_sftp import SftpChannel
from tasks.hosts.waiting import Watch, retry, watched
from tasks.logs import log

Result = TypeVar("Result")

# sshd gives ten sessions to a connection by default (MaxSessions); some are left for commands.
MOST_CHANNELS = 6


class SshConnection:
    """One connection, made when it is first needed and again when it broke. For many threads."""

    def __init__(self, access: SshAccess) -> None:
        self.access = access
        self._lock = threading.Lock()
        self._transport: Link | None = None
        self._connected_at = 0.0
        self._is_lost = False
        self._stalls = 0
        self._stalled: Link | None = None
        self._idle: list[SftpChannel] = []
        self._channels = threading.BoundedSemaphore(MOST_CHANNELS)

    def mend(self, action: Callable[[], Result]) -> Result:
        """Carry out an action, again with back-off as long as the connection breaks under it.

        Raises:
            ConnectionLostError: It broke at every try.
            ConnectionStalledError: No answer came, several times in a row.
        """

        def attempt() -> Result:
            try:
                return action()
            except ConnectionBrokenError as error:
                self._count_stall(error)
                raise

        try:
            return retry(
                attempt,
                delays_seconds=(
                    delay_seconds * random.uniform(0.8, 1.2)  # noqa: S311
                    for delay_seconds in self.access.patience.retry_delays_seconds
                ),
                passes=lambda error: isinstance(error, ConnectionBrokenError),
            )
        except ConnectionBrokenError as error:
            raise ConnectionLostError(address=self.access.target, reason=str(error)) from error

    def _count_stall(self, error: ConnectionBrokenError) -> None:
        """Count a connection that stalled, once for all who waited on it.

        Raises:
            ConnectionStalledError: It did so too often, with hardly any work in between.
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
            # What is to be put away now (locks, folders) is tried, and not waited for as long.
            brief = replace(
                patience, answer_seconds=min(patience.answer_seconds, patience.connect_seconds)
            )
            self.access = replace(self.access, patience=brief)
            raise ConnectionStalledError(
                address=target, limit_seconds=patience.answer_seconds, stalls=stalls
            ) from error

    def transport(self) -> Link:
        """The live connection, made now if there is none.

        Raises:
            ConnectionBrokenError: The server cannot be reached now.
            HostKeyError: It shows a key that is not pinned.
            ConnectionLostError: It does not let us in.
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
        """Hold one SFTP channel for a while; it is replaced when it breaks.

        Raises:
            ConnectionLostError: None came free in time.
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
            # Given back before the next may come: who comes in between finds none idle and opens
            # another, and what is open beyond the server's limit keeps commands out for ever.
            channel.give_back()
            self._channels.release()

    def take_sftp(self) -> SftpChannel:
        """An SFTP channel that nobody uses."""
        transport = self.transport()
        with self._lock:
            if self._idle:
                return self._idle.pop()
        with self.answered(transport, "a file session"):
            session = self.open_session(transport)
            try:
                session.settimeout(self.access.patience.answer_seconds)
                session.invoke_subsystem("sftp")
                sftp = SftpChannel(session)
                sftp.ask_limits()
            except BaseException:
                close_quietly(session)  # the server counts it as long as it is open
                raise
            return sftp

    def watched(self, what: str) -> AbstractContextManager[Watch]:
        """Stand beside a wait for this server, so that it is reported."""
        seconds = self.access.patience.report_every_seconds
        return watched(f"{what} of {self.access.target}", report_every_seconds=seconds)

    @contextmanager
    def answered(self, link: Link, what: str) -> Iterator[None]:
        """Bound calls of paramiko, of which some wait for an answer without a limit of their own.

        Raises:
            ConnectionBrokenError: It broke, or nothing came for too long.
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
                breaking(link),
            ):
                yield
        except ConnectionBrokenError as error:
            if watch.has_expired:
                raise ConnectionBrokenError("no answer in time", stalled=link) from error
            raise

    def open_session(self, link: Link) -> paramiko.Channel:
        """Open a session, within ``answered``: paramiko's own limit must not come before that."""
        return link.open_session(timeout=2 * self.access.patience.answer_seconds)

    def require_answer(self, link: Link) -> None:
        """See that a connection on which nothing is asked still answers.

        Raises:
            ConnectionBrokenError: It does not.
        """
        try:
            with self.answered(link, "a sign of life"):
                self.open_session(link).close()
        except ConnectionBrokenError as error:
            if not isinstance(error.__cause__, paramiko.ChannelException):
                raise
            # A refusal is an answer.

    def give_sftp(self, sftp: SftpChannel) -> None:
        """Keep a channel for the next who needs one, if it is of the connection that lives."""
        with self._lock:
            live = self._transport is not None and self._transport.is_active()
            if live and sftp.session.get_transport() is self._transport:
                self._idle.append(sftp)

    def close(self) -> None:
        """End the connection. It would be made again by the next call."""
        with self._lock:
            self._drop()


class Channel:
    """One SFTP channel as one user of it sees it: always there, sometimes another."""

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection
        self._sftp: SftpChannel | None = None

    def call(self, action: Callable[[SftpChannel], Result]) -> Result:
        """Carry out an action on the channel; on a new one when the old one broke under it.

        Raises:
            SftpStatusError: The server's answer.
            ConnectionLostError: It could not be mended.
        """
        return self._connection.mend(lambda: self._try(action))

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

    def discard(self) -> None:
        """Close the channel, because answers that nobody wants are still on their way."""
        if self._sftp is not None:
            with contextlib.suppress(Exception):
                self._sftp.close()
            self._sftp = None

    def give_back(self) -> None:
        """Leave the channel to others."""
        if self._sftp is not None:
            self._connection.give_sftp(self._sftp)


def _link_of(sftp: SftpChannel) -> Link:
    return cast("Link", sftp.session.get_transport())


def close_quietly(session: paramiko.Channel) -> None:
    """Close a session that nobody wants any more; on a dead connection it is closed already."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        session.close()
