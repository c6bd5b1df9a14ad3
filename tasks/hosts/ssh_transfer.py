"""Read and write large files over SFTP; after the connection broke, continue at the same byte.

Many small files at a time: ``ssh_pipeline``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import paramiko

from tasks.hosts.ssh_connection import Channel, SshConnection
from tasks.hosts.ssh_sftp import (
    CHANGE,
    READ,
    REPLACE,
    SAFE_BLOCK_BYTES,
    Exchange,
    SftpChannel,
    close_file,
    data_of,
    open_file,
    read_request,
    require,
    write_request,
)

# Bytes in flight: enough for a fast line with some delay. A writer stores as many to resend them.
WINDOW_BYTES = 16 * 1024 * 1024
# Requests are sent together, since each SSH packet costs more than the requests in it.
_REFILL_BYTES = WINDOW_BYTES // 8

Check = Callable[[], Exchange[paramiko.SFTPAttributes | None]]
"""Makes the exchange that refuses a link, and returns the file's attributes."""


def read_file(
    connection: SshConnection, path: str, *, offset: int, check: Check
) -> Iterator[memoryview]:
    """Yield a file's bytes from an offset; ``check`` runs each time before the file is opened.

    Raises:
        SftpStatusError: The server refuses to read the file.
        ConnectionLostError: The connection broke at every try.
    """
    with connection.channel() as channel:
        reader = _Reader(channel, path, offset, check)
        try:
            while blocks := reader.next_blocks():
                yield from blocks
        finally:
            reader.close()


@dataclass(frozen=True, slots=True)
class _Block:
    """A block in flight: the number of its request, and its place in the file."""

    number: int
    offset: int
    size_bytes: int


class _Reader:
    """Position in a file on the server, and the blocks that were requested ahead."""

    def __init__(self, channel: Channel, path: str, offset: int, check: Check) -> None:
        self._channel = channel
        self._path = path
        self._offset = offset  # of the next byte that is yielded
        self._check = check
        self._sftp: SftpChannel | None = None  # the channel on which the file is open
        self._handle = b""
        self._blocks: deque[_Block] = deque()  # requested, in the order of the file
        self._requested_to = 0
        self._end = 0  # the size that the server tells; beyond it one block is requested at a time
        self._is_ended = False
        self._taken: list[memoryview] = []  # survives a break in the middle of a call

    def next_blocks(self) -> list[memoryview]:
        """Return the next bytes; nothing at the end of the file."""
        if not self._is_ended:
            self._channel.call(self._read)
        taken, self._taken = self._taken, []
        return taken

    def _read(self, sftp: SftpChannel) -> None:
        if self._sftp is not sftp:
            attributes = sftp.carry_out(self._check())
            self._handle = sftp.carry_out(open_file(self._path, READ))
            self._sftp = sftp
            self._blocks.clear()
            self._requested_to = self._offset
            self._end = (attributes.st_size or 0) if attributes is not None else 0
        self._request_ahead(sftp)
        self._take(sftp)
        while self._blocks and sftp.has_answer_to(self._blocks[0].number):
            self._take(sftp)

    def _request_ahead(self, sftp: SftpChannel) -> None:
        block_bytes = sftp.limits.read_bytes
        target = self._offset + WINDOW_BYTES
        if self._requested_to + _REFILL_BYTES > target:
            return
        while self._requested_to < min(target, self._end):
            self._request(sftp, min(block_bytes, self._end - self._requested_to))
        if (self._requested_to == self._end and self._requested_to < target) or not self._blocks:
            self._request(sftp, block_bytes)  # proves the end, or finds that the file has grown

    def _request(self, sftp: SftpChannel, size_bytes: int) -> None:
        (number,) = sftp.post_all([read_request(self._handle, self._requested_to, size_bytes)])
        self._blocks.append(_Block(number, self._requested_to, size_bytes))
        self._requested_to += size_bytes

    def _take(self, sftp: SftpChannel) -> None:
        """Take the next block; request the rest of it if the server gives less."""
        block = self._blocks.popleft()
        data = data_of(sftp.answer_to(block.number))
        self._offset += len(data)
        if data:
            self._taken.append(data)
        rest_bytes = block.size_bytes - len(data)
        if not data:  # the end: what was requested behind it is of no use
            for later in self._blocks:
                sftp.ignore(later.number)
            self._blocks.clear()
            self._is_ended = True
        elif rest_bytes and (self._blocks or self._offset < self._end):
            (number,) = sftp.post_all([read_request(self._handle, self._offset, rest_bytes)])
            self._blocks.appendleft(_Block(number, self._offset, rest_bytes))
        elif rest_bytes:
            self._requested_to = self._offset

    def close(self) -> None:
        """Close the file; with answers on their way, close the channel."""
        if self._blocks:
            self._channel.discard()
        elif self._sftp is not None:
            # Waited for: on Windows an open file cannot be removed.
            self._channel.try_once(lambda sftp: sftp.carry_out(close_file(self._handle)))


