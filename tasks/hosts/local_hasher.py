"""A second process that hashes large files of this machine (``hash_process``).

Its answers only save time: a file without an answer is read by the caller in the plain way, which
also finds out what is wrong with it. Files are opened here, without following links.

Requests are sent ahead, and answers taken when they are needed, by one thread: with a thread for
each file the process would often wait until one of them gets the interpreter.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import blake3

from tasks.errors import AirGapError
from tasks.hosts import hash_process
from tasks.hosts.hash_process import ANSWER, MOST_MESSAGE_BYTES, PART, REQUEST
from tasks.hosts.host import ApartDigests
from tasks.hosts.local_files import READ_FLAGS, Anchors, open_file
from tasks.hosts.paths import HostPath

_MOST_SENT = 100  # so many requests and answers always have room in the socket


class LocalHasher:
    """The process, with the files that it was asked for. For one thread."""

    def __init__(self, anchors: Anchors) -> None:
        """Start the process.

        Raises:
            OSError: It cannot be started.
        """
        self._anchors = anchors
        self._waiting: deque[tuple[int, HostPath, int, bool]] = deque()
        self._sent: dict[int, int] = {}  # bytes that were hashed so far, by number
        self._answers: dict[int, ApartDigests | None] = {}
        self._last = 0
        self._line, theirs = _packet_sockets()
        packages = str(Path(blake3.__file__).parents[1])
        with theirs, ExitStack() as unless_started:
            unless_started.callback(self._line.close)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", hash_process.__file__, packages, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
            unless_started.pop_all()

    def ask(self, path: HostPath, limit_bytes: int, *, with_sha1: bool) -> int:
        """Ask for a file's digests, and return the number to call ``answer`` with."""
        self._last += 1
        self._waiting.append((self._last, path, limit_bytes, with_sha1))
        self._send()
        return self._last

    def answer(self, number: int, advance: Callable[[int], None]) -> ApartDigests | None:
        """Wait for an answer; None if hashing did not succeed, for whatever reason.

        ``advance`` gets the numbers of bytes that were hashed, of whichever file, and takes them
        back for a file without an answer.
        """
        while number not in self._answers:
            self._send()
            if number not in self._answers:
                self._receive(advance)
        return self._answers.pop(number)

    def close(self) -> None:
        """End the process; it only reads."""
        self._process.kill()
        self._process.wait()
        self._line.close()

    def _send(self) -> None:
        while self._waiting and len(self._sent) < _MOST_SENT:
            number, path, limit_bytes, with_sha1 = self._waiting.popleft()
            try:
                file = open_file(self._anchors, path, READ_FLAGS)
            except (AirGapError, OSError):
                self._answers[number] = None
                continue
            if sys.platform == "win32":
                raise NotImplementedError
            try:
                request = REQUEST.pack(number, limit_bytes, with_sha1)
                socket.send_fds(self._line, [request], [file])
                self._sent[number] = 0
            except OSError:  # the process has ended
                self._answers[number] = None
            finally:
                os.close(file)

    def _receive(self, advance: Callable[[int], None]) -> None:
        """Take one message; at the end of the process all that it was asked has no answer."""
        try:
            message = self._line.recv(MOST_MESSAGE_BYTES)
        except OSError:
            message = b""
        if len(message) == PART.size:
            number, size_bytes = PART.unpack(message)
            self._sent[number] += size_bytes
            advance(size_bytes)
        elif len(message) == ANSWER.size:
            number, size_bytes, proof, sha1 = ANSWER.unpack(message)
            del self._sent[number]
            self._answers[number] = ApartDigests(size_bytes, proof, sha1)
        else:
            failed = [hash_process.NO.unpack(message)[0]] if message else list(self._sent)
            for number in failed:
                advance(-self._sent.pop(number))
                self._answers[number] = None


def _packet_sockets() -> tuple[socket.socket, socket.socket]:
    if sys.platform == "win32":
        raise OSError("Windows cannot hand open files over")
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
