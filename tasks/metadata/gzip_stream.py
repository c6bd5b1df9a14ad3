"""Decompress a gzip file to its end, within limits, in pieces of bounded size.

It uses zlib instead of ``gzip.GzipFile``, because the limits must hold inside one compressed block
(a gzip bomb turns one byte into a thousand), and because the package is hashed as it is read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from tasks.content.names import Blake3
from tasks.errors import PackageError
from tasks.metadata.limits import Limits
from tasks.progress import Progress
from tasks.quantities import size

_GZIP = 31  # zlib's window size for a gzip member with a check of its CRC and length
_READ_BYTES = 128 * 1024


class StreamLimitError(ValueError):
    """There is more XML than the limits allow; the caller adds update and package."""


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
            PackageError: The file is not gzip, damaged, truncated, or followed by other bytes.
            StreamLimitError: There is too much XML.
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
            reason = f"gzip ends in the middle, after {size(self.package_bytes)}: truncated"
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
            raise StreamLimitError(f"it has more than {size(limits.plain_bytes)} of XML")
        allowed = max(limits.free_bytes, limits.ratio * self.package_bytes)
        if self.plain_bytes > allowed:
            raise StreamLimitError(
                f"it has more than {limits.ratio} bytes of XML per byte of package: a gzip bomb?"
            )
        return piece
