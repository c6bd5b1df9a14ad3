"""One SFTP channel: paramiko's client, with status codes and the extensions of OpenSSH."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

import paramiko
from paramiko.message import Message
from paramiko.sftp import CMD_DATA, CMD_EXTENDED, CMD_READ, CMD_STATUS, int64

from tasks.hosts.ssh_paramiko import AnswerReceiver, RawSftpClient

OP_UNSUPPORTED = 8
FAILURE = 4
_PERMISSION_DENIED = 3
_NO_SUCH_FILE = 2
_END_OF_FILE = 1
_SAFE_BLOCK_BYTES = 32_768  # every server accepts such a request
_LARGEST_BLOCK_BYTES = 255 * 1024


class SftpStatusError(OSError):
    """An error status that the server answered; never a broken connection."""

    def __init__(self, code: int, text: str) -> None:
        error_numbers = {_NO_SUCH_FILE: errno.ENOENT, _PERMISSION_DENIED: errno.EACCES}
        super().__init__(error_numbers.get(code, errno.EIO), text or f"SFTP status {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest blocks that a server accepts in one request."""

    read_bytes: int = _SAFE_BLOCK_BYTES
    write_bytes: int = _SAFE_BLOCK_BYTES


class _Blocks(AnswerReceiver):
    """Answers to reads that were requested ahead, by the number of the request."""

    def __init__(self) -> None:
        self.by_number: dict[int, bytes | SftpStatusError] = {}

    def receive(self, kind: int, message: Message, number: int) -> None:
        if kind == CMD_DATA:
            self.by_number[number] = message.get_string()
            return
        code, text = (
            (message.get_int(), message.get_text())
            if kind == CMD_STATUS
            else (FAILURE, "the server gave another answer than was asked for")
        )
        self.by_number[number] = b"" if code == _END_OF_FILE else SftpStatusError(code, text)


class SftpChannel(RawSftpClient):
    """One SFTP session. Not for several threads at once."""

    limits = Limits()

    def __init__(self, session: paramiko.Channel) -> None:
        self._blocks = _Blocks()
        super().__init__(session)

    @property
    def session(self) -> paramiko.Channel:
        """SSH channel of the session.

        Raises:
            EOFError: The channel is closed.
        """
        channel = self.get_channel()
        if channel is None:
            raise EOFError("the channel is closed")
        return channel

    def read_limits(self) -> None:
        """Ask the server for its largest blocks; without an answer use the safe size."""
        try:
            reply = self._extended("limits@openssh.com")
        except SftpStatusError:
            return
        reply.get_int64()  # packet
        read_bytes, write_bytes = reply.get_int64(), reply.get_int64()
        self.limits = Limits(_block_bytes(read_bytes), _block_bytes(write_bytes))

    def request_block(self, file: paramiko.SFTPFile, offset: int, size_bytes: int) -> int:
        """Request bytes of an open file without waiting, and return the number of the request.

        paramiko's own prefetch sends requests from its own thread. That thread writes to the
        terminal when the connection breaks, and may still send when the channel has a new user.
        """
        handle: Any = file.handle  # bytes; the stubs declare a server's handle
        return self.request_ahead(self._blocks, CMD_READ, handle, int64(offset), size_bytes)

    def take_block(self, number: int) -> bytes:
        """Wait for the answer to a request; no bytes mean the end of the file.

        Raises:
            SftpStatusError: The server answered with an error status.
        """
        while number not in self._blocks.by_number:
            self.read_answer()
        block = self._blocks.by_number.pop(number)
        if isinstance(block, SftpStatusError):
            raise block
        return block

    def flush(self, file: paramiko.SFTPFile) -> bool:
        """Make an open file durable (``fsync@openssh.com``); False if the server cannot."""
        handle: Any = file.handle  # bytes; the stubs declare a server's handle
        try:
            self._extended("fsync@openssh.com", handle)
        except SftpStatusError as error:
            # For an extension that its configuration disables, sshd answers "permission denied".
            if error.code not in (OP_UNSUPPORTED, _PERMISSION_DENIED):
                raise
            return False
        return True

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
    return min(offered, _LARGEST_BLOCK_BYTES) if offered else _SAFE_BLOCK_BYTES
