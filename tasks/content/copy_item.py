"""One file to copy or to prove, and the judgement of its bytes by size and digests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.content.names import Blake3, ContentDigest, FileDigests
from tasks.errors import (
    AirGapError,
    ConnectionLostError,
    ContentWrongError,
    DiskFullError,
    TimeLimitError,
)
from tasks.hosts.host import Readable
from tasks.hosts.paths import HostPath

# After these errors no other file can succeed, so the caller gets the error instead of results.
FATAL = (DiskFullError, ConnectionLostError, TimeLimitError)


@dataclass(frozen=True, slots=True)
class CopyItem:
    """One file to copy, or only to prove if there is no destination.

    Attributes:
        sources: Files with its bytes; several files are read one after another as one.
        size_bytes: Expected size; reading stops beyond it.
        sha1: Expected SHA-1; None: not compared.
        blake3: Expected BLAKE3; None: not compared, for example because it is not known yet. A file
            without ``beside`` that is compared with its BLAKE3 alone gets no SHA-1 computed.
        beside: Path for writing; on the same volume as ``final``.
        final: Path after the file is proved and durable. The folder must exist.
        present: True if ``final`` exists with this size. Then that file is proved first, and
            copied only if it is wrong. This needs ``blake3``; without it the file is copied.
    """

    sources: tuple[HostPath, ...]
    size_bytes: int
    sha1: ContentDigest | None = None
    blake3: Blake3 | None = None
    beside: HostPath | None = None
    final: HostPath | None = None
    present: bool = False

    @property
    def is_sealed_only(self) -> bool:
        """True if the file is only proved, by what a seal binds: its size and its BLAKE3."""
        return self.beside is None and self.sha1 is None and self.blake3 is not None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """Result of one item: either ``digests`` or ``error``.

    Attributes:
        item: The item.
        digests: Digests of the file's bytes; None also if only its BLAKE3 was computed.
        error: A ``ContentWrongError`` if the bytes were read and are wrong, or another error.
        written: False if the file was only proved, or was already present and intact. For a
            failed file: True if bytes may have been written beside; they were removed again.
    """

    item: CopyItem
    digests: FileDigests | None = None
    error: AirGapError | None = None
    written: bool = False

    @property
    def is_ok(self) -> bool:
        """True if the file is proved and, with a destination, durable under its final name."""
        return self.error is None


def read_bounded(
    host: Readable, sources: Sequence[HostPath], limit_bytes: int
) -> Iterator[bytes | memoryview]:
    """Read files one after another, and stop at the first chunk beyond the expected size."""
    total = 0
    for path in sources:
        for chunk in host.read(path):
            total += len(chunk)
            if total > limit_bytes:
                raise too_long(path, limit_bytes)
            yield chunk


def too_long(path: HostPath, limit_bytes: int) -> ContentWrongError:
    """Return the error for a file that is longer than expected."""
    return ContentWrongError(path=path, expected=f"{limit_bytes} bytes", found="more than that")


def judge(item: CopyItem, digests: FileDigests, *, is_written: bool) -> CopyResult:
    """Return the result for a file with these digests."""
    difference = find_difference(item, digests)
    if difference is None:
        return CopyResult(item, digests, None, is_written)
    expected, actual = difference
    error = ContentWrongError(path=item.sources[0], expected=expected, found=actual)
    return CopyResult(item, None, error, is_written)


def judge_sealed(item: CopyItem, proof: Blake3, size_bytes: int) -> CopyResult:
    """Return the result for a file of which only size and BLAKE3 are compared.

    SHA-1 would take twice the time.
    """
    if proof == item.blake3 and size_bytes == item.size_bytes:
        return CopyResult(item)
    expected = f"{item.size_bytes} bytes, BLAKE3 {item.blake3 and item.blake3.hex}"
    actual = f"{size_bytes} bytes, BLAKE3 {proof.hex}"
    error = ContentWrongError(path=item.sources[0], expected=expected, found=actual)
    return CopyResult(item, None, error)


def find_difference(item: CopyItem, digests: FileDigests) -> tuple[str, str] | None:
    """Return the expected and the actual value that differ, as text; None if all agree."""
    if digests.size_bytes != item.size_bytes:
        return f"{item.size_bytes} bytes", f"{digests.size_bytes} bytes"
    if item.sha1 is not None and digests.sha1 != item.sha1:
        return f"SHA-1 {item.sha1.hex}", f"SHA-1 {digests.sha1.hex}"
    if item.blake3 is not None and digests.blake3 != item.blake3:
        return f"BLAKE3 {item.blake3.hex}", f"BLAKE3 {digests.blake3.hex}"
    return None
