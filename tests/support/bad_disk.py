"""A disk that fails: the system calls below one folder answer with an error, from one call on.

Put below Python's own functions, so that all that reads files is tried with it: our hosts and what
asks the system directly.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest

Call = Literal["open", "list", "stat", "read"]
CALLS: tuple[Call, ...] = ("open", "list", "stat", "read")


@dataclass
class BadDisk:
    """Fails the call of one kind that is counted ``number``; ``is_gone`` also all calls after it.

    ``path`` is what it failed on first, None as long as it has not.
    """

    folder: Path
    call: Call
    number: int
    errno: int
    is_gone: bool = False
    count: int = 0
    path: str | None = None

    def meet(self, call: Call, path: str) -> None:
        """Count a call and fail it, if it is to fail."""
        if Path(path) != self.folder and self.folder not in Path(path).parents:
            return
        self.count += call == self.call
        is_due = call == self.call and self.count == self.number
        if is_due or (self.is_gone and self.path is not None):
            self.path = self.path or path
            raise OSError(self.errno, os.strerror(self.errno), path)


class _BadStream(io.FileIO):
    disk: BadDisk

    def readinto(self, buffer: Any, /) -> int | None:
        self.disk.meet("read", _path_of(self.fileno()))
        return super().readinto(buffer)


@dataclass
class _BadEntry:
    entry: os.DirEntry[str]
    disk: BadDisk
    folder: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.entry, name)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        self.disk.meet("stat", f"{self.folder}/{self.name}")
        return self.entry.stat(follow_symlinks=follow_symlinks)


@contextmanager
def failing(disk: BadDisk) -> Iterator[None]:
    """Have the system's calls meet a disk."""
    real_open, real_stat, real_lstat, real_scandir = os.open, os.stat, os.lstat, os.scandir
    real_fdopen: Callable[..., Any] = os.fdopen
    real_read = os.read

    def bad_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        disk.meet("open", _full(path, dir_fd))
        return real_open(path, flags, mode, dir_fd=dir_fd)

    def bad_stat(path: Any, **options: Any) -> os.stat_result:
        disk.meet("stat", _full(path, options.get("dir_fd")))
        return real_stat(path, **options)

    def bad_lstat(path: Any, **options: Any) -> os.stat_result:
        disk.meet("stat", _full(path, options.get("dir_fd")))
        return real_lstat(path, **options)

    def bad_fdopen(descriptor: int, mode: str = "r", buffering: int = -1, **options: Any) -> Any:
        if mode != "rb" or buffering != 0:
            return real_fdopen(descriptor, mode, buffering, **options)
        stream = _BadStream(descriptor, "rb")
        stream.disk = disk
        return stream

    def bad_read(descriptor: int, size_bytes: int, /) -> bytes:
        disk.meet("read", _path_of(descriptor))
        return real_read(descriptor, size_bytes)

    @contextmanager
    def bad_scandir(path: Any = ".") -> Iterator[Iterator[_BadEntry]]:
        folder = _full(path, None)
        disk.meet("list", folder)
        with real_scandir(path) as entries:
            yield (_BadEntry(entry, disk, folder) for entry in entries)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", bad_open)
        patch.setattr(os, "stat", bad_stat)
        patch.setattr(os, "lstat", bad_lstat)
        patch.setattr(os, "fdopen", bad_fdopen)
        patch.setattr(os, "read", bad_read)
        patch.setattr(os, "scandir", bad_scandir)
        yield


@contextmanager
def endless(folder: Path) -> Iterator[None]:
    """Have one folder hold names without end."""
    real_scandir = os.scandir

    @contextmanager
    def endless_scandir(path: Any = ".") -> Iterator[Iterator[_StrayEntry]]:
        with real_scandir(path) as entries:
            if _full(path, None) == str(folder):
                yield (_StrayEntry(f"stray-{number:09}") for number in count())
            else:
                yield entries  # type: ignore[misc]  # real entries, for all other folders

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", endless_scandir)
        yield


@dataclass(frozen=True)
class _StrayEntry:
    name: str

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        del follow_symlinks
        return _STRAY


_STRAY = os.stat_result((0o100644, 1, 1, 1, 0, 0, 0, 0, 0, 0))


def _full(path: Any, within: int | None) -> str:
    if isinstance(path, int):
        return _path_of(path)
    text = os.fspath(path)
    return text if within is None else f"{_path_of(within)}/{text}"


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())