def write_file(
    connection: SshConnection,
    path: str,
    chunks: Iterable[bytes | memoryview],
    *,
    check: Check,
) -> int:
    """Create or replace a file with the given bytes, and return their number.

    Raises:
        SftpStatusError: The server refuses to write the file.
        ConnectionLostError: The connection broke at every try.
    """
    with connection.channel() as channel:
        writer = _Writer(channel, path, check)
        is_whole = False
        try:
            for chunk in chunks:
                writer.add(chunk)
            writer.finish()
            is_whole = True
        finally:
            if not is_whole:
                writer.give_up()
        return writer.size_bytes


class _Writer:
    """A growing file on the server; stores the blocks that the server has not confirmed yet.

    After the connection broke the file is opened again, and all stored blocks are sent again.
    """

    def __init__(self, channel: Channel, path: str, check: Check) -> None:
        self.size_bytes = 0  # all bytes so far
        self._channel = channel
        self._path = path
        self._check = check
        self._sftp: SftpChannel | None = None  # the channel on which the file is open
        self._handle = b""
        self._is_made = False
        self._rest = b""  # too few bytes for a block
        self._stored: deque[tuple[int, bytes]] = deque()  # offset and bytes
        self._stored_bytes = 0
        self._numbers: deque[int] = deque()  # requests of the first stored blocks; others: unsent

    def add(self, chunk: bytes | memoryview) -> None:
        """Send bytes, in blocks as large as the server accepts; the rest waits for the next."""
        if self._sftp is None:
            self._channel.call(self._open)  # before the first byte, since it may be refused
        block_bytes = self._block_bytes
        start = 0
        while len(self._rest) + len(chunk) - start >= block_bytes:
            stop = start + block_bytes - len(self._rest)
            self._store(b"".join((self._rest, chunk[start:stop])))
            self._rest, start = b"", stop
        self._rest += bytes(chunk[start:])
        if self._stored:
            self._channel.call(self._send)

    @property
    def _block_bytes(self) -> int:
        return self._sftp.limits.write_bytes if self._sftp is not None else SAFE_BLOCK_BYTES

    def _store(self, block: bytes) -> None:
        self._stored.append((self.size_bytes, block))
        self._stored_bytes += len(block)
        self.size_bytes += len(block)

    def finish(self) -> None:
        """Send the rest, wait until the server has confirmed all bytes, and close the file."""
        if self._rest:
            self._store(self._rest)
            self._rest = b""
        self._channel.call(self._confirm_all)

    def _open(self, sftp: SftpChannel) -> None:
        """Open the file, and keep the stored blocks to be sent again."""
        if self._sftp is not sftp:
            sftp.carry_out(self._check())
            flags = CHANGE if self._is_made else REPLACE
            self._handle = sftp.carry_out(open_file(self._path, flags))
            self._sftp, self._is_made = sftp, True
            self._numbers.clear()

    def _send(self, sftp: SftpChannel) -> None:
        self._open(sftp)
        for offset, block in islice(self._stored, len(self._numbers), None):
            self._numbers += sftp.post_all([write_request(self._handle, offset, block)])
        sftp.send_posted()
        while self._stored_bytes > WINDOW_BYTES:
            self._confirm_one(sftp)

    def _confirm_one(self, sftp: SftpChannel) -> None:
        require(sftp.answer_to(self._numbers[0]))
        self._numbers.popleft()
        self._stored_bytes -= len(self._stored.popleft()[1])

    def _confirm_all(self, sftp: SftpChannel) -> None:
        self._send(sftp)
        while self._numbers:
            self._confirm_one(sftp)
        sftp.carry_out(close_file(self._handle))

    def give_up(self) -> None:
        """Close the channel, and the file with it: answers may be on their way."""
        self._channel.discard()
