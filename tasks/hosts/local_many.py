"""Read and write many small files of this machine, one after another.

A folder is opened once, without following links, for all files in a row that lie in it: to open it
for each file takes as long as to read a small file. On Windows, where folders have no descriptors,
the chain of folders is checked before each file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from tasks.errors import AirGapError
from tasks.hosts.local_files import (
    READ_FLAGS,
    WINDOWS,
    WRITE_FLAGS,
    Anchors,
    open_within,
    write_whole,
)
from tasks.hosts.os_errors import file_fault
from tasks.hosts.paths import HostPath


def read_files(
    anchors: Anchors, files: Iterable[tuple[HostPath, int]]
) -> Iterator[tuple[int, bytes | AirGapError]]:
    """Read small files whole, in order; of one that is longer than its limit, one byte more."""
    with _FolderInUse(anchors) as folder:
        for number, (path, limit_bytes) in enumerate(files):
            content: bytes | AirGapError
            try:
                content = _read_whole(folder.open(path, READ_FLAGS), limit_bytes + 1)
            except AirGapError as error:
                content = error
            except OSError as error:
                content = file_fault("read", path, error)
            yield number, content


def write_files(
    anchors: Anchors, files: Iterable[tuple[HostPath, bytes]]
) -> Iterator[tuple[int, AirGapError | None]]:
    """Create or replace small files, in order, and yield how each ended. Not durable yet."""
    with _FolderInUse(anchors) as folder:
        for number, (path, content) in enumerate(files):
            fault: AirGapError | None = None
            try:
                _write(folder.open(path, WRITE_FLAGS), content)
            except AirGapError as error:
                fault = error
            except OSError as error:
                fault = file_fault("write", path, error)
            yield number, fault


class _FolderInUse:
    """The folder of the file that was opened last."""

    def __init__(self, anchors: Anchors) -> None:
        self._anchors = anchors
        self._path = ""
        self._descriptor: int | None = None

    def __enter__(self) -> _FolderInUse:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def open(self, path: HostPath, flags: int) -> int:
        """Open a plain file of any folder without following links; errors as ``open_file``."""
        folder = path.text.rpartition("/")[0]
        if WINDOWS or folder != self._path or self._descriptor is None:
            self.__exit__()
            self._descriptor = self._anchors.open(path.parent)
            self._path = folder
        return open_within(self._descriptor, path, flags)


def _read_whole(descriptor: int, most_bytes: int) -> bytes:
    """Read a file to its end, or up to a limit, and close it."""
    try:
        content = os.read(descriptor, most_bytes)
        while len(content) < most_bytes:
            piece = os.read(descriptor, most_bytes - len(content))
            if not piece:
                break
            content += piece
        return content
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    """Write all bytes of a file, and close it."""
    try:
        write_whole(descriptor, content)
    finally:
        os.close(descriptor)
