"""Make bytes and names durable on this machine, and create files atomically."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tasks.errors import AirGapError
from tasks.hosts.host import Outcome
from tasks.hosts.local_files import (
    CREATE_FLAGS,
    FILE_FLAGS,
    WINDOWS,
    Anchors,
    is_link,
    link_error,
    open_file,
)
from tasks.hosts.os_errors import file_fault, retry_sharing
from tasks.hosts.paths import HostPath

# From this number on, one flush of the whole volume is cheaper than a flush of each file.
GROUP_FROM_FILES = 16
_FLUSH_THREADS = 8
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_AT_FDCWD = -100
_SYNC_FILE_RANGE_WRITE = 2
_RENAME_NOREPLACE = 1


@cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _sync_volume(descriptor: int) -> bool:
    """Flush the volume of a descriptor; False if the system cannot flush one volume."""
    library = _libc()
    if library is None or not hasattr(library, "syncfs"):
        return False
    if library.syncfs(descriptor):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def begin_writeback(descriptor: int, offset: int, size_bytes: int) -> None:
    """Let the disk begin to write bytes of an open file; nothing is durable by it.

    Elsewhere than on Linux the system decides by itself when it begins.
    """
    library = _libc()
    if library is not None and hasattr(library, "sync_file_range"):
        start, size = ctypes.c_int64(offset), ctypes.c_int64(size_bytes)
        library.sync_file_range(descriptor, start, size, _SYNC_FILE_RANGE_WRITE)


def flush_files(anchors: Anchors, paths: Sequence[HostPath]) -> Outcome[HostPath]:
    """Make the bytes of files durable: many files by flushing their volumes, few one by one."""
    if len(paths) >= GROUP_FROM_FILES and _libc() is not None:
        outcome = _flush_by_volume(anchors, paths)
        if outcome is not None:
            return outcome
    with ThreadPoolExecutor(_FLUSH_THREADS) as pool:
        faults = list(pool.map(lambda path: _flush_file(anchors, path), paths))
    return _outcome(zip(paths, faults, strict=True))


def _outcome(faults: Iterable[tuple[HostPath, AirGapError | None]]) -> Outcome[HostPath]:
    ok: list[HostPath] = []
    failed: list[tuple[HostPath, AirGapError]] = []
    for path, fault in faults:
        if fault is None:
            ok.append(path)
        else:
            failed.append((path, fault))
    return Outcome(tuple(ok), tuple(failed))


def _flush_file(anchors: Anchors, path: HostPath) -> AirGapError | None:
    flags = os.O_RDWR if WINDOWS else os.O_RDONLY  # Windows flushes through a writable handle only
    try:
        descriptor = open_file(anchors, path, flags | FILE_FLAGS)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except AirGapError as error:
        return error
    except OSError as error:
        return file_fault("flush", path, error)
    return None


def _flush_by_volume(anchors: Anchors, paths: Sequence[HostPath]) -> Outcome[HostPath] | None:
    """Flush each volume once; None if a flush failed, so that each file must be flushed alone."""
    by_folder: dict[HostPath, list[HostPath]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    volumes: dict[int, int] = {}
    try:
        faults = [
            fault
            for folder, group in by_folder.items()
            for fault in _remember_volume(anchors, folder, group, volumes)
        ]
        for descriptor in volumes.values():
            if not _sync_volume(descriptor):
                return None
    except OSError:
        return None
    finally:
        for descriptor in volumes.values():
            os.close(descriptor)
    return _outcome(faults)


def _remember_volume(
    anchors: Anchors, folder: HostPath, paths: Sequence[HostPath], volumes: dict[int, int]
) -> list[tuple[HostPath, AirGapError | None]]:
    """Store a descriptor of the folder's volume, unless there is one; return faults of its files.

    Every file is looked at, so that a missing one is an error although no file is flushed alone.
    """
    try:
        with anchors.folder(folder) as opened:
            if isinstance(opened, str):
                raise OSError(errno.ENOTSUP, "Windows flushes file by file")
            volume = os.fstat(opened).st_dev
            if volume not in volumes:
                volumes[volume] = os.dup(opened)
            return [(path, _plain_fault(path, opened, volume)) for path in paths]
    except AirGapError as error:
        return [(path, error) for path in paths]


def _plain_fault(path: HostPath, folder: int, volume: int) -> AirGapError | None:
    """Return the fault of a path that is no plain file of the folder's volume; None if it is."""
    try:
        status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        return file_fault("flush", path, error)
    if is_link(status):
        return link_error(path)
    if not stat.S_ISREG(status.st_mode) or status.st_dev != volume:
        return file_fault("flush", path, OSError(errno.EINVAL, "it is not a plain file"))
    return None


