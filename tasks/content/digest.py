"""Both digests of a file from one pass over its bytes.

SHA-1 and BLAKE3 let go of the interpreter lock while they work, so a few threads that each read
and hash one file keep as many processors busy. Nothing is copied: the chunks that a host hands
out are views of its own buffer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from blake3 import blake3

from tasks.content.names import Blake3, ContentDigest, FileDigests


class Digester:
    """Takes bytes as they pass and knows both digests and the size at the end."""

    __slots__ = ("_blake3", "_sha1", "size_bytes")

    def __init__(self) -> None:
        self._sha1 = hashlib.sha1(usedforsecurity=False)  # WSUS's name for a file, no proof
        self._blake3 = blake3()
        self.size_bytes = 0

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._sha1.update(chunk)
        self._blake3.update(chunk)
        self.size_bytes += len(chunk)

    def watch(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """Pass chunks on unchanged and take them on the way."""
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    def result(self) -> FileDigests:
        """Both digests of what was taken so far."""
        return FileDigests(
            sha1=ContentDigest(self._sha1.digest()),
            blake3=Blake3(self._blake3.digest()),
            size_bytes=self.size_bytes,
        )


def digest_chunks(chunks: Iterable[bytes | memoryview]) -> FileDigests:
    """Read a stream of bytes to its end and give both digests of it."""
    digester = Digester()
    for chunk in chunks:
        digester.update(chunk)
    return digester.result()


def blake3_of_chunks(chunks: Iterable[bytes | memoryview]) -> Blake3:
    """Read a stream of bytes to its end and give its BLAKE3 alone: a document has no SHA-1 name."""
    hasher = blake3()
    for chunk in chunks:
        hasher.update(chunk)
    return Blake3(hasher.digest())


def blake3_of_file(path: Path) -> Blake3 | None:
    """BLAKE3 of a file of ours on this machine; None when it is gone."""
    if not path.is_file():
        return None
    return Blake3(blake3(max_threads=blake3.AUTO).update_mmap(path).digest())
