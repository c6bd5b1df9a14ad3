"""Reach an SSH server and log in there: pinned keys, and one error for all that can break."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from tasks.errors import ConnectionLostError, PathMissingError, UsageError
from tasks.hosts.ssh_address import SshTarget
from tasks.hosts.ssh_identity import load_identity
from tasks.hosts.ssh_known_hosts import PinnedKey, fingerprint, known_hosts_line, pinned_keys
from tasks.hosts.ssh_sftp import SftpStatusError
from tasks.hosts.waiting import Patience
from tasks.refusals import HostKeyError

KEEP_ALIVE_SECONDS = 15
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr")

# What paramiko tells is told again by the errors that we raise.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class _HeardSocket:
    """A socket that remembers when it last received anything."""

    def __init__(self, sock: socket.socket) -> None:
        self.heard_at = time.monotonic()
        self._sock = sock

    def recv(self, size_bytes: int) -> bytes:
        block = self._sock.recv(size_bytes)
        self.heard_at = time.monotonic()
        return block

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class Link(paramiko.Transport):
    """A connection that knows for how long it has not heard of the server."""

    def __init__(self, sock: socket.socket) -> None:
        self._heard = _HeardSocket(sock)
        super().__init__(self._heard)  # type: ignore[arg-type]  # socket-like, which it allows

    def close_if_silent(self, limit_seconds: float) -> bool:
        """Close it when nothing came for so long; a slow line is not a silent one."""
        is_silent = time.monotonic() - self._heard.heard_at >= limit_seconds
        if is_silent:
            self.close()
        return is_silent


class ConnectionBrokenError(Exception):
    """The connection, or one channel of it, is no longer usable; another try may help.

    ``stalled`` is the connection on which no answer came in time, if that was the reason.
    """

    def __init__(self, reason: str, *, stalled: Link | None = None) -> None:
        super().__init__(reason)
        self.stalled = stalled


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How to reach a server.

    Attributes:
        target: User, host and port.
        known_hosts: The file of pinned host keys.
        identity_file: The private key; None: the keys of the SSH agent.
        patience: How long it is waited for.
    """

    target: SshTarget
    known_hosts: Path
    identity_file: Path | None = None
    patience: Patience = field(default_factory=Patience)


@contextmanager
def breaking(transport: Link | None) -> Iterator[None]:
    """Turn the many ways in which paramiko says that a connection broke into one."""
    try:
        yield
    except SftpStatusError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        if not isinstance(error, TimeoutError):
            raise ConnectionBrokenError(str(error) or type(error).__name__) from error
        if transport is not None:
            transport.close()  # an answer that comes late would be taken for the next one
        raise ConnectionBrokenError("no answer in time", stalled=transport) from error


def connect(access: SshAccess) -> Link:
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
        address = (target.host, target.port)
        sock = socket.create_connection(address, timeout=access.patience.connect_seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = Link(sock)
    except (OSError, paramiko.SSHException) as error:
        raise ConnectionBrokenError(f"cannot connect: {error}") from error
    try:
        with breaking(transport):
            _greet(transport, pinned, access.patience.connect_seconds)
            host_key = transport.get_remote_server_key()
        _prove_host_key(access, host_key, pinned)
        _log_in(access, transport)
        transport.set_keepalive(KEEP_ALIVE_SECONDS)
    except BaseException:
        transport.close()
        raise
    return transport


def _greet(
    transport: paramiko.Transport, pinned: tuple[PinnedKey, ...], limit_seconds: float
) -> None:
    transport.banner_timeout = transport.auth_timeout = limit_seconds
    transport.channel_timeout = limit_seconds
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
    transport.start_client(timeout=limit_seconds)


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


def _log_in(access: SshAccess, transport: Link) -> None:
    user, reasons = access.target.user, []
    for key in _keys(access):
        try:
            with breaking(transport):
                transport.auth_publickey(user, key)
        except ConnectionBrokenError as error:
            # paramiko calls it a failed login too when no answer came in its time.
            is_silent = transport.close_if_silent(access.patience.connect_seconds / 2)
            if is_silent or not isinstance(error.__cause__, paramiko.AuthenticationException):
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
        return [load_identity(access.identity_file)]
    except UsageError as error:
        raise ConnectionLostError(address=access.target, reason=error.message) from error
