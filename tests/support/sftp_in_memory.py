"""An SFTP server in memory behind our own channel: it answers in any order, briefly, or breaks off.

Everything from ``SftpChannel`` upwards is the product's; below it, one object stands for paramiko's
session, and the answers come from a dictionary of files. Requests are carried out in the order in
which they arrive, as servers do; the order of the answers is the test's.
"""

from __future__ import annotations

import contextlib
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar, cast

import paramiko
from paramiko.message import Message
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_DATA,
    CMD_EXTENDED,
    CMD_HANDLE,
    CMD_INIT,
    CMD_LSTAT,
    CMD_OPEN,
    CMD_READ,
    CMD_STATUS,
    CMD_VERSION,
    CMD_WRITE,
    SFTP_FLAG_TRUNC,
)

from tasks.hosts.ssh_buffers import PacketPipe
from tasks.hosts.ssh_connection import Channel, SshConnection
from tasks.hosts.ssh_sftp import Limits, SftpChannel

Result = TypeVar("Result")


class BrokenError(Exception):
    """The connection broke."""


@dataclass
class SftpInMemory:
    """The server, and what it has seen.

    Attributes:
        files: Bytes by path.
        choose: Source of all chance.
        in_order: True if answers come in the order of the requests.
        short_answers: True if a read may give less than was asked for.
        breaks_after: Numbers of answers after which the connection breaks, one after the other.
        refused: Paths that cannot be opened.
        requests: Kinds of all requests.
        waits: How often the client waited with nothing on its way to it: round trips.
        most_in_flight: The largest number of requests without an answer.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    choose: random.Random = field(default_factory=lambda: random.Random(1))
    in_order: bool = False
    short_answers: bool = False
    breaks_after: list[int] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    requests: list[int] = field(default_factory=list)
    waits: int = 0
    most_in_flight: int = 0

    def connection(self) -> SshConnection:
        """What ``run_jobs``, ``read_file`` and ``write_file`` take."""
        return cast("SshConnection", _Connection(self))


class _Connection:
    def __init__(self, server: SftpInMemory) -> None:
        self._server = server
        self._sftp: SftpChannel | None = None

    @contextmanager
    def channel(self) -> Iterator[Channel]:
        yield cast("Channel", self)

    def call(self, action: Callable[[SftpChannel], Result]) -> Result:
        while True:
            if self._sftp is None:
                session = _Session(self._server)
                self._sftp = SftpChannel(cast("paramiko.Channel", session), session.pipe)
                self._sftp.limits = Limits(read_bytes=1_000, write_bytes=1_000)
            try:
                return action(self._sftp)
            except BrokenError:
                self._sftp = None

    def try_once(self, action: Callable[[SftpChannel], object]) -> None:
        if self._sftp is not None:
            with contextlib.suppress(BrokenError):
                action(self._sftp)

    def discard(self) -> None:
        self._sftp = None


class _Session:
    """Stands for paramiko's channel."""

    out_max_packet_size = 32_768
    closed = False

    def __init__(self, server: SftpInMemory) -> None:
        self.pipe = _Pipe(server)
        self._server = server
        self._unread = b""
        self._handles: dict[bytes, str] = {}
        self._numbers = count()

    def get_name(self) -> str:
        return "memory"

    def get_transport(self) -> None:
        return None

    def gettimeout(self) -> float:
        return 0.0

    def _check_add_window(self, _size_bytes: int) -> int:
        return 0

    def send(self, data: bytes) -> int:
        self._unread += data
        while len(self._unread) >= 4:
            size = int.from_bytes(self._unread[:4], "big")
            if len(self._unread) < 4 + size:
                break
            packet, self._unread = self._unread[4 : 4 + size], self._unread[4 + size :]
            self._answer(packet[0], Message(packet[1:]))
        return len(data)

    sendall = send

    def _answer(self, kind: int, request: Message) -> None:
        if kind == CMD_INIT:
            self.pipe.feed(_packet(CMD_VERSION, (3).to_bytes(4, "big") + bytes(4)))
            return
        self._server.requests.append(kind)
        number = request.get_int()
        answer = _ANSWERS[kind](self, request)
        self.pipe.pending.append(_packet(answer[0], number.to_bytes(4, "big") + answer[1]))
        in_flight = len(self.pipe.pending)
        self._server.most_in_flight = max(self._server.most_in_flight, in_flight)

    def _lstat(self, request: Message) -> tuple[int, bytes]:
        content = self._server.files.get(request.get_text())
        if content is None:
            return _status(2)
        attributes = Message()
        attributes.add_int(1 | 4)
        attributes.add_int64(len(content))
        attributes.add_int(stat.S_IFREG | 0o644)
        return CMD_ATTRS, attributes.asbytes()

    def _open(self, request: Message) -> tuple[int, bytes]:
        path, flags = request.get_text(), request.get_int()
        if path in self._server.refused:
            return _status(3)
        if flags & SFTP_FLAG_TRUNC:
            self._server.files[path] = b""
        if path not in self._server.files:
            return _status(2)
        handle = b"%d" % next(self._numbers)
        self._handles[handle] = path
        return CMD_HANDLE, _string(handle)

    def _read(self, request: Message) -> tuple[int, bytes]:
        path = self._handles[request.get_string()]
        offset, size = request.get_int64(), request.get_int()
        if self._server.short_answers:
            size = self._server.choose.randint(1, size)
        content = self._server.files[path][offset : offset + size]
        return (CMD_DATA, _string(content)) if content else _status(1)

    def _write(self, request: Message) -> tuple[int, bytes]:
        path = self._handles[request.get_string()]
        offset, block = request.get_int64(), request.get_string()
        content = self._server.files[path].ljust(offset, b"\0")
        self._server.files[path] = content[:offset] + block + content[offset + len(block) :]
        return _status(0)

    def _close(self, request: Message) -> tuple[int, bytes]:
        del self._handles[request.get_string()]
        return _status(0)

    def _extended(self, _request: Message) -> tuple[int, bytes]:
        return _status(8)


