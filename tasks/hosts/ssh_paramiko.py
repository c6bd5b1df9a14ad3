"""The members of paramiko that it does not document; this is the one module that uses them.

Read in paramiko (5.1.0): of ``SFTPClient`` ``_request``, ``_async_request``, ``_read_response`` and
``_convert_status``, which calls back here; ``_async_response``, which ``_read_response`` calls on
the receiver of an answer; ``Channel._send_eof`` and ``Transport._send_user_message``. The public
calls lack status codes, extensions of OpenSSH and reading ahead in the caller's thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import paramiko
from paramiko.message import Message
from paramiko.sftp import int64


class AnswerReceiver(ABC):
    """Receiver of answers to requests that were sent ahead, in any order."""

    @abstractmethod
    def receive(self, kind: int, message: Message, number: int) -> None:
        """Take the answer to the request with this number."""

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        self.receive(kind, message, number)


class RawSftpClient(paramiko.SFTPClient):
    """paramiko's SFTP client with raw requests and status codes."""

    def request(self, kind: int, *arguments: bytes) -> Message:
        """Send a request, and wait for its answer."""
        send: Callable[..., tuple[int, Message]] = self._request  # type: ignore[attr-defined]
        return send(kind, *arguments)[1]

    def request_ahead(
        self, receiver: AnswerReceiver, kind: int, *arguments: bytes | int | int64
    ) -> int:
        """Send a request without waiting, and return its number; the receiver gets the answer."""
        send: Callable[..., int] = self._async_request  # type: ignore[attr-defined]
        return send(receiver, kind, *arguments)

    def read_answer(self) -> None:
        """Wait for the next answer, and pass it to its receiver."""
        read: Callable[[], object] = self._read_response  # type: ignore[attr-defined]
        read()

    def check_status(self, code: int, text: str) -> None:
        """Raise the error for a status code; called for every status that is an answer."""
        raise NotImplementedError

    def _convert_status(self, msg: Message) -> None:
        self.check_status(msg.get_int(), msg.get_text())


def end_input(session: paramiko.Channel) -> None:
    """Tell the server that there is no more input, unless the session is closed already.

    ``Channel.shutdown_write`` sends this message after it has released the session's lock. The
    answer to the server's close may be sent before it; then sshd ends the whole connection.
    """
    transport = session.get_transport()
    end: Callable[[], Message | None] = getattr(session, "_send_eof")  # noqa: B009
    send: Callable[[Message], None] = getattr(transport, "_send_user_message")  # noqa: B009
    with session.lock:
        message = None if session.closed else end()
        if message is not None:
            send(message)
