"""Connect to an SSH server with pinned keys, log in, and translate errors of paramiko."""

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
from tasks.hosts.ssh_address import CIPHERS, Cipher, SshTarget
from tasks.hosts.ssh_identity import load_identity
from tasks.hosts.ssh_known_hosts import PinnedKey, fingerprint, known_hosts_line, pinned_keys
from tasks.hosts.ssh_paramiko import packetizer_class
from tasks.hosts.ssh_sftp import SftpStatusError
from tasks.hosts.waiting import Patience
from tasks.refusals import HostKeyError

KEEP_ALIVE_SECONDS = 15
_READ_AHEAD_BYTES = 512 * 1_024

# paramiko would log errors that we raise anyway.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class _HeardSocket:
    """A socket that remembers when it last received anything, and reads ahead.

    paramiko asks for each SSH packet in two small steps, and copies what it has at each further
    one. So all that has arrived is read at once, and a packet is given whole if it is there.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.heard_at = time.monotonic()
        self._sock = sock
        self._buffer = memoryview(bytearray(_READ_AHEAD_BYTES))
        self._start = self._end = 0  # of the bytes in the buffer that nobody has taken

    def recv(self, size_bytes: int) -> bytes:
        """Return as many bytes as were asked for, or fewer if the rest is late.

        Only paramiko's own thread reads.
        """
        parts: list[memoryview | bytes] = []
        missing = size_bytes
        while missing:
            if self._start == self._end:
                try:
                    self._read_ahead()
                except TimeoutError:
                    if parts:
                        break
                    raise
                if self._start == self._end:
                    break
            part = self._buffer[self._start : min(self._end, self._start + missing)]
            self._start += len(part)
            missing -= len(part)
            parts.append(bytes(part) if missing else part)
        return b"".join(parts)

    def _read_ahead(self) -> None:
        self._start, self._end = 0, self._sock.recv_into(self._buffer)
        self.heard_at = time.monotonic()

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class Link(paramiko.Transport):
    """A connection that measures how long the server has been silent."""

    def __init__(self, sock: socket.socket) -> None:
        self._heard = _HeardSocket(sock)
        super().__init__(
            self._heard,  # type: ignore[arg-type]  # socket-like, which it allows
            packetizer_class=packetizer_class(),
        )

    def close_if_silent(self, limit_seconds: float) -> bool:
        """Close the connection if nothing was received for so long; a slow line is not silent."""
        is_silent = time.monotonic() - self._heard.heard_at >= limit_seconds
        if is_silent:
            self.close()
        return is_silent


class ConnectionBrokenError(Exception):
    """A connection, or one of its channels, is no longer usable; another try may succeed.

    ``stalled`` is the connection if the reason is that no answer came in time; else None.
    """

    def __init__(self, reason: str, *, stalled: Link | None = None) -> None:
        super().__init__(reason)
        self.stalled = stalled


@dataclass(frozen=True, slots=True)
class SshAccess:
    """Address, keys and time limits for connecting to a server.

    Attributes:
        target: User, host and port.
        known_hosts: The file of pinned host keys.
        identity_file: The private key; None: the keys of the SSH agent.
        patience: Time limits and retries.
        ciphers: Ciphers that are offered to the server, the preferred one first.
    """

    target: SshTarget
    known_hosts: Path
    identity_file: Path | None = None
    patience: Patience = field(default_factory=Patience)
    ciphers: tuple[Cipher, ...] = CIPHERS


@contextmanager
def translate_errors(transport: Link | None) -> Iterator[None]:
    """Turn all errors by which paramiko reports a broken connection into one."""
    try:
        yield
    except SftpStatusError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        if not isinstance(error, TimeoutError):
            raise ConnectionBrokenError(str(error) or type(error).__name__) from error
        if transport is not None:
            transport.close()  # a late answer would be mistaken for the answer to a later request
        raise ConnectionBrokenError("no answer in time", stalled=transport) from error


def connect(access: SshAccess) -> Link:
    """Connect, prove the server's key, and log in.

    Raises:
        ConnectionBrokenError: The server cannot be reached, or closed the connection.
        HostKeyError: The server shows a key that is not pinned, or is revoked.
        ConnectionLostError: The server refuses the login; waiting does not help.
        PathMissingError: The private key in the site file does not exist.
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
        with translate_errors(transport):
            _greet(transport, access, pinned)
            host_key = transport.get_remote_server_key()
        _prove_host_key(access, host_key, pinned)
        _log_in(access, transport)
        transport.set_keepalive(KEEP_ALIVE_SECONDS)
    except BaseException:
        transport.close()
        raise
    return transport


def _greet(transport: paramiko.Transport, access: SshAccess, pinned: tuple[PinnedKey, ...]) -> None:
    limit_seconds = access.patience.connect_seconds
    transport.banner_timeout = transport.auth_timeout = limit_seconds
    transport.channel_timeout = limit_seconds
    options = transport.get_security_options()
    options.ciphers = tuple(name for name in access.ciphers if name in options.ciphers)
    # Prefer the pinned kinds, so that a server with keys of several kinds shows a pinned key.
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
    same = [pinned_key for pinned_key in pinned if pinned_key.blob == blob]
    if same and not any(pinned_key.revoked for pinned_key in same):
        return
    others = [pinned_key.fingerprint for pinned_key in pinned if not pinned_key.revoked]
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
            with translate_errors(transport):
                transport.auth_publickey(user, key)
        except ConnectionBrokenError as error:
            # paramiko also reports a failed login if no answer came in time.
            is_silent = transport.close_if_silent(access.patience.connect_seconds / 2)
            if is_silent or not isinstance(error.__cause__, paramiko.AuthenticationException):
                raise
            reasons.append(str(error))
        if transport.is_authenticated():
            return
    source = access.identity_file or "the SSH agent"
    detail = reasons[-1] if reasons else "it has no key"
    reason = f"the server refuses user {user} with {source}: {detail}"
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
