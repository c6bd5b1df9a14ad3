r"""Content names and the two digests. WSUS names a file by its SHA-1; our proof is its BLAKE3.

Layout (WSUS): ``WsusContent\<XX>\<40 hex SHA-1, upper case>.<ext>``, where XX is the last byte
of the SHA-1. Test vector from a real server: base64 ``y2/wvtpOW/lSqnhTjJoi3xE1EGM=`` is
``CB6FF0BEDA4E5BF952AA78538C9A22DF11351063`` in folder ``63``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_EXTENSION_CHARACTERS = 16
"""Longest extension of a content file; real ones have up to ten letters (``msixbundle``)."""
EXTENSION = rf"[A-Za-z0-9](?:[A-Za-z0-9_-]{{0,{MOST_EXTENSION_CHARACTERS - 1}}})"
"""Pattern of an extension: nothing in it can be taken for a path, a stream or one of our names."""
_NAME = re.compile(rf"([0-9A-Fa-f]{{40}})(?:\.({EXTENSION}))?")


@dataclass(frozen=True, slots=True, order=True)
class ContentDigest:
    """WSUS's own SHA-1 of a content file; 20 bytes. It detects corruption, but not an attack."""

    raw: bytes

    @classmethod
    def from_hex(cls, text: str) -> ContentDigest:
        """Parse 40 hexadecimal digits; anything else is a ``ValueError``."""
        if len(text) != 40:
            raise ValueError(f"a content digest has 40 hexadecimal digits, not {len(text)}")
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        """Digest as 40 upper-case digits, the form of WSUS."""
        return self.raw.hex().upper()

    @property
    def folder(self) -> str:
        """Folder of WsusContent that contains the file: the last byte of the digest."""
        return f"{self.raw[-1]:02X}"


@dataclass(frozen=True, slots=True, order=True)
class Blake3:
    """Our BLAKE3 of a file; 32 bytes. Sealed documents contain it."""

    raw: bytes

    @classmethod
    def from_hex(cls, text: str) -> Blake3:
        """Parse 64 hexadecimal digits; anything else is a ``ValueError``."""
        if len(text) != 64:
            raise ValueError(f"a BLAKE3 digest has 64 hexadecimal digits, not {len(text)}")
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        """Digest as 64 lower-case digits, the form of b3sum."""
        return self.raw.hex()

    @property
    def short(self) -> str:
        """First 16 digits, for messages and names of folders."""
        return self.hex[:16]


@dataclass(frozen=True, slots=True, order=True)
class ContentName:
    """A content file's name as digest and extension (may be empty), never as the original text."""

    digest: ContentDigest
    extension: str

    @classmethod
    def parse(cls, text: str) -> ContentName | None:
        """Parse ``<40 hex>.<ext>``; None for any other name, such as WSUS's own files."""
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        return cls(ContentDigest.from_hex(match[1]), match[2] or "")

    @property
    def key(self) -> tuple[bytes, str]:
        """Key of comparison: like NTFS it ignores the case of the extension."""
        return (self.digest.raw, self.extension.lower())

    @property
    def order(self) -> tuple[int, bytes, str]:
        """Sort key of all content: folder, then digest, then extension.

        The folder comes first, so that WsusContent can be listed folder by folder in this order,
        and a manifest has all files of one folder together.
        """
        return (self.digest.raw[-1], self.digest.raw, self.extension.lower())

    @property
    def text(self) -> str:
        """Name of the file, for example ``CB6F…1063.cab``."""
        return f"{self.digest.hex}.{self.extension}" if self.extension else self.digest.hex

    @property
    def folder(self) -> str:
        """Folder below WsusContent, for example ``63``."""
        return self.digest.folder


@dataclass(frozen=True, slots=True)
class FileDigests:
    """Both digests and the size of one file, from one read of its bytes."""

    sha1: ContentDigest
    blake3: Blake3
    size_bytes: int
