"""Hash large files for another process, which opened them; this file is run by itself.

A map of a file spares the copy of its bytes, a tenth to a quarter of the time of hashing, and a
process of its own spares the threads their wait for the interpreter. But a map must not be used
where its end would matter: when a medium is pulled out, or a file gets shorter, the system ends the
process that reads the map. So this process does nothing else, and what it did not answer is read
again by the one that asked (``local_hasher``).

It imports nothing but the standard library and ``blake3``. Over a socket of packets come requests,
each with an open file: its number, the greatest size, and whether SHA-1 is asked for. Answers are
the number with bytes that were hashed, and at the end with size, BLAKE3 and SHA-1, or alone: "no".
"""

from __future__ import annotations

import hashlib
import importlib
import mmap
import os
import socket
import struct
import sys
from collections.abc import Callable
from threading import Thread
from typing import Any

REQUEST = struct.Struct("<qq?")
PART = struct.Struct("<qq")
ANSWER = struct.Struct("<qq32s20s")
NO = struct.Struct("<q")
MOST_MESSAGE_BYTES = 128

_FILES_AT_ONCE = 2
_WINDOW_BYTES = 16 * 1_048_576
_BLOCK_BYTES = 1_048_576  # of both digests the second finds its bytes in the processor's cache


def main() -> None:
    """Serve the socket whose descriptor is the last argument, until its other end is closed."""
    sys.path.append(sys.argv[1])
    blake3 = importlib.import_module("blake3").blake3
    line = socket.socket(fileno=int(sys.argv[2]))
    for _ in range(_FILES_AT_ONCE):
        Thread(target=_serve, args=(line, blake3)).start()


def _serve(line: socket.socket, blake3: Any) -> None:  # noqa: ANN401
    try:
        _answer_requests(line, blake3)
    except BaseException:  # noqa: BLE001
        os._exit(1)  # a request without an answer would be waited for; an end of all is noticed


def _answer_requests(line: socket.socket, blake3: Any) -> None:  # noqa: ANN401
    if sys.platform == "win32":
        raise NotImplementedError
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, MOST_MESSAGE_BYTES, 1)
        if not message:
            return
        number, most_bytes, with_sha1 = REQUEST.unpack(message)
        hashed = Hashed(blake3(), hashlib.sha1(usedforsecurity=False) if with_sha1 else None)

        def report(size_bytes: int, number: int = number) -> None:
            line.send(PART.pack(number, size_bytes))

        try:
            size_bytes = hash_file(descriptors[0], most_bytes, hashed, report)
        except (OSError, ValueError):
            size_bytes = None
        finally:
            os.close(descriptors[0])
        if size_bytes is None:
            line.send(NO.pack(number))
        else:
            sha1 = hashed.sha1.digest() if hashed.sha1 is not None else b""
            line.send(ANSWER.pack(number, size_bytes, hashed.proof.digest(), sha1))


class Hashed:
    """Both digests while they are computed, or BLAKE3 alone."""

    def __init__(self, proof: Any, sha1: Any) -> None:  # noqa: ANN401
        self.proof = proof
        self.sha1 = sha1

    def update(self, window: mmap.mmap) -> None:
        """Hash the bytes of a window."""
        if self.sha1 is None:
            self.proof.update(window)
            return
        with memoryview(window) as view:
            for start in range(0, len(view), _BLOCK_BYTES):
                with view[start : start + _BLOCK_BYTES] as block:
                    self.sha1.update(block)
                    self.proof.update(block)


def hash_file(
    file: int, most_bytes: int, hashed: Hashed, report: Callable[[int], object]
) -> int | None:
    """Hash a file, and return its size; None if it is too long or changes its size meanwhile."""
    if sys.platform == "win32":
        raise NotImplementedError
    size_bytes = os.fstat(file).st_size
    if size_bytes > most_bytes:
        return None
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    os.posix_fadvise(file, 0, _WINDOW_BYTES, os.POSIX_FADV_WILLNEED)
    for start in range(0, size_bytes, _WINDOW_BYTES):
        length = min(_WINDOW_BYTES, size_bytes - start)
        os.posix_fadvise(file, start + length, _WINDOW_BYTES, os.POSIX_FADV_WILLNEED)
        with mmap.mmap(file, length, flags, mmap.PROT_READ, offset=start) as window:
            hashed.update(window)
        report(length)
    return size_bytes if os.fstat(file).st_size == size_bytes else None


if __name__ == "__main__":
    main()
