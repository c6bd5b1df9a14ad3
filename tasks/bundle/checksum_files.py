"""Write the manifest and the two checksum files of each volume, in one pass.

``BLAKE3SUMS`` and ``SHA1SUMS`` are for people: ``b3sum --check`` and ``sha1sum --check`` read
them, started inside the volume. They list every file of the volume except the header and the
checksum files themselves. In this code the two are called the lists of a volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tasks.bundle.header import Binding, VolumeBinding
from tasks.bundle.layout import (
    APPROVALS,
    BLAKE3SUMS,
    BRINGS,
    MANIFEST,
    PACKAGE,
    SHA1SUMS,
    listed_path,
    volume_name,
)
from tasks.bundle.manifest import Entry, ManifestSummary, pieces_of, write_manifest
from tasks.content.digest import digest_chunks
from tasks.content.names import FileDigests

_CHUNK_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Documents:
    """The metadata package and the approvals, as files of ours on this machine.

    Attributes:
        write_brings: Writes the list of what the bundle brings, which follows from its manifest,
            given the path of the manifest and that of the list. None: a bundle of format 1.
    """

    package: Path
    approvals: Path
    write_brings: Callable[[Path, Path], None] | None = None


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A document or list on this machine, and its volume and name on the media."""

    path: Path
    volume: int
    name: str
    digests: FileDigests


@dataclass(frozen=True, slots=True)
class WrittenLists:
    """The files written into the run's folder, and the bindings of them for the header."""

    manifest: ManifestSummary
    package: Binding
    approvals: Binding
    brings: Binding | None
    volumes: tuple[VolumeBinding, ...]
    files: tuple[WrittenFile, ...]


def write_lists(
    entries: Iterable[Entry], documents: Documents, *, folder: Path, volumes: int
) -> WrittenLists:
    """Write the manifest and the lists of a bundle into the run's folder.

    Args:
        entries: All entries of the bundle, in manifest order.
        documents: The metadata package and the approvals.
        folder: The run's own folder; ``manifest.jsonl`` and ``volume-001/…`` are written in it.
        volumes: Number of planned volumes; each gets its lists, even if it carries no content.
    """
    with ExitStack() as streams:
        lists = {
            number: streams.enter_context(_Lists(folder / volume_name(number)))
            for number in range(1, volumes + 1)
        }
        summary = write_manifest(folder / MANIFEST, _listed(entries, lists))
        documents_by_name = {
            APPROVALS: documents.approvals,
            MANIFEST: folder / MANIFEST,
            PACKAGE: documents.package,
        }
        if documents.write_brings is not None:
            documents_by_name[BRINGS] = folder / BRINGS
            documents.write_brings(folder / MANIFEST, folder / BRINGS)
        digests = {name: _digest_file(path) for name, path in documents_by_name.items()}
        for name in sorted(documents_by_name):
            lists[1].add(name, digests[name])
    files = [WrittenFile(path, 1, name, digests[name]) for name, path in documents_by_name.items()]
    bindings = []
    for number, writer in lists.items():
        sums = {name: _digest_file(writer.folder / name) for name in (BLAKE3SUMS, SHA1SUMS)}
        files += [WrittenFile(writer.folder / name, number, name, sums[name]) for name in sums]
        bindings.append(_volume_binding(number, writer, sums))
    return WrittenLists(
        manifest=summary,
        package=_binding(digests[PACKAGE]),
        approvals=_binding(digests[APPROVALS]),
        brings=_binding(digests[BRINGS]) if BRINGS in digests else None,
        volumes=tuple(bindings),
        files=tuple(files),
    )


def _digest_file(path: Path) -> FileDigests:
    """Read a file of ours on this machine, and return both digests."""
    with path.open("rb") as stream:
        return digest_chunks(iter(lambda: stream.read(_CHUNK_BYTES), b""))


@dataclass(slots=True)
class _Lists:
    """The two lists of one volume while they are written, with totals of the listed content."""

    folder: Path
    files: int = 0
    size_bytes: int = 0
    _open: ExitStack = field(default_factory=ExitStack)
    _streams: dict[str, BinaryIO] = field(default_factory=dict)

    def __enter__(self) -> _Lists:
        self.folder.mkdir(exist_ok=True)
        for name in (BLAKE3SUMS, SHA1SUMS):
            stream = (self.folder / name).open("wb", buffering=65_536)
            self._streams[name] = self._open.enter_context(stream)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, path: str, digests: FileDigests) -> None:
        self._streams[BLAKE3SUMS].write(f"{digests.blake3.hex}  {path}\n".encode())
        self._streams[SHA1SUMS].write(f"{digests.sha1.hex.lower()}  {path}\n".encode())

    def add_content(self, path: str, digests: FileDigests) -> None:
        self.add(path, digests)
        self.files += 1
        self.size_bytes += digests.size_bytes


def _listed(entries: Iterable[Entry], lists: Mapping[int, _Lists]) -> Iterator[Entry]:
    """Pass entries on, and add their files to the lists of their volumes."""
    for entry in entries:
        digests = [part.digests for part in entry.parts] or [entry.digests]
        # An entry that is not carried has no pieces, so it adds no lines.
        for piece, of_piece in zip(pieces_of(entry), digests, strict=False):
            path = listed_path(entry.sha1.folder, piece.file_name)
            lists[piece.volume].add_content(path, of_piece)
        yield entry


def _volume_binding(number: int, writer: _Lists, sums: Mapping[str, FileDigests]) -> VolumeBinding:
    return VolumeBinding(
        number=number,
        files=writer.files,
        size_bytes=writer.size_bytes,
        blake3sums=_binding(sums[BLAKE3SUMS]),
        sha1sums=_binding(sums[SHA1SUMS]),
    )


def _binding(digests: FileDigests) -> Binding:
    return Binding(size_bytes=digests.size_bytes, blake3=digests.blake3)
