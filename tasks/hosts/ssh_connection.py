"""The connection to an SSH server: pinned keys, sessions, and mending it when it breaks."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import paramiko

from tasks.errors import ConnectionLostError, HostKeyError, PathMissingError
from tasks.hosts.ssh_address import SshTarget
from tasks.hosts.ssh_known_hosts import PinnedKey, fingerprint, known_hosts_line, pinned_keys
from tasks.hosts.ssh_sftp import SftpChannel, SftpStatusError

Result = TypeVar("Result")

CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 120.0  # for one answer; a disk that wakes up or flushes takes its time
KEEP_ALIVE_SECONDS = 15
RETRY_DELAYS_SECONDS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
# sshd gives ten sessions to a connection by default (MaxSessions); some are left for commands.
MOST_CHANNELS = 6
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr")

# What paramiko tells is told again by the errors that we raise.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class ConnectionBrokenError(Exception):
    """The connection, or one channel of it, is no longer usable; another try may help."""


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How to reach a server.

    Attributes:
        target: User, host and port.
        known_hosts: The file of pinned host keys.
        identity_file: The private key; None: the keys of the SSH agent.
    """

    target: SshTarget
    known_hosts: Path
    identity_file: Path | None = None


class SshConnection:
    """One connection, made when it is first needed and again when it broke. For many threads."""

    def __init__(self, access: SshAccess) -> None:
        self.access = access
        self._lock = threading.Lock()
        self._transport: paramiko.Transport | None = None
        self._idle: list[SftpChannel] = []
        self._channels = threading.BoundedSemaphore(MOST_CHANNELS)

    def mend(self, action: Callable[[], Result]) -> Result:
        """Carry out an action, again with back-off as long as the connection breaks under it.

        Raises:
            ConnectionLostError: It broke at every try.
        """
        for delay_seconds in RETRY_DELAYS_SECONDS:
            try:
                return action()
            except ConnectionBrokenError:
                time.sleep(delay_seconds * random.uniform(0.8, 1.2))  # noqa: S311
        try:
            return action()
        except ConnectionBrokenError as error:
            raise ConnectionLostError(address=self.access.target, reason=str(error)) from error

    def transport(self) -> paramiko.Transport:
        """The live connection, made now if there is none.

        Raises:
            ConnectionBrokenError: The server cannot be reached now.
            HostKeyError: It shows a key that is not pinned.
            ConnectionLostError: It does not let us in.
        """
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                self._drop()
                self._transport = connect(self.access)
            return self._transport

    def live_transport(self) -> paramiko.Transport | None:
        """The connection as it is, if there is one."""
        return self._transport

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
        if not self._channels.acquire(timeout=CONNECT_SECONDS + ANSWER_SECONDS):
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
        with breaking(transport):
            session = transport.open_session(timeout=CONNECT_SECONDS)
            try:
                session.settimeout(ANSWER_SECONDS)
                session.invoke_subsystem("sftp")
                sftp = SftpChannel(session)
                sftp.ask_limits()
            except BaseException:
                close_quietly(session)  # the server counts it as long as it is open
                raise
            return sftp

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
            with breaking(self._connection.live_transport()):
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


def close_quietly(session: paramiko.Channel) -> None:
    """Close a session that nobody wants any more; on a dead connection it is closed already."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        session.close()


@contextmanager
def breaking(transport: paramiko.Transport | None) -> Iterator[None]:
    """Turn the many ways in which paramiko says that a connection broke into one."""
    try:
        yield
    except SftpStatusError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        if transport is not None and isinstance(error, TimeoutError):
            transport.close()  # an answer that comes late would be taken for the next one
        raise ConnectionBrokenError(reason or type(error).__name__) from error


def connect(access: SshAccess) -> paramiko.Transport:
    """Connect, prove the server's key, and log in.

    Raises:
        ConnectionBrokenError: The server cannot be reached, or hung up.
        HostKeyError: It shows a key that is not pinned, or a revoked one.
        ConnectionLostError: It does not let us in; waiting does not help.
        PathMissingError: The private key that the site file names is not there.
    """
    target = access.target
    pinned = pinned_keys(access.known_hosts, target.known_name)
    try:
        sock = socket.create_connection((target.host, target.port), timeout=CONNECT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(sock)
    except (OSError, paramiko.SSHException) as error:
        raise ConnectionBrokenError(f"cannot connect: {error}") from error
    try:
        with breaking(transport):
            _greet(transport, pinned)
            host_key = transport.get_remote_server_key()
        _prove_host_key(access, host_key, pinned)
        _log_in(access, transport)
        transport.set_keepalive(KEEP_ALIVE_SECONDS)
    except BaseException:
        transport.close()
        raise
    return transport


def _greet(transport: paramiko.Transport, pinned: tuple[PinnedKey, ...]) -> None:
    transport.banner_timeout = transport.auth_timeout = CONNECT_SECONDS
    transport.channel_timeout = CONNECT_SECONDS
    options = transport.get_security_options()
    options.ciphers = tuple(name for name in _CIPHERS if name in options.ciphers)
    # A server with keys of several kinds must show one of the kind that is pinned.
    kinds = {key.kind for key in pinned if not key.revoked}
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    options.key_types = tuple(
        sorted(
            options.key_types, key=lambda kind: (kind not in kinds, options.key_types.index(kind))
        )
    )
    transport.start_client(timeout=CONNECT_SECONDS)


def _prove_host_key(access: SshAccess, key: paramiko.PKey, pinned: tuple[PinnedKey, ...]) -> None:
    kind, blob = key.get_name(), key.asbytes()
    same = [known for known in pinned if known.blob == blob]
    if same and not any(known.revoked for known in same):
        return
    others = [known.fingerprint for known in pinned if not known.revoked]
    expected = ", ".join(others) or "none for it"
    raise HostKeyError(
        address=access.target,
        found=fingerprint(kind, blob) + (" (revoked)" if same else ""),
        known_hosts=access.known_hosts,
        expected=expected,
        line=known_hosts_line(access.target.known_name, kind, blob),
    )


def _log_in(access: SshAccess, transport: paramiko.Transport) -> None:
    user, reasons = access.target.user, []
    for key in _keys(access):
        try:
            with breaking(transport):
                transport.auth_publickey(user, key)
        except ConnectionBrokenError as error:
            if not isinstance(error.__cause__, paramiko.AuthenticationException):
                raise
            reasons.append(str(error))
        if transport.is_authenticated():
            return
    source = access.identity_file or "the SSH agent"
    reason = f"{user} is not let in with {source}: {reasons[-1] if reasons else 'it has no key'}"
    raise ConnectionLostError(address=access.target, reason=reason)


def _keys(access: SshAccess) -> list[paramiko.PKey]:
    if access.identity_file is None:
        return list(paramiko.Agent().get_keys())
    if not access.identity_file.is_file():
        raise PathMissingError(what="server.identity_file", path=access.identity_file)
    try:
        return [paramiko.PKey.from_path(access.identity_file)]
    except (paramiko.SSHException, ValueError, OSError, TypeError) as error:
        reason = f"{access.identity_file} is no private key without a passphrase ({error})"
        raise ConnectionLostError(address=access.target, reason=reason) from error
