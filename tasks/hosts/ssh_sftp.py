"""One SFTP channel: requests, answers with status codes, and the extensions of OpenSSH."""

from __future__ import annotations

import errno
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import paramiko
from paramiko.message import Message
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_DATA,
    CMD_EXTENDED,
    CMD_HANDLE,
    CMD_LSTAT,
    CMD_OPEN,
    CMD_READ,
    CMD_REMOVE,
    CMD_RMDIR,
    CMD_SETSTAT,
    CMD_STATUS,
    CMD_WRITE,
    SFTP_FLAG_CREATE,
    SFTP_FLAG_READ,
    SFTP_FLAG_TRUNC,
    SFTP_FLAG_WRITE,
    int64,
)

from tasks.hosts.ssh_buffers import PacketPipe
from tasks.hosts.ssh_paramiko import Argument, Packet, RawSftpClient

OP_UNSUPPORTED = 8
FAILURE = 4
PERMISSION_DENIED = 3
_NO_SUCH_FILE = 2
_END_OF_FILE = 1
SAFE_BLOCK_BYTES = 32_768  # every server accepts such a request
_LARGEST_BLOCK_BYTES = 255 * 1024
_SAFE_OPEN_FILES = 64  # no server is known that has fewer

READ = SFTP_FLAG_READ
REPLACE = SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC
CHANGE = SFTP_FLAG_READ | SFTP_FLAG_WRITE

Result = TypeVar("Result")


