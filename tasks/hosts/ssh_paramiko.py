"""The members of paramiko that it does not document; this is the one module that uses them.

Read in paramiko (5.1.0):

| members | use |
|---|---|
| ``SFTPClient._request``, ``_read_packet`` | replaced by ours |
| ``SFTPAttributes._unpack``, ``_pack`` | attributes in answers and requests |
| ``Channel.in_buffer``, ``_check_add_window``, ``remote_chanid`` | whole packets are received |
| ``Channel._wait_for_send_window``, ``out_window_size``, ``out_max_packet_size`` | sending |
| ``Channel._send_eof``, ``Transport._send_user_message`` | the end of a program's input; sending |
| ``Packetizer.send_message`` and the fields of its state for sending | several packets together |

The public calls lack status codes, extensions of OpenSSH, and more than one request in flight.
paramiko's receive buffer moves all of its bytes at each read, so that a large window makes it
slower, and it sends one packet of 32 KiB at a time. With a version of paramiko that was not read,
``receive_packets`` and ``packetizer_class`` leave its own buffer and sending; only speed is lost.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import paramiko
from paramiko.common import (
    cMSG_CHANNEL_DATA,
    cMSG_CHANNEL_WINDOW_ADJUST,
    xffffffff,
)
from paramiko.message import Message
from paramiko.packet import Packetizer
from paramiko.sftp import CMD_STATUS, int64

from tasks.hosts.ssh_buffers import (
    HEAD_BYTES,
    KIND_AND_NUMBER_BYTES,
    GarbledPacketError,
    PacketPipe,
    Payload,
)

VERSION_READ = "5.1.0"
# The server may send as much before it waits for us. More than what we ever request at a time.
RECEIVE_WINDOW_BYTES = 32 * 1_048_576
# OpenSSH sends packets as large as the receiver takes; fewer packets cost less.
RECEIVE_PACKET_BYTES = 256 * 1_024
_MOST_POSTED_BYTES = 2_048  # about 20 requests; a packet takes many more
_BATCH_BYTES = 256 * 1_024
_GCM_BLOCK_BYTES = 16
_GCM_TAG_BYTES = 16

Argument = bytes | int | paramiko.SFTPAttributes


class Packet(NamedTuple):
    """An answer of the server: its kind, and what follows the number of the request."""

    kind: int
    body: memoryview

    def message(self) -> Message:
        """Return the body as paramiko's message."""
        return Message(bytes(self.body))

    def attributes(self) -> paramiko.SFTPAttributes:
        """Parse the attributes of a file."""
        attributes = paramiko.SFTPAttributes()
        parse: Callable[[Message], None] = getattr(attributes, "_unpack")  # noqa: B009
        parse(self.message())
        return attributes


class PacketBatch(list[list[memoryview]]):
    """Channel data, in pieces for each SSH packet; paramiko passes it on like one message."""

    def __init__(self, channel: int) -> None:
        super().__init__()
        self.channel = channel

    def payloads(self) -> Iterator[list[bytes | memoryview]]:
        """Yield the pieces of each packet's payload."""
        head = cMSG_CHANNEL_DATA + self.channel.to_bytes(4, "big")
        for pieces in self:
            yield [head + sum(map(len, pieces)).to_bytes(4, "big"), *pieces]


