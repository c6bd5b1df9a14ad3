"""Bytes over SFTP that go on where they stopped when the connection breaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import paramiko

from tasks.hosts.ssh_connection import Channel, SshConnection
from tasks.hosts.ssh_sftp import SftpChannel

# In flight at once: enough for a fast line with some delay, and what is kept to send it again.
WINDOW_BYTES = 16 * 1024 * 1024


def read_file(
    connection: SshConnection, path: str, *, offset: int, check: Callable[[SftpChannel], None]
) -> Iterator[memoryview]:
    """Yield a file's bytes from an offset on; ``check`` runs before each time it is opened.

    Raises:
        SftpStatusError: The server does not give it.
        ConnectionLostError: It broke off at every try.
    """
    with connection.channel() as channel:
        reader = _Reader(channel, path, offset, check)
        try:
            while block := reader.next_block():
                yield memoryview(block)
        finally:
            reader.close()


class _Reader:
    """A place in a file on the server, and what of it was asked for ahead."""

    def __init__(
        self, channel: Channel, path: str, offset: int, check: Callable[[SftpChannel], None]
    ) -> None:
        self._channel = channel
        self._path = path
        self._offset = offset
        self._check = check
        self._of: SftpChannel | None = None
        self._file: paramiko.SFTPFile | None = None
        self._asked: deque[tuple[int, int]] = deque()  # number of the question, and its size
        self._asked_to = 0
        self._end: int | None = None  # where we take it to be; nothing is asked for beyond at once

    def next_block(self) -> bytes:
        block = self._channel.call(self._read)
        self._offset += len(block)
        return block

    def _read(self, sftp: SftpChannel) -> bytes:
        if self._file is None or self._of is not sftp:
            self._check(sftp)
            self._file = _open(sftp, self._path, "r", sftp.limits.read_bytes)
            self._of = sftp
            self._asked.clear()
            self._asked_to, self._end = self._offset, None
            # Most files are small: the first block is asked for before anything else is.
            self._ask(sftp, self._file, sftp.limits.read_bytes)
        else:
            self._ask_ahead(sftp, self._file)
        return self._take(sftp, self._file)

    def _ask_ahead(self, sftp: SftpChannel, file: paramiko.SFTPFile) -> None:
        block_bytes = sftp.limits.read_bytes
        if self._end is None:
            self._end = file.stat().st_size or 0
        ahead = min(self._end, self._offset + WINDOW_BYTES)
        while self._asked_to < ahead:
            self._ask(sftp, file, min(block_bytes, self._end - self._asked_to))
        if not self._asked:  # at the end, or the file has grown
            self._ask(sftp, file, block_bytes)

    def _ask(self, sftp: SftpChannel, file: paramiko.SFTPFile, size_bytes: int) -> None:
        number = sftp.ask_block(file, self._asked_to, size_bytes)
        self._asked.append((number, size_bytes))
        self._asked_to += size_bytes

    def _take(self, sftp: SftpChannel, file: paramiko.SFTPFile) -> bytes:
        """The next block; a server may answer with less than was asked for."""
        number, size_bytes = self._asked.popleft()
        block = sftp.take_block(number)
        while self._asked and 0 < len(block) < size_bytes:
            at = self._offset + len(block)
            more = sftp.take_block(sftp.ask_block(file, at, size_bytes - len(block)))
            if not more:
                break
            block += more
        if len(block) < size_bytes and not self._asked:  # most likely the end
            self._asked_to = self._end = self._offset + len(block)
        return block

    def close(self) -> None:
        if self._asked:
            self._channel.discard()
        elif self._file is not None:
            _close_quietly(self._file)


def write_file(
    connection: SshConnection,
    path: str,
    chunks: Iterable[bytes | memoryview],
    *,
    check: Callable[[SftpChannel], None],
) -> int:
    """Create or replace a file with the bytes given and return how many.

    Raises:
        SftpStatusError: The server does not take it.
        ConnectionLostError: It broke off at every try.
    """
    with connection.channel() as channel:
        writer = _Writer(channel, path, check)
        try:
            for chunk in chunks:
                writer.add(chunk)
            writer.confirm()
        finally:
            writer.close()
        return writer.confirmed_bytes


class _Writer:
    """A file on the server that grows; remembers what the server has not confirmed yet."""

    def __init__(self, channel: Channel, path: str, check: Callable[[SftpChannel], None]) -> None:
        self.confirmed_bytes = 0
        self._channel = channel
        self._path = path
        self._check = check
        self._of: SftpChannel | None = None
        self._file: paramiko.SFTPFile | None = None
        self._made = False
        self._unconfirmed: list[bytes] = []
        self._unsent = 0  # how many of these, from the end, were not sent on this channel
        self._held_bytes = 0
        self._small = bytearray()

    def add(self, chunk: bytes | memoryview) -> None:
        """Send bytes, or keep them until there are enough for one request."""
        if self._file is None:
            self._channel.call(self._opened)  # before the first byte: it may be refused
        self._small += chunk
        block_bytes = self._block_bytes
        whole = len(self._small) - len(self._small) % block_bytes
        for start in range(0, whole, block_bytes):
            self._hold(bytes(memoryview(self._small)[start : start + block_bytes]))
        del self._small[:whole]

    @property
    def _block_bytes(self) -> int:
        return self._of.limits.write_bytes if self._of is not None else 32_768

    def _hold(self, block: bytes) -> None:
        self._unconfirmed.append(block)
        self._unsent += 1
        self._held_bytes += len(block)
        self._channel.call(self._send)
        if self._held_bytes >= WINDOW_BYTES:
            self._channel.call(self._await_answers)

    def confirm(self) -> None:
        """Send the rest and wait until the server has taken all."""
        if self._small:
            self._hold(bytes(self._small))
            self._small.clear()
        self._channel.call(self._await_answers)

    def _opened(self, sftp: SftpChannel) -> paramiko.SFTPFile:
        """The file, open at the place of the first byte that is not confirmed."""
        if self._file is None or self._of is not sftp:
            self._check(sftp)
            mode = "r+" if self._made else "w"
            self._file = _open(sftp, self._path, mode, sftp.limits.write_bytes)
            self._file.seek(self.confirmed_bytes)
            self._of, self._made = sftp, True
            self._unsent = len(self._unconfirmed)
        return self._file

    def _send(self, sftp: SftpChannel) -> None:
        file = self._opened(sftp)
        file.set_pipelined(True)
        while self._unsent:
            file.write(self._unconfirmed[-self._unsent])
            self._unsent -= 1

    def _await_answers(self, sftp: SftpChannel) -> None:
        self._send(sftp)
        file = self._opened(sftp)
        if self._unconfirmed:
            # A write that is not pipelined waits for the answers to all before it; this one puts
            # the last byte where it is already.
            end = self.confirmed_bytes + self._held_bytes
            file.set_pipelined(False)
            file.seek(end - 1)
            file.write(self._unconfirmed[-1][-1:])
        self.confirmed_bytes += self._held_bytes
        self._unconfirmed.clear()
        self._held_bytes = 0

    def close(self) -> None:
        """Close the file; what was refused was said before."""
        if self._file is not None:
            _close_quietly(self._file)


def _open(sftp: SftpChannel, path: str, mode: str, block_bytes: int) -> paramiko.SFTPFile:
    file = sftp.open(path, mode)
    file.MAX_REQUEST_SIZE = block_bytes
    return file


def _close_quietly(file: paramiko.SFTPFile) -> None:
    try:
        file.close()
    except (OSError, EOFError, paramiko.SSHException):
        return  # the channel went away, and the file with it