def flush_folders(anchors: Anchors, folders: Sequence[HostPath]) -> None:
    """Make the names in folders durable.

    Windows has no such call, so nothing is done there: NTFS has a journal of names, and flushing a
    file whose name is new writes that journal too.

    Raises:
        HostFileError: A folder does not exist, or the disk refuses.
    """
    if WINDOWS:
        return
    unique = list(dict.fromkeys(folders))
    grouped = len(unique) >= GROUP_FROM_FILES
    synced: set[int] = set()
    for folder in unique:
        try:
            with anchors.folder(folder) as descriptor:
                if isinstance(descriptor, int):
                    _flush_folder(descriptor, synced, grouped=grouped)
        except OSError as error:
            raise file_fault("flush folder", folder, error) from error


def _flush_folder(descriptor: int, synced: set[int], *, grouped: bool) -> None:
    volume = os.fstat(descriptor).st_dev
    if volume in synced:
        return
    if grouped and _sync_volume(descriptor):
        synced.add(volume)
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems of USB sticks cannot flush one folder, only the whole volume.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
        if not _sync_volume(descriptor) and sys.platform != "win32":
            os.sync()


def create_file(anchors: Anchors, path: HostPath, content: bytes) -> bool:
    """Create a small durable file; False if the name exists already.

    The bytes are first written under a temporary name and made durable, so that the final name
    never has incomplete bytes. On a file system that has neither hard links nor a rename that
    refuses an existing name (some drivers of USB sticks), a crash may leave an empty file.

    Raises:
        OSError: The error of the system.
    """
    temporary = path.parent.joined(f".{path.name}.{secrets.token_hex(6)}.new")
    with anchors.parent(path) as (name, folder):
        if _exists(name, folder):
            return False
    descriptor = open_file(anchors, temporary, CREATE_FLAGS)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        created = _name_once(anchors, temporary, path)
    finally:
        with anchors.parent(temporary) as (name, folder):
            if _exists(name, folder):
                retry_sharing(lambda: os.unlink(name, dir_fd=folder))
    if created:
        flush_folders(anchors, [path.parent])
    return created


def _exists(name: str, folder: int | None) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _name_once(anchors: Anchors, temporary: HostPath, path: HostPath) -> bool:
    """Give a file its final name; False if the name exists already."""
    with anchors.parent(path) as (name, folder):
        try:
            if WINDOWS:  # refuses a name that exists
                retry_sharing(lambda: Path(temporary.text).rename(path.text))
            else:
                os.link(
                    temporary.name,
                    name,
                    src_dir_fd=folder,
                    dst_dir_fd=folder,
                    follow_symlinks=False,
                )
        except FileExistsError:
            return False
        except OSError as error:
            if WINDOWS or error.errno not in _NO_LINKS:
                raise
            return _name_once_without_links(temporary, path, folder)
    return True


def _name_once_without_links(temporary: HostPath, path: HostPath, folder: int | None) -> bool:
    """Give a file its final name on a file system without hard links, such as FAT."""
    library = _libc()
    if library is not None and hasattr(library, "renameat2"):
        anchor = _AT_FDCWD if folder is None else folder
        source, target = os.fsencode(temporary.name), os.fsencode(path.name)
        if library.renameat2(anchor, source, anchor, target, _RENAME_NOREPLACE) == 0:
            return True
        if ctypes.get_errno() == errno.EEXIST:
            return False
    try:
        os.close(os.open(path.name, CREATE_FLAGS, 0o666, dir_fd=folder))
    except FileExistsError:
        return False
    os.replace(temporary.name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    return True