class BatchPacketizer(Packetizer):
    """paramiko's SSH packets; with AES-GCM several are encrypted and sent together.

    The buffers are used again, because fresh memory costs more than the encryption.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._plain = bytearray()
        self._sealed = bytearray()

    def send_message(self, data: Message | PacketBatch) -> None:
        """Encrypt and send one message, or a batch of channel data."""
        if not isinstance(data, PacketBatch):
            super().send_message(data)
            return
        is_plain = self._get("compress_engine_out") is None and not self.get_hexdump()
        if not self._get("aead_out") or not is_plain:
            for pieces in data.payloads():
                super().send_message(Message(b"".join(pieces)))
            return
        with self._get("write_lock"):
            size_bytes = self._seal(data)
            view = memoryview(self._sealed)[:size_bytes]
            self.write_all(view)
            view.release()
            self._count_sent(len(data), size_bytes)

    def _seal(self, batch: PacketBatch) -> int:
        """Encrypt packets into the buffer, one after the other; return their size together."""
        encrypt, nonce = self._get("block_engine_out").encrypt_into, self._get("iv_out")
        end = 0
        for pieces in batch.payloads():
            size_bytes = self._fill_plain(pieces)
            length = size_bytes.to_bytes(4, "big")
            stop = end + 4 + size_bytes + _GCM_TAG_BYTES
            if stop > len(self._sealed):
                self._sealed.extend(bytes(stop - len(self._sealed)))
            self._sealed[end : end + 4] = length
            with memoryview(self._plain) as plain, memoryview(self._sealed) as sealed:
                encrypt(nonce, plain[:size_bytes], length, sealed[end + 4 : stop])
            number = int.from_bytes(nonce[4:], "big") + 1  # RFC 5647, section 7.1
            nonce = nonce[:4] + number.to_bytes(8, "big")
            end = stop
        self._set("iv_out", nonce)
        return end

    def _fill_plain(self, pieces: list[bytes | memoryview]) -> int:
        """Put a packet together, and return its size: padding's length, payload, padding."""
        payload_bytes = sum(map(len, pieces))
        padding = 3 + _GCM_BLOCK_BYTES - (payload_bytes + 4) % _GCM_BLOCK_BYTES
        size_bytes = 1 + payload_bytes + padding
        if size_bytes > len(self._plain):
            self._plain.extend(bytes(size_bytes - len(self._plain)))
        self._plain[0] = padding
        start = 1
        for piece in (*pieces, os.urandom(padding)):
            self._plain[start : start + len(piece)] = piece
            start += len(piece)
        return size_bytes

    def _count_sent(self, packets: int, size_bytes: int) -> None:
        """Count packets, and ask for new keys when it is time, as paramiko does."""
        number = self._get("sequence_number_out") + packets
        self._set("sequence_number_out", number & xffffffff)
        self._set("sent_packets", self._get("sent_packets") + packets)
        self._set("sent_bytes", self._get("sent_bytes") + size_bytes)
        is_much = (
            self._get("sent_bytes") >= self.REKEY_BYTES
            or self._get("sent_packets") >= self.REKEY_PACKETS
        )
        if is_much and not self.need_rekey():
            self._set("received_bytes_overflow", 0)
            self._set("received_packets_overflow", 0)
            getattr(self, "_trigger_rekey")()  # noqa: B009

    def _get(self, name: str) -> Any:  # noqa: ANN401  the kinds differ, and stubs have none
        return getattr(self, f"_Packetizer__{name}")

    def _set(self, name: str, value: object) -> None:
        setattr(self, f"_Packetizer__{name}", value)


def packetizer_class() -> type[Packetizer] | None:
    """Return the class for a new connection; None, paramiko's own, with a version not read."""
    return BatchPacketizer if paramiko.__version__ == VERSION_READ else None


def receive_packets(session: paramiko.Channel) -> PacketPipe | None:
    """Let a new session receive whole packets; None with a version that was not read."""
    if paramiko.__version__ != VERSION_READ:
        return None
    pipe = PacketPipe()
    session.in_buffer = pipe  # type: ignore[assignment]  # called by paramiko's thread
    return pipe


