"""Carry one file that is too large for the media: in numbered parts, read once.

Rare and large, so it is plain: one file after another, one part after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.bundle.plan import PlannedFile
from tasks.content.digest import Digester
from tasks.content.names import FileDigests
from tasks.content.transfer import CopyItem, find_difference
from tasks.errors import ContentWrongError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress


@dataclass(frozen=True, slots=True)
class PartTarget:
    """Where a part goes: beside first, then under its final name; the folder exists."""

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
    """Read parts where they lie, as one file.

    Raises:
        ContentWrongError: A part is longer than it should be.
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
    """Copy a file into parts; they get their final names only when the whole file is proved.

    Raises:
        ContentWrongError: The file is not what its name, or an earlier read, promises.
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
    _settle(media, targets)
    return PartedDigests(whole.result(), tuple(parts))


def prove_planned(path: HostPath, planned: PlannedFile, digests: FileDigests) -> None:
    """Compare digests with what was planned.

    Raises:
        ContentWrongError: They differ.
    """
    item = CopyItem((path,), planned.size_bytes, planned.sha1, planned.blake3)
    difference = find_difference(item, digests)
    if difference is not None:
        raise _wrong(path, *difference)


class _Cutter:
    """Cuts a stream of chunks at given lengths without copying it."""

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
        """Whether bytes are left; reads the next chunk when it must."""
        while not len(self._rest):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rest = memoryview(chunk)
        return True


def _settle(media: Host, targets: Sequence[PartTarget]) -> None:
    media.flush_files([target.beside for target in targets]).require_all()
    media.rename([(target.beside, target.final) for target in targets]).require_all()
    media.flush_folders(list({target.final.parent: None for target in targets}))


def _wrong(path: HostPath, expected: str, found: str) -> ContentWrongError:
    return ContentWrongError(path=path, expected=expected, found=found)