_ANSWERS: dict[int, Callable[[_Session, Message], tuple[int, bytes]]] = {
    CMD_LSTAT: _Session._lstat,
    CMD_OPEN: _Session._open,
    CMD_READ: _Session._read,
    CMD_WRITE: _Session._write,
    CMD_CLOSE: _Session._close,
    CMD_EXTENDED: _Session._extended,
}


class _Pipe(PacketPipe):
    """Delivers answers in any order, as the client waits for them."""

    def __init__(self, server: SftpInMemory) -> None:
        super().__init__()
        self.pending: list[bytes] = []
        self._server = server

    def read_ready(self) -> bool:
        if not super().read_ready() and self.pending and not self._server.in_order:
            self._deliver(self._server.choose.randint(0, 1))
        return super().read_ready()

    def take(self, limit_seconds: float | None) -> bytes:
        if not super().read_ready() and self.pending:
            self._server.waits += 1
            self._deliver(len(self.pending) if self._server.in_order else 1)
        return super().take(limit_seconds)

    def _deliver(self, count: int) -> None:
        breaks = self._server.breaks_after
        for _ in range(count):
            if breaks and breaks[0] == 0:
                breaks.pop(0)
                raise BrokenError
            if breaks:
                breaks[0] -= 1
            last = len(self.pending) - 1
            index = 0 if self._server.in_order else self._server.choose.randint(0, last)
            self.feed(self.pending.pop(index))


def _packet(kind: int, rest: bytes) -> bytes:
    return (len(rest) + 1).to_bytes(4, "big") + bytes((kind,)) + rest


def _string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _status(code: int) -> tuple[int, bytes]:
    return CMD_STATUS, code.to_bytes(4, "big") + _string(b"status") + _string(b"")
