"""One SFTP channel: paramiko's client, with status codes and the extensions of OpenSSH."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import paramiko
from paramiko.message import Message
from paramiko.sftp import CMD_DATA, CMD_EXTENDED, CMD_READ, CMD_STATUS, int64

OP_UNSUPPORTED = 8
FAILURE = 4
_PERMISSION_DENIED = 3
_NO_SUCH_FILE = 2
_END_OF_FILE = 1
_SAFE_BLOCK_BYTES = 32_768  # what every server takes in one request
_LARGEST_BLOCK_BYTES = 255 * 1024


class SftpStatusError(OSError):
    """What the server answered, with its code; never a lost connection."""

    def __init__(self, code: int, text: str) -> None:
        known = {_NO_SUCH_FILE: errno.ENOENT, _PERMISSION_DENIED: errno.EACCES}
        super().__init__(known.get(code, errno.EIO), text or f"SFTP status {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest blocks that a server takes in one request."""

    read_bytes: int = _SAFE_BLOCK_BYTES
    write_bytes: int = _SAFE_BLOCK_BYTES


class _Blocks:
    """Answers to reads that were asked for ahead; paramiko brings them, in any order."""

    def __init__(self) -> None:
        self.by_number: dict[int, bytes | SftpStatusError] = {}

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        if kind == CMD_DATA:
            self.by_number[number] = message.get_string()
            return
        code, text = (
            (message.get_int(), message.get_text())
            if kind == CMD_STATUS
            else (FAILURE, "the server gave another answer than was asked for")
        )
        self.by_number[number] = b"" if code == _END_OF_FILE else SftpStatusError(code, text)


class SftpChannel(paramiko.SFTPClient):
    """An SFTP session of its own. Not for several threads at once."""

    limits = Limits()

    def __init__(self, session: paramiko.Channel) -> None:
        self._blocks = _Blocks()
        super().__init__(session)

    @property
    def session(self) -> paramiko.Channel:
        """The SSH channel below.

        Raises:
            EOFError: There is none any more.
        """
        channel = self.get_channel()
        if channel is None:
            raise EOFError("the channel is closed")
        return channel

    def ask_limits(self) -> None:
        """Learn how large requests may be; servers that do not say get the safe size."""
        try:
            reply = self._extended("limits@openssh.com")
        except SftpStatusError:
            return
        reply.get_int64()  # packet
        read_bytes, write_bytes = reply.get_int64(), reply.get_int64()
        self.limits = Limits(_block_bytes(read_bytes), _block_bytes(write_bytes))

    def ask_block(self, file: paramiko.SFTPFile, offset: int, size_bytes: int) -> int:
        """Ask for bytes of an open file without waiting; gives the number of the question.

        paramiko's own reading ahead asks from a thread of its own: that one tells the terminal
        when the connection breaks, and may still ask when the channel serves somebody else.
        """
        ask: Callable[..., int] = self._async_request  # type: ignore[attr-defined]
        return ask(self._blocks, CMD_READ, file.handle, int64(offset), size_bytes)

    def take_block(self, number: int) -> bytes:
        """Wait for the answer to a question; nothing is the end of the file.

        Raises:
            SftpStatusError: The server does not give it.
        """
        read: Callable[[], object] = self._read_response  # type: ignore[attr-defined]
        while number not in self._blocks.by_number:
            read()
        block = self._blocks.by_number.pop(number)
        if isinstance(block, SftpStatusError):
            raise block
        return block

    def flush(self, file: paramiko.SFTPFile) -> bool:
        """Make an open file durable (``fsync@openssh.com``); False where that is not offered."""
        handle: Any = file.handle  # the stubs take it for a server's handle; it is bytes
        try:
            self._extended("fsync@openssh.com", handle)
        except SftpStatusError as error:
            # sshd refuses with "permission denied" what its configuration took away.
            if error.code not in (OP_UNSUPPORTED, _PERMISSION_DENIED):
                raise
            return False
        return True

    def free_bytes(self, path: str) -> int:
        """Room for a plain user on the volume of a path (``statvfs@openssh.com``)."""
        reply = self._extended("statvfs@openssh.com", path.encode())
        reply.get_int64()  # block size
        fragment_bytes = reply.get_int64()
        reply.get_int64()  # blocks
        reply.get_int64()  # free for root
        return int(reply.get_int64() * fragment_bytes)

    def _extended(self, name: str, *arguments: bytes) -> Message:
        # paramiko calls this a method for subclasses; its type stubs do not know it.
        request: Callable[..., tuple[int, Message]] = self._request  # type: ignore[attr-defined]
        return request(CMD_EXTENDED, name.encode(), *arguments)[1]

    def _convert_status(self, msg: Message) -> None:
        """Keep the code: paramiko makes one error of all that it does not know."""
        code, text = msg.get_int(), msg.get_text()
        if code == _END_OF_FILE:
            raise EOFError(text)
        if code:
            _refuse(code, text)


def _refuse(code: int, text: str) -> NoReturn:
    raise SftpStatusError(code, text)


def _block_bytes(offered: int) -> int:
    """A block size from what a server offers; 0 means that it does not say."""
    return min(offered, _LARGEST_BLOCK_BYTES) if offered else _SAFE_BLOCK_BYTES
