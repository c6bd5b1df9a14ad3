"""Both digests of a file from one pass over its bytes.

SHA-1 and BLAKE3 release the interpreter lock, so several threads hash several files at the same
time. Nothing is copied: the chunks of a host are views of its own buffer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from blake3 import blake3

from tasks.content.names import Blake3, ContentDigest, FileDigests

_CHUNK_BYTES = 1_048_576


class Digester:
    """Running computation of both digests and the size of a stream of bytes."""

    __slots__ = ("_blake3", "_sha1", "size_bytes")

    def __init__(self) -> None:
        self._sha1 = hashlib.sha1(usedforsecurity=False)  # WSUS names files by it; not a proof
        self._blake3 = blake3()
        self.size_bytes = 0

    def update(self, chunk: bytes | memoryview) -> None:
        """Add the next bytes."""
        self._sha1.update(chunk)
        self._blake3.update(chunk)
        self.size_bytes += len(chunk)

    def watch(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """Yield chunks unchanged, and add each of them."""
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    def result(self) -> FileDigests:
        """Return both digests and the size of the bytes added so far."""
        return FileDigests(
            sha1=ContentDigest(self._sha1.digest()),
            blake3=Blake3(self._blake3.digest()),
            size_bytes=self.size_bytes,
        )


def digest_chunks(chunks: Iterable[bytes | memoryview]) -> FileDigests:
    """Read a stream of bytes to its end, and return both digests of it."""
    digester = Digester()
    for chunk in chunks:
        digester.update(chunk)
    return digester.result()


def digest_bytes(content: bytes) -> FileDigests:
    """Return both digests of a small file that is in memory."""
    sha1 = hashlib.sha1(content, usedforsecurity=False).digest()
    return FileDigests(ContentDigest(sha1), Blake3(blake3(content).digest()), len(content))


def blake3_of_chunks(chunks: Iterable[bytes | memoryview]) -> Blake3:
    """Read a stream of bytes to its end and give its BLAKE3 alone: a document has no SHA-1 name."""
    hasher = blake3()
    for chunk in chunks:
        hasher.update(chunk)
    return Blake3(hasher.digest())


def blake3_of_file(path: Path) -> Blake3 | None:
    """Return the BLAKE3 of a file of ours on this machine; None if the file does not exist."""
    if not path.is_file():
        return None
    with path.open("rb", buffering=0) as stream:  # a map would count as our memory
        return blake3_of_chunks(iter(lambda: stream.read(_CHUNK_BYTES), b""))
