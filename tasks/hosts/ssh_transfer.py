"""Read and write files over SFTP; after the connection broke, continue at the same byte."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import paramiko

from tasks.hosts.ssh_connection import Channel, SshConnection
from tasks.hosts.ssh_sftp import SftpChannel

# Bytes in flight: enough for a fast line with some delay. A writer stores as many to resend them.
WINDOW_BYTES = 16 * 1024 * 1024


def read_file(
    connection: SshConnection, path: str, *, offset: int, check: Callable[[SftpChannel], None]
) -> Iterator[memoryview]:
    """Yield a file's bytes from an offset; ``check`` runs each time before the file is opened.

    Raises:
        SftpStatusError: The server refuses to read the file.
        ConnectionLostError: The connection broke at every try.
    """
    with connection.channel() as channel:
        reader = _Reader(channel, path, offset, check)
        try:
            while block := reader.next_block():
                yield memoryview(block)
        finally:
            reader.close()


class _Reader:
    """Position in a file on the server, and the blocks that were requested ahead."""

    def __init__(
        self, channel: Channel, path: str, offset: int, check: Callable[[SftpChannel], None]
    ) -> None:
        self._channel = channel
        self._path = path
        self._offset = offset
        self._check = check
        self._file_channel: SftpChannel | None = None  # the channel on which the file is open
        self._file: paramiko.SFTPFile | None = None
        self._requests: deque[tuple[int, int]] = deque()  # number and size of each open request
        self._requested_to = 0
        self._end: int | None = None  # the assumed size; nothing beyond it is requested ahead

    def next_block(self) -> bytes:
        block = self._channel.call(self._read)
        self._offset += len(block)
        return block

    def _read(self, sftp: SftpChannel) -> bytes:
        if self._file is None or self._file_channel is not sftp:
            self._check(sftp)
            self._file = _open(sftp, self._path, "r", sftp.limits.read_bytes)
            self._file_channel = sftp
            self._requests.clear()
            self._requested_to, self._end = self._offset, None
            # Most files are small: request the first block before asking for the size.
            self._request(sftp, self._file, sftp.limits.read_bytes)
        else:
            self._request_ahead(sftp, self._file)
        return self._take(sftp, self._file)

    def _request_ahead(self, sftp: SftpChannel, file: paramiko.SFTPFile) -> None:
        block_bytes = sftp.limits.read_bytes
        if self._end is None:
            self._end = file.stat().st_size or 0
        target = min(self._end, self._offset + WINDOW_BYTES)
        while self._requested_to < target:
            self._request(sftp, file, min(block_bytes, self._end - self._requested_to))
        if not self._requests:  # at the end, or the file has grown
            self._request(sftp, file, block_bytes)

    def _request(self, sftp: SftpChannel, file: paramiko.SFTPFile, size_bytes: int) -> None:
        number = sftp.request_block(file, self._requested_to, size_bytes)
        self._requests.append((number, size_bytes))
        self._requested_to += size_bytes

    def _take(self, sftp: SftpChannel, file: paramiko.SFTPFile) -> bytes:
        """Return the next block; request the rest if the server answers with a shorter one."""
        number, size_bytes = self._requests.popleft()
        block = sftp.take_block(number)
        while self._requests and 0 < len(block) < size_bytes:
            offset = self._offset + len(block)
            rest = sftp.take_block(sftp.request_block(file, offset, size_bytes - len(block)))
            if not rest:
                break
            block += rest
        if len(block) < size_bytes and not self._requests:  # most likely the end
            self._requested_to = self._end = self._offset + len(block)
        return block

    def close(self) -> None:
        if self._requests:
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
    """Create or replace a file with the given bytes, and return their number.

    Raises:
        SftpStatusError: The server refuses to write the file.
        ConnectionLostError: The connection broke at every try.
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
    """A growing file on the server; stores the blocks that the server has not confirmed yet.

    | bytes | state |
    |---|---|
    | ``_small`` | too few for a request |
    | ``_unconfirmed``, the last ``_unsent`` blocks | not sent on the present channel |
    | ``_unconfirmed``, the blocks before | sent; sent again if the connection breaks |
    | ``confirmed_bytes`` | confirmed by the server, no longer stored |
    """

    def __init__(self, channel: Channel, path: str, check: Callable[[SftpChannel], None]) -> None:
        self.confirmed_bytes = 0
        self._channel = channel
        self._path = path
        self._check = check
        self._file_channel: SftpChannel | None = None  # the channel on which the file is open
        self._file: paramiko.SFTPFile | None = None
        self._made = False
        self._unconfirmed: list[bytes] = []
        self._unsent = 0
        self._unconfirmed_bytes = 0
        self._small = bytearray()

    def add(self, chunk: bytes | memoryview) -> None:
        """Send bytes, or collect them until there are enough for one request."""
        if self._file is None:
            self._channel.call(self._opened)  # before the first byte, since it may be refused
        self._small += chunk
        block_bytes = self._block_bytes
        whole = len(self._small) - len(self._small) % block_bytes
        for start in range(0, whole, block_bytes):
            self._add_block(bytes(memoryview(self._small)[start : start + block_bytes]))
        del self._small[:whole]

    @property
    def _block_bytes(self) -> int:
        return self._file_channel.limits.write_bytes if self._file_channel is not None else 32_768

    def _add_block(self, block: bytes) -> None:
        self._unconfirmed.append(block)
        self._unsent += 1
        self._unconfirmed_bytes += len(block)
        self._channel.call(self._send)
        if self._unconfirmed_bytes >= WINDOW_BYTES:
            self._channel.call(self._await_answers)

    def confirm(self) -> None:
        """Send the rest, and wait until the server has confirmed all bytes."""
        if self._small:
            self._add_block(bytes(self._small))
            self._small.clear()
        self._channel.call(self._await_answers)

    def _opened(self, sftp: SftpChannel) -> paramiko.SFTPFile:
        """Return the file, open at the first byte that is not confirmed."""
        if self._file is None or self._file_channel is not sftp:
            self._check(sftp)
            mode = "r+" if self._made else "w"
            self._file = _open(sftp, self._path, mode, sftp.limits.write_bytes)
            self._file.seek(self.confirmed_bytes)
            self._file_channel, self._made = sftp, True
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
            # A write that is not pipelined waits for the answers to all earlier writes. So write
            # the last byte once more.
            end = self.confirmed_bytes + self._unconfirmed_bytes
            file.set_pipelined(False)
            file.seek(end - 1)
            file.write(self._unconfirmed[-1][-1:])
        self.confirmed_bytes += self._unconfirmed_bytes
        self._unconfirmed.clear()
        self._unconfirmed_bytes = 0

    def close(self) -> None:
        """Close the file; refused writes have raised before."""
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
        return  # the channel broke, and the server has closed the file
