"""A manifest on our own disk: sealed, then compared with the trusted header that binds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from tasks.bundle.header import Binding, Header, TrustedHeader
from tasks.bundle.manifest import Entry, last_volume, read_entries
from tasks.content.names import Blake3
from tasks.refusals import TamperError, TrustError

_CHUNK_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class SealedManifest:
    """A copy of a manifest on our own disk, not yet compared with a header."""

    path: Path


@dataclass(frozen=True, slots=True)
class TrustedManifest:
    """A copy of a manifest on our own disk whose bytes match the binding of a trusted header."""

    path: Path
    header: Header

    def entries(self) -> Iterator[Entry]:
        """Read all entries, in order.

        Raises:
            TrustError: A line breaks the format, or the counts differ from the header.
        """
        files = carried = 0
        volumes = len(self.header.volumes)
        for entry in read_entries(self.path):
            files += 1
            carried += entry.is_carried
            if last_volume(entry) > volumes:
                raise TrustError(reason=f"manifest {self.path}: {entry.name.text} has no volume")
            yield entry
        counts = self.header.counts
        if (files, carried) != (counts.files, counts.carried_files):
            raise TrustError(
                reason=f"manifest {self.path} has {files} files, {carried} of them carried; "
                f"its header says {counts.files} and {counts.carried_files}"
            )


def verify_manifest(sealed: SealedManifest, trusted: TrustedHeader) -> TrustedManifest:
    """Compare a copied manifest with the trusted header that binds it.

    Raises:
        TamperError: The length or the digest differs.
    """
    expected = trusted.header.manifest
    digest, size_bytes = blake3(), 0
    with sealed.path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    actual = Binding(size_bytes=size_bytes, blake3=Blake3(digest.digest()))
    if actual != expected:
        raise TamperError(path=sealed.path, expected=_text(expected), found=_text(actual))
    return TrustedManifest(sealed.path, trusted.header)


def _text(binding: Binding) -> str:
    return f"{binding.size_bytes} bytes, BLAKE3 {binding.blake3.hex}"