class SftpStatusError(OSError):
    """An error status that the server answered; never a broken connection."""

    def __init__(self, code: int, text: str) -> None:
        error_numbers = {_NO_SUCH_FILE: errno.ENOENT, PERMISSION_DENIED: errno.EACCES}
        super().__init__(error_numbers.get(code, errno.EIO), text or f"SFTP status {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest blocks that a server accepts in one request, and the most open files."""

    read_bytes: int = SAFE_BLOCK_BYTES
    write_bytes: int = SAFE_BLOCK_BYTES
    open_files: int = _SAFE_OPEN_FILES


class Request(NamedTuple):
    """One request to the server; ``is_awaited`` is False if nobody needs the answer."""

    kind: int
    arguments: tuple[Argument, ...]
    is_awaited: bool = True


Exchange = Generator[Sequence[Request], Sequence[Packet], Result]
"""Requests and answers about one file, as a generator.

It yields requests that are sent together, and receives the awaited answers when all have arrived.
It raises a ``SftpStatusError`` if an answer is an error. When the connection breaks, it is dropped
and made again.
"""


class SftpChannel(RawSftpClient):
    """One SFTP session. Not for several threads at once."""

    limits = Limits()

    def __init__(self, session: paramiko.Channel, pipe: PacketPipe | None) -> None:
        super().__init__(session, pipe)

    def read_limits(self) -> None:
        """Ask the server for its limits; without an answer use safe ones."""
        try:
            reply = self._extended("limits@openssh.com")
        except SftpStatusError:
            return
        reply.get_int64()  # packet
        read_bytes, write_bytes, handles = (reply.get_int64() for _ in range(3))
        self.limits = Limits(
            _block_bytes(read_bytes),
            _block_bytes(write_bytes),
            min(handles // 2, _SAFE_OPEN_FILES) if handles else _SAFE_OPEN_FILES,
        )

    def carry_out(self, exchange: Exchange[Result]) -> Result:
        """Carry out one exchange alone, and return its result."""
        try:
            requests = next(exchange)
            while True:
                numbers = self.post_all(requests)
                requests = exchange.send([self.answer_to(number) for number in numbers])
        except StopIteration as end:
            result: Result = end.value
            return result

    def post_all(self, requests: Sequence[Request]) -> list[int]:
        """Add requests to those that are sent next, and return the numbers of the awaited ones."""
        numbers = []
        for request in requests:
            number = self.post(request.kind, *request.arguments)
            if request.is_awaited:
                numbers.append(number)
            else:
                self.ignore(number)
        return numbers

    def free_bytes(self, path: str) -> int | None:
        """Return the free space for a plain user on a path's volume (``statvfs@openssh.com``).

        None if the file system reports a total size of zero, as some network file systems do.
        """
        reply = self._extended("statvfs@openssh.com", path.encode())
        reply.get_int64()  # block size
        fragment_bytes = reply.get_int64()
        blocks = reply.get_int64()
        reply.get_int64()  # free for root
        return int(reply.get_int64() * fragment_bytes) if blocks else None

    def _extended(self, name: str, *arguments: bytes) -> Message:
        return self.request(CMD_EXTENDED, name.encode(), *arguments)

    def check_status(self, code: int, text: str) -> None:
        """Raise an error with the status code; paramiko's own error would not have the code.

        Raises:
            EOFError: The end of a file or listing.
            SftpStatusError: Any other error status.
        """
        if code == _END_OF_FILE:
            raise EOFError(text)
        if code:
            raise SftpStatusError(code, text)


def _block_bytes(offered: int) -> int:
    """Return the block size for a server's limit; a limit of 0 means that it is not known."""
    return min(offered, _LARGEST_BLOCK_BYTES) if offered else SAFE_BLOCK_BYTES


# --- answers --------------------------------------------------------------------------------------


def require(packet: Packet, kind: int = CMD_STATUS) -> Packet:
    """Return an answer of the kind that was asked for; as a status only success.

    Raises:
        SftpStatusError: The answer is an error, or of another kind.
    """
    if packet.kind == CMD_STATUS:
        message = packet.message()
        code = message.get_int()
        if code == 0 and kind == CMD_STATUS:
            return packet
        raise SftpStatusError(code or FAILURE, message.get_text())
    if packet.kind != kind:
        raise SftpStatusError(FAILURE, "the server gave another answer than was asked for")
    return packet


def data_of(packet: Packet) -> memoryview:
    """Return the bytes of an answer to a read; no bytes mean the end of the file.

    Raises:
        SftpStatusError: The answer is an error.
    """
    if packet.kind == CMD_STATUS and int.from_bytes(packet.body[:4], "big") == _END_OF_FILE:
        return memoryview(b"")
    return _string_of(require(packet, CMD_DATA))


def _string_of(packet: Packet) -> memoryview:
    size_bytes = int.from_bytes(packet.body[:4], "big")
    if size_bytes != len(packet.body) - 4:
        raise SftpStatusError(FAILURE, "the server's answer has another length than it says")
    return packet.body[4:]


# --- exchanges ------------------------------------------------------------------------------------


def ask(kind: int, *arguments: Argument) -> Exchange[Packet]:
    """Send one request, and return its answer."""
    (packet,) = yield [Request(kind, arguments)]
    return packet


def lstat(path: str) -> Exchange[paramiko.SFTPAttributes | None]:
    """Return the attributes of a path without following a link; None if nothing is there."""
    packet = yield from ask(CMD_LSTAT, path.encode())
    try:
        return require(packet, CMD_ATTRS).attributes()
    except SftpStatusError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


def open_file(path: str, flags: int) -> Exchange[bytes]:
    """Open a file, and return its handle."""
    packet = yield from ask(CMD_OPEN, path.encode(), flags, paramiko.SFTPAttributes())
    return bytes(_string_of(require(packet, CMD_HANDLE)))


def read_request(handle: bytes, offset: int, size_bytes: int) -> Request:
    """Return the request to read bytes of an open file."""
    return Request(CMD_READ, (handle, int64(offset), size_bytes))


def write_request(handle: bytes, offset: int, block: bytes) -> Request:
    """Return the request to write bytes into an open file."""
    return Request(CMD_WRITE, (handle, int64(offset), block))


def close_request(handle: bytes) -> Request:
    """Return the request to close a file that was only read: its answer is of no use."""
    return Request(CMD_CLOSE, (handle,), is_awaited=False)


def read_whole(
    path: str, *, size_bytes: int, limit_bytes: int, block_bytes: int
) -> Exchange[list[memoryview]]:
    """Read a file whose size is believed; of a longer one only one byte beyond the limit.

    Args:
        path: The file.
        size_bytes: Its size by its attributes. Its end is not looked for beyond it, so that most
            files need no further request.
        limit_bytes: The largest size that the caller takes.
        block_bytes: The largest block that the server accepts.
    """
    handle = yield from open_file(path, READ)
    end = min(size_bytes, limit_bytes + 1)
    starts = range(0, max(end, 1), block_bytes)
    requests = [
        read_request(handle, start, min(block_bytes, limit_bytes + 1 - start)) for start in starts
    ]
    packets = yield requests
    blocks: list[memoryview] = []
    try:
        for start, packet in zip(starts, packets, strict=True):
            stop = min(start + block_bytes, end)
            position = start + len(block := data_of(packet))
            blocks.append(block)
            while block and position < stop:  # a shorter answer is not the end yet
                (rest,) = yield [read_request(handle, position, stop - position)]
                position += len(block := data_of(rest))
                blocks.append(block)
            if position < stop:
                break
    except SftpStatusError:
        yield [close_request(handle)]
        raise
    yield [close_request(handle)]
    return blocks


def close_file(handle: bytes) -> Exchange[None]:
    """Close a file that was written; a server may report a full disk only here."""
    require((yield from ask(CMD_CLOSE, handle)))


def write_whole(path: str, content: bytes, *, block_bytes: int) -> Exchange[None]:
    """Create or replace a file with these bytes; at the end the server has confirmed all."""
    handle = yield from open_file(path, REPLACE)
    starts = range(0, len(content), block_bytes)
    writes = [
        write_request(handle, start, content[start : start + block_bytes]) for start in starts
    ]
    # Requests about one file are answered in order, so the close needs no round trip of its own.
    packets = yield [*writes, Request(CMD_CLOSE, (handle,))]
    for packet in packets:
        require(packet)


def posix_rename(source: str, target: str) -> Exchange[None]:
    """Rename a file, replacing one with the new name (``posix-rename@openssh.com``)."""
    name = b"posix-rename@openssh.com"
    require((yield from ask(CMD_EXTENDED, name, source.encode(), target.encode())))


def remove(path: str, *, is_folder: bool) -> Exchange[None]:
    """Remove a file, or an empty folder."""
    require((yield from ask(CMD_RMDIR if is_folder else CMD_REMOVE, path.encode())))


def chmod(path: str, mode: int) -> Exchange[None]:
    """Set the mode of a path."""
    attributes = paramiko.SFTPAttributes()
    attributes.st_mode = mode
    require((yield from ask(CMD_SETSTAT, path.encode(), attributes)))


def flush(path: str, flags: int) -> Exchange[bool]:
    """Make a file durable (``fsync@openssh.com``); False if the server cannot."""
    handle = yield from open_file(path, flags)
    flushed, _closed = yield [
        Request(CMD_EXTENDED, (b"fsync@openssh.com", handle)),
        Request(CMD_CLOSE, (handle,)),
    ]
    try:
        require(flushed)
    except SftpStatusError as error:
        # For an extension that its configuration disables, sshd answers "permission denied".
        if error.code not in (OP_UNSUPPORTED, PERMISSION_DENIED):
            raise
        return False
    return True