class RawSftpClient(paramiko.SFTPClient):
    """paramiko's SFTP client with many requests in flight and status codes.

    Requests are collected by ``post`` and sent together by ``send_posted``, because each SSH packet
    costs more than the requests in it. Answers may arrive in any order.
    """

    def __init__(self, session: paramiko.Channel, pipe: PacketPipe | None) -> None:
        self._pipe = pipe
        self._posted: list[bytes] = []
        self._posted_bytes = 0
        self._early: dict[int, Packet] = {}  # answers that came before they were asked for
        self._unanswered: dict[int, bool] = {}  # by number: True if the answer is wanted
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

    # --- sending -------------------------------------------------------------------------------

    def post(self, kind: int, *arguments: Argument) -> int:
        """Add a request to those that are sent next, and return its number."""
        number = self.request_number
        self.request_number = (number + 1) & 0xFFFFFFFF
        self._unanswered[number] = True
        fields = [part for argument in arguments for part in _encode(argument)]
        size_bytes = KIND_AND_NUMBER_BYTES + sum(map(len, fields))
        head = size_bytes.to_bytes(4, "big") + bytes((kind,)) + number.to_bytes(4, "big")
        self._posted += (head, *fields)
        self._posted_bytes += HEAD_BYTES + size_bytes
        return number

    def send_posted(self) -> None:
        """Send the collected requests."""
        payload = Payload(self._posted)
        self._posted.clear()
        self._posted_bytes = 0
        while payload.size_bytes:
            _send_some(self.session, payload)

    # --- receiving -----------------------------------------------------------------------------

    def answer_to(self, number: int) -> Packet:
        """Send what was posted, and wait for the answer to one request."""
        if self._posted:
            self.send_posted()
        while number not in self._early:
            self._receive()
        return self._early.pop(number)

    def any_answer(self) -> tuple[int, Packet]:
        """Return an answer to any request; wait for one if none has arrived.

        What was posted is sent before waiting, or when there is much of it: answers that are worked
        on together lead to requests that are sent together.
        """
        while not self._early:
            if self._posted and (self._posted_bytes >= _MOST_POSTED_BYTES or not self._is_ready()):
                self.send_posted()
            self._receive()
        return self._early.popitem()

    def has_answer(self) -> bool:
        """Return True if an answer to any request has arrived already."""
        while not self._early and self._is_ready():
            self._receive()
        return bool(self._early)

    def has_answer_to(self, number: int) -> bool:
        """Return True if the answer to a request has arrived already."""
        while number not in self._early and self._is_ready():
            self._receive()
        return number in self._early

    def _is_ready(self) -> bool:
        return self._pipe is not None and self._pipe.read_ready()

    def ignore(self, number: int) -> None:
        """Drop the answer to a request whenever it arrives."""
        if self._early.pop(number, None) is None:
            self._unanswered[number] = False

    def _receive(self) -> None:
        """Wait for an answer; store it if it is wanted.

        Raises:
            GarbledPacketError: It answers no request of ours.
        """
        kind, rest = self._read_packet()
        number = int.from_bytes(rest[:4], "big")
        is_wanted = self._unanswered.pop(number, None)
        if is_wanted is None:
            raise GarbledPacketError("the server answered what it was not asked")
        if is_wanted:
            self._early[number] = Packet(kind, memoryview(rest)[4:])

    def _read_packet(self) -> tuple[int, bytes | memoryview]:
        if self._pipe is None:
            read: Callable[[], tuple[int, bytes]] = super()._read_packet  # type: ignore[misc]
            return read()
        packet = self._pipe.take(self.session.gettimeout())
        self._open_window(len(packet) + HEAD_BYTES)
        return packet[0], memoryview(packet)[1:]

    def _open_window(self, size_bytes: int) -> None:
        """Allow the server to send as many bytes more, as ``Channel.recv`` does."""
        session = self.session
        count: Callable[[int], int] = getattr(session, "_check_add_window")  # noqa: B009
        acknowledged = count(size_bytes)
        if acknowledged > 0:
            message = Message()
            message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(session.remote_chanid)
            message.add_int(acknowledged)
            _send_message(session, message)

    # --- paramiko's own calls ------------------------------------------------------------------

    def check_status(self, code: int, text: str) -> None:
        """Raise the error for a status code; called for every status that is an answer."""
        raise NotImplementedError

    def request(self, kind: int, *arguments: Argument) -> Message:
        """Send a request, and wait for its answer."""
        return self._request(kind, *arguments)[1]

    def _request(self, kind: int, *arguments: Argument) -> tuple[int, Message]:
        """Send a request for one of paramiko's public calls, and wait for its answer."""
        packet = self.answer_to(self.post(kind, *arguments))
        message = packet.message()
        if packet.kind == CMD_STATUS:
            self.check_status(message.get_int(), message.get_text())
        return packet.kind, message


def _encode(argument: Argument) -> tuple[bytes, ...]:
    if isinstance(argument, int):
        return (argument.to_bytes(8 if isinstance(argument, int64) else 4, "big"),)
    if isinstance(argument, paramiko.SFTPAttributes):
        message = Message()
        pack: Callable[[Message], None] = getattr(argument, "_pack")  # noqa: B009
        pack(message)
        return (message.asbytes(),)
    return len(argument).to_bytes(4, "big"), argument


def _send_some(session: paramiko.Channel, payload: Payload) -> None:
    """Send as many bytes as the server's window takes, at least one.

    ``Channel.send`` sends one SSH packet at a time; here several are encrypted and sent together.
    """
    if not isinstance(_packetizer_of(session), BatchPacketizer):
        # Pieces of exactly one packet: paramiko would copy the rest of a longer one each time.
        size_bytes = min(payload.size_bytes, max(session.out_max_packet_size - 64, 1))
        session.sendall(b"".join(payload.take(size_bytes)))
        return
    take: Callable[[int], int] = getattr(session, "_wait_for_send_window")  # noqa: B009
    batch = PacketBatch(session.remote_chanid)
    batch_bytes = 0
    with session.lock:
        while payload.size_bytes and batch_bytes < _BATCH_BYTES:
            if batch and not session.out_window_size:
                break
            size_bytes = 0 if session.closed else take(payload.size_bytes)
            if not size_bytes:
                raise EOFError("the session has ended")
            batch.append(payload.take(size_bytes))
            batch_bytes += size_bytes
    _send_message(session, batch)


def _packetizer_of(session: paramiko.Channel) -> object:
    return getattr(session.get_transport(), "packetizer", None)


def end_input(session: paramiko.Channel) -> None:
    """Tell the server that there is no more input, unless the session is closed already.

    ``Channel.shutdown_write`` sends this message after it has released the session's lock. The
    answer to the server's close may be sent before it; then sshd ends the whole connection.
    """
    end: Callable[[], Message | None] = getattr(session, "_send_eof")  # noqa: B009
    with session.lock:
        message = None if session.closed else end()
        if message is not None:
            _send_message(session, message)


def _send_message(session: paramiko.Channel, message: Message | PacketBatch) -> None:
    send = getattr(session.get_transport(), "_send_user_message")  # noqa: B009
    cast("Callable[[Message | PacketBatch], None]", send)(message)
