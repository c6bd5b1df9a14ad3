r"""Content names and the two digests: SHA-1 is WSUS's name for a file, BLAKE3 is our proof.

Layout (WSUS): ``WsusContent\<XX>\<40 hex SHA-1, upper case>.<ext>``, where XX is the last byte
of the SHA-1. Test vector from a real server: base64 ``y2/wvtpOW/lSqnhTjJoi3xE1EGM=`` is
``CB6FF0BEDA4E5BF952AA78538C9A22DF11351063`` in folder ``63``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"([0-9A-Fa-f]{40})(?:\.([A-Za-z0-9]{1,8}))?")


@dataclass(frozen=True, slots=True, order=True)
class ContentDigest:
    """WSUS's own SHA-1 of a content file; 20 bytes. Finds corruption, proves nothing."""

    raw: bytes

    @classmethod
    def from_hex(cls, text: str) -> ContentDigest:
        """Take 40 hexadecimal digits; anything else is a ``ValueError``."""
        if len(text) != 40:
            raise ValueError(f"a content digest has 40 hexadecimal digits, not {len(text)}")
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        """40 upper-case digits, as WSUS writes them."""
        return self.raw.hex().upper()

    @property
    def folder(self) -> str:
        """The folder of WsusContent that holds the file: the last byte."""
        return f"{self.raw[-1]:02X}"


@dataclass(frozen=True, slots=True, order=True)
class Blake3:
    """Our BLAKE3 of a file; 32 bytes. What a seal vouches for."""

    raw: bytes

    @classmethod
    def from_hex(cls, text: str) -> Blake3:
        """Take 64 hexadecimal digits; anything else is a ``ValueError``."""
        if len(text) != 64:
            raise ValueError(f"a BLAKE3 digest has 64 hexadecimal digits, not {len(text)}")
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        """64 lower-case digits, as b3sum writes them."""
        return self.raw.hex()

    @property
    def short(self) -> str:
        """The first 16 digits: what a person is shown, and folders are named after."""
        return self.hex[:16]


@dataclass(frozen=True, slots=True, order=True)
class ContentName:
    """A content file's name: digest and extension (may be empty), rebuilt, never passed through."""

    digest: ContentDigest
    extension: str

    @classmethod
    def parse(cls, text: str) -> ContentName | None:
        """Read ``<40 hex>.<ext>``; None when it is anything else (WSUS's own files, partials)."""
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        return cls(ContentDigest.from_hex(match[1]), match[2] or "")

    @property
    def key(self) -> tuple[bytes, str]:
        """What two names are compared by: NTFS ignores the case of an extension, so do we."""
        return (self.digest.raw, self.extension.lower())

    @property
    def order(self) -> tuple[int, bytes, str]:
        """What content is sorted by, everywhere: folder first, then digest, then extension.

        Folder first, so that a content folder can be listed folder by folder in this order, and
        whoever walks a manifest meets all files of one folder together.
        """
        return (self.digest.raw[-1], self.digest.raw, self.extension.lower())

    @property
    def text(self) -> str:
        """The file's name, for example ``CB6F…1063.cab``."""
        return f"{self.digest.hex}.{self.extension}" if self.extension else self.digest.hex

    @property
    def folder(self) -> str:
        """The folder below WsusContent, for example ``63``."""
        return self.digest.folder


@dataclass(frozen=True, slots=True)
class FileDigests:
    """Both digests and the size of one file, from one read of its bytes."""

    sha1: ContentDigest
    blake3: Blake3
    size_bytes: int
