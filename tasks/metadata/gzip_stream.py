"""Gzip to its very end, within limits, in pieces of bounded size.

Written on zlib rather than on ``gzip.GzipFile``: the limits must hold inside one compressed block
(a bomb makes a thousand bytes of one), and the package is hashed on its way through.
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

_GZIP = 31  # zlib's window size for "a gzip member, checked against its CRC and length"
_READ_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a package may make us do before it counts as hostile.

    Attributes:
        plain_bytes: Of XML in all. Full catalogues passed 2 GB in 2013; thirty times that is left.
        ratio: XML bytes per package byte. XML of this kind packs to 1:10, or 1:40 where it is very
            dull; gzip can do 1:1032, so what is above 200 was made to.
        free_bytes: Below this the ratio is not looked at, since small files may be very regular.
        element_bytes: Of XML between the ends of two elements that we take; bounds the memory for
            one update. WSUS hands a client at most 5 MiB of update XML in one answer, which
            escaped and as UTF-16 stays below this; a tree of it takes up to thirty times that.
        prolog_bytes: Before the root element's start tag ends.
        piece_bytes: Of XML in memory at once.
        languages, mapped_files, revisions: Elements of each kind.
        name_characters: Of a file's name or address, or a language's code.
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
    """Reads one package; after the last piece the totals and the digest stand."""

    def __init__(self, package: Path, *, limits: Limits, progress: Progress) -> None:
        self._package = package
        self._limits = limits
        self._progress = progress
        self._hasher = blake3()
        self.package_bytes = 0
        self.plain_bytes = 0

    @property
    def blake3(self) -> Blake3:
        """Over the package's bytes as read so far."""
        return Blake3(self._hasher.digest())

    def pieces(self) -> Iterator[bytes]:
        """Yield the XML in pieces of at most ``piece_bytes``.

        Raises:
            PackageError: Not gzip, damaged, truncated, followed by something else, or too much.
        """
        member = zlib.decompressobj(_GZIP)
        has_member = False  # a member begun, its end not seen yet
        for raw in self._raw():
            rest = raw
            while rest:
                if not has_member and rest[:1] == b"\0":
                    rest = rest.lstrip(b"\0")  # gzip allows zeros after its end, tapes need them
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
