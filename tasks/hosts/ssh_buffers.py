"""Buffers of an SFTP channel: whole packets that were received, and bytes that are to be sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

import paramiko

HEAD_BYTES = 4  # the length before each SFTP packet
KIND_AND_NUMBER_BYTES = 5  # at the beginning of each packet
_LARGEST_PACKET_BYTES = 16 * 1_048_576


class GarbledPacketError(paramiko.SSHException):
    """The server sent bytes that are no SFTP packets."""


class PacketPipe:
    """Receive buffer of an SFTP session, in place of paramiko's own, with whole packets.

    paramiko's thread feeds it; the thread that uses the session takes packets from it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._packets: deque[bytes] = deque()
        self._pieces: list[memoryview] = []  # of the packet that is not complete yet
        self._piece_bytes = 0
        self._packet_bytes: int | None = None  # None: its length has not arrived completely
        self._fed = 0
        self._is_closed = False
        self._is_garbled = False

    def __len__(self) -> int:
        return sum(map(len, self._packets))

    def read_ready(self) -> bool:
        """Return True if a packet can be taken without waiting."""
        return bool(self._packets)

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        with self._changed:
            self._fed += 1
            start, size = 0, len(data)
            view = memoryview(data)
            while start < size and not self._is_garbled:
                stop = start + HEAD_BYTES + int.from_bytes(data[start : start + HEAD_BYTES], "big")
                if self._pieces or self._packet_bytes or size - start < HEAD_BYTES or stop > size:
                    start = self._add_piece(view, start)
                    continue
                if not self._is_size(stop - start - HEAD_BYTES):
                    break
                self._packets.append(data[start + HEAD_BYTES : stop])
                start = stop
            if self._packets or self._is_garbled:
                self._changed.notify()

    def _add_piece(self, data: memoryview, start: int) -> int:
        """Add bytes to a packet that arrives in pieces, and return where the next ones begin."""
        missing = (self._packet_bytes or HEAD_BYTES) - self._piece_bytes
        piece = data[start : start + missing]
        self._pieces.append(piece)
        self._piece_bytes += len(piece)
        if len(piece) == missing:
            block = b"".join(self._pieces)
            self._pieces.clear()
            self._piece_bytes = 0
            if self._packet_bytes is None:
                self._packet_bytes = int.from_bytes(block, "big")
                self._is_size(self._packet_bytes)
            else:
                self._packets.append(block)
                self._packet_bytes = None
        return start + len(piece)

    def _is_size(self, size_bytes: int) -> bool:
        """Return True if a packet can have this size; else nothing more is received."""
        self._is_garbled = not KIND_AND_NUMBER_BYTES <= size_bytes < _LARGEST_PACKET_BYTES
        return not self._is_garbled

    def close(self) -> None:
        """End the input; packets that have arrived can still be taken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def take(self, limit_seconds: float | None) -> bytes:
        """Wait for the next packet, and return it without its length.

        Raises:
            EOFError: The session has ended.
            TimeoutError: Nothing at all was received for so long.
            GarbledPacketError: The bytes are no SFTP packets.
        """
        with self._changed:
            while not self._packets:
                if self._is_garbled:
                    raise GarbledPacketError("the server sent bytes that are no SFTP packet")
                if self._is_closed:
                    raise EOFError("the session has ended")
                fed = self._fed
                has_changed = self._changed.wait(limit_seconds)
                if not has_changed and fed == self._fed:
                    raise TimeoutError("no answer")
            return self._packets.popleft()


class Payload:
    """Bytes to send that lie in several buffers, taken piece by piece without copying."""

    def __init__(self, buffers: Iterable[bytes]) -> None:
        self._views = deque(memoryview(buffer) for buffer in buffers if buffer)
        self.size_bytes = sum(map(len, self._views))

    def take(self, size_bytes: int) -> list[memoryview]:
        """Take so many bytes from the front; there must be as many."""
        self.size_bytes -= size_bytes
        pieces = []
        while size_bytes:
            view = self._views.popleft()
            pieces.append(view[:size_bytes])
            if len(view) > size_bytes:
                self._views.appendleft(view[size_bytes:])
            size_bytes -= len(pieces[-1])
        return pieces
