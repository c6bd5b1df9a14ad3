"""Carry a file that is too large for the media in numbered parts, and read it only once.

Such files are rare and large, so they are copied one after another, without threads.

| parts on the media | next step |
|---|---|
| all under their final names, with the planned sizes | ``digest_parts`` reads them |
| read, and they are the planned file | they are adopted |
| read, and they are another file; or a part is missing | ``split_file`` writes all of them beside |
| all written beside, the source was the planned file | flush, rename, flush the folders |
| all written beside, the source was another file | error; ``sweep_content`` removes them |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.bundle.plan import PlannedFile
from tasks.content.copy_item import CopyItem, find_difference
from tasks.content.digest import Digester
from tasks.content.names import FileDigests
from tasks.errors import ContentWrongError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress


@dataclass(frozen=True, slots=True)
class PartTarget:
    """Paths of a part: beside while it is written, then final. The folder exists."""

    beside: HostPath
    final: HostPath
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PartedDigests:
    """Digests of a whole file and of each of its parts, from one read."""

    whole: FileDigests
    parts: tuple[FileDigests, ...]


def digest_parts(
    host: Host, paths: Sequence[HostPath], sizes: Sequence[int], progress: Progress
) -> PartedDigests:
    """Read parts on a host as one file, and return the digests.

    Raises:
        ContentWrongError: A part is longer than planned.
    """
    whole = Digester()
    parts = []
    for path, size_bytes in zip(paths, sizes, strict=True):
        part = Digester()
        for chunk in part.watch(host.read(path)):
            if part.size_bytes > size_bytes:
                raise _wrong(path, f"{size_bytes} bytes", "more than that")
            whole.update(chunk)
            progress.advance(len(chunk))
        parts.append(part.result())
    return PartedDigests(whole.result(), tuple(parts))


def split_file(
    source: Host,
    path: HostPath,
    media: Host,
    targets: Sequence[PartTarget],
    *,
    planned: PlannedFile,
    progress: Progress,
) -> PartedDigests:
    """Copy a file into parts; the parts get their final names after the whole file is proved.

    Raises:
        ContentWrongError: The bytes differ from the SHA-1 in the name, or from an earlier read.
        HostFileError, DiskFullError, ConnectionLostError: As from the host.
    """
    whole = Digester()
    cutter = _Cutter(whole.watch(source.read(path)), progress)
    parts = []
    for target in targets:
        part = Digester()
        media.write(target.beside, part.watch(cutter.take(target.size_bytes)))
        parts.append(part.result())
    if cutter.has_more():
        raise _wrong(path, f"{planned.size_bytes} bytes", "more than that")
    prove_planned(path, planned, whole.result())
    _make_durable(media, targets)
    return PartedDigests(whole.result(), tuple(parts))


def prove_planned(path: HostPath, planned: PlannedFile, digests: FileDigests) -> None:
    """Compare digests with the planned file.

    Raises:
        ContentWrongError: They differ.
    """
    item = CopyItem((path,), planned.size_bytes, planned.sha1, planned.blake3)
    difference = find_difference(item, digests)
    if difference is not None:
        raise _wrong(path, *difference)


class _Cutter:
    """A stream of chunks that is cut at given lengths without copying."""

    def __init__(self, chunks: Iterator[bytes | memoryview], progress: Progress) -> None:
        self._chunks = chunks
        self._progress = progress
        self._rest: memoryview = memoryview(b"")

    def take(self, size_bytes: int) -> Iterator[memoryview]:
        """Yield the next ``size_bytes`` bytes, or fewer at the end of the stream."""
        while size_bytes > 0 and self.has_more():
            piece = self._rest[:size_bytes]
            size_bytes -= len(piece)
            self._progress.advance(len(piece))
            yield piece
            self._rest = self._rest[len(piece) :]

    def has_more(self) -> bool:
        """Return True if the stream has more bytes; reads the next chunk if necessary."""
        while not len(self._rest):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rest = memoryview(chunk)
        return True


def _make_durable(media: Host, targets: Sequence[PartTarget]) -> None:
    """Make the bytes of all parts durable, give them their final names, and flush the names."""
    media.flush_files([target.beside for target in targets]).require_all()
    media.rename([(target.beside, target.final) for target in targets]).require_all()
    media.flush_folders(list({target.final.parent: None for target in targets}))


def _wrong(path: HostPath, expected: str, actual: str) -> ContentWrongError:
    return ContentWrongError(path=path, expected=expected, found=actual)
