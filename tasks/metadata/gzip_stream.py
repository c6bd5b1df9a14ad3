"""Decompress a gzip file to its end, within limits, in pieces of bounded size.

It uses zlib instead of ``gzip.GzipFile``, because the limits must hold inside one compressed block
(a gzip bomb turns one byte into a thousand), and because the package is hashed as it is read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from tasks.content.names import Blake3
from tasks.errors import PackageError
from tasks.progress import Progress

_GZIP = 31  # zlib's window size for a gzip member with a check of its CRC and length
_READ_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits above which a package counts as hostile.

    Attributes:
        plain_bytes: Bytes of XML in all. Full catalogues passed 2 GB in 2013 (WSUS product team
            blog, 2013-04-09); the limit is thirty times as high.
        ratio: Bytes of XML per byte of package. Such XML compresses to 1:10, very regular XML to
            1:40; gzip can reach 1:1032, so a ratio above 200 is deliberate.
        free_bytes: Bytes of XML up to which the ratio is ignored, since small files may be very
            regular.
        element_bytes: Bytes of XML between the ends of two elements that we read; limits the memory
            for one update. WSUS sends a client at most 5 MiB of update XML in one answer, which
            stays below this even escaped and as UTF-16. A tree of it takes up to thirty times as
            much memory.
        prolog_bytes: Bytes up to the end of the root element's start tag.
        piece_bytes: Bytes of XML in memory at once.
        languages, mapped_files, revisions: Number of elements of each kind.
        name_characters: Characters of a file's name or address, or of a language's code.
    """

    plain_bytes: int = 64 * 1024**3
    ratio: int = 200
    free_bytes: int = 64 * 1024**2
    element_bytes: int = 16 * 1024**2
    prolog_bytes: int = 64 * 1024
    piece_bytes: int = 256 * 1024
    languages: int = 1_000
    mapped_files: int = 4_000_000
    revisions: int = 1_000_000
    name_characters: int = 2_000


class GzipStream:
    """A package being read; totals and digest are complete after the last piece."""

    def __init__(self, package: Path, *, limits: Limits, progress: Progress) -> None:
        self._package = package
        self._limits = limits
        self._progress = progress
        self._hasher = blake3()
        self.package_bytes = 0
        self.plain_bytes = 0

    @property
    def blake3(self) -> Blake3:
        """The digest of the package's bytes that were read so far."""
        return Blake3(self._hasher.digest())

    def pieces(self) -> Iterator[bytes]:
        """Yield the XML in pieces of at most ``piece_bytes``.

        Raises:
            PackageError: The file is not gzip, damaged, truncated, followed by other bytes, or
                above a limit.
        """
        member = zlib.decompressobj(_GZIP)
        has_member = False  # True between the beginning and the end of a member
        for raw in self._raw():
            rest = raw
            while rest:
                if not has_member and rest[:1] == b"\0":
                    rest = rest.lstrip(b"\0")  # gzip allows zeros after its end
                    continue
                has_member = True
                if piece := self._inflate(member, rest):
                    yield self._counted(piece)
                rest = member.unconsumed_tail
                if member.eof:
                    rest, member, has_member = member.unused_data, zlib.decompressobj(_GZIP), False
        if self.package_bytes == 0:
            raise PackageError(path=self._package, reason="the file is empty")
        if has_member:
            reason = f"gzip ends in the middle, after {self.package_bytes} bytes: truncated"
            raise PackageError(path=self._package, reason=reason)

    def _raw(self) -> Iterator[bytes]:
        try:
            with self._package.open("rb", buffering=0) as file:
                while raw := file.read(_READ_BYTES):
                    self._hasher.update(raw)
                    self.package_bytes += len(raw)
                    self._progress.advance(len(raw))
                    yield raw
        except OSError as error:
            reason = error.strerror or str(error)
            raise PackageError(path=self._package, reason=f"cannot be read: {reason}") from error

    def _inflate(self, member: zlib._Decompress, raw: bytes) -> bytes:
        try:
            return member.decompress(raw, self._limits.piece_bytes)
        except zlib.error as error:
            where = f"near byte {self.package_bytes - len(raw)}"
            reason = f"not whole gzip {where}: {error}"
            raise PackageError(path=self._package, reason=reason) from error

    def _counted(self, piece: bytes) -> bytes:
        self.plain_bytes += len(piece)
        limits = self._limits
        if self.plain_bytes > limits.plain_bytes:
            reason = f"more than {limits.plain_bytes} bytes of XML"
            raise PackageError(path=self._package, reason=reason)
        allowed = max(limits.free_bytes, limits.ratio * self.package_bytes)
        if self.plain_bytes > allowed:
            reason = f"more than {limits.ratio} bytes of XML per byte of package: a gzip bomb"
            raise PackageError(path=self._package, reason=reason)
        return piece
