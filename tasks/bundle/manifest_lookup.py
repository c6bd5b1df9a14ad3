"""Look-ups by digest in a manifest, by halving the file: its lines are sorted."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.bundle.manifest import Entry, parse_line
from tasks.content.names import ContentDigest

_SHA1 = b'"sha1":"'
_SHA1_DIGITS = 40
# Only at the end of a line: a part of a file has a size and a volume too.
_CARRIED = re.compile(rb'"size_bytes":([0-9]+),"volume":[0-9]+\}\n')


class ManifestLookup:
    """Look-ups by digest in one manifest of ours, which was compared with its header before.

    Nothing is built for it and nothing is in memory, so a few look-ups in a manifest of a million
    lines cost as much as a few dozen lines.
    """

    def __init__(self, path: Path) -> None:
        """Open the manifest.

        Raises:
            OSError: It does not exist, or cannot be read.
        """
        self._path = path
        with path.open("rb") as stream:
            size_bytes = path.stat().st_size
            self._bytes: mmap.mmap | bytes = (
                mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size_bytes else b""
            )

    def carried_bytes(self, digest: ContentDigest) -> int | None:
        """Return the size of a file that the bundle carries; None if it does not carry it."""
        return next((e.size_bytes for e in self._entries(digest) if e.is_carried), None)

    def carried(self) -> tuple[int, int]:
        """Return the number of files that the bundle carries, and their bytes."""
        files = size_bytes = 0
        with self._path.open("rb") as lines:  # a map keeps each page that was read in memory
            for line in lines:
                if (match := _CARRIED.search(line)) is not None:
                    files += 1
                    size_bytes += int(match[1])
        return files, size_bytes

    def has(self, digest: ContentDigest) -> bool:
        """Return True if the staging server has a file with this digest."""
        return next(self._entries(digest), None) is not None

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._bytes, mmap.mmap):
            self._bytes.close()

    def _entries(self, digest: ContentDigest) -> Iterator[Entry]:
        """Yield the entries of a digest; there are several if files differ in extension only."""
        start = self._first_line(digest)
        while start < len(self._bytes):
            end = self._bytes.find(b"\n", start) + 1
            entry = parse_line(bytes(self._bytes[start:end]), self._path)
            if entry.sha1 != digest:
                return
            yield entry
            start = end

    def _first_line(self, digest: ContentDigest) -> int:
        """Return the start of the first line that does not come before a digest."""
        order = _order(digest.hex.encode())
        low, high = 0, len(self._bytes)
        while low < high:
            middle = (low + high) // 2
            start = self._bytes.rfind(b"\n", low, middle) + 1 or low
            end = self._bytes.find(b"\n", start) + 1 or len(self._bytes)
            # The last one of the line: parts of a file come before it.
            at = self._bytes.rfind(_SHA1, start, end) + len(_SHA1)
            if _order(self._bytes[at : at + _SHA1_DIGITS]) < order:
                low = end
            else:
                high = start
        return low


def _order(sha1: bytes) -> tuple[bytes, bytes]:
    """Return the key by which manifests are sorted: the folder, then the digest."""
    return sha1[-2:], sha1
