"""Open files of this machine without following links.

On POSIX a folder is opened without following a link, and everything else is done relative to its
descriptor, so that nobody can replace a folder by a link between the check and the use. Windows
has no such descriptors: there all folders of the chain are checked before each use. Reparse points
that stand for another name (symbolic links, junctions, mounted volumes) count as links;
deduplicated and compressed files are reparse points too, but count as plain files.

The parent folder of a path is checked, and below a guarded folder every folder between. Links
above a guarded folder are the administrator's decision.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil

from tasks.hosts.host import FileStat
from tasks.hosts.os_errors import retry_sharing
from tasks.hosts.paths import HostPath
from tasks.refusals import FolderUnsafeError

WINDOWS = os.name == "nt"
_NAME_SURROGATE = 0x20000000  # bit of a reparse tag: stands for another name
_HIDDEN = 0x2
_FOLDER_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
# Without O_NONBLOCK opening a pipe under the file's name would wait for ever.
FILE_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
READ_FLAGS = os.O_RDONLY | FILE_FLAGS
WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FILE_FLAGS
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE_FLAGS


def is_link(status: os.stat_result) -> bool:
    """Return True if a name stands for another path."""
    tag = getattr(status, "st_reparse_tag", 0)
    return stat.S_ISLNK(status.st_mode) or bool(tag & _NAME_SURROGATE)


def link_error(path: object) -> FolderUnsafeError:
    """Return the error for a link where none is allowed."""
    return FolderUnsafeError(path=path, reason="it is a link, which we do not follow")


class Anchors:
    """Opens folders safely for operations in them. For many threads."""

    def __init__(self) -> None:
        self._roots: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def guard(self, folder: HostPath) -> None:
        """From now on check every folder between this folder and any path used below it."""
        with self._lock:
            if folder.text not in self._roots:
                self._roots = (*self._roots, folder.text)

    @contextmanager
    def parent(self, path: HostPath) -> Iterator[tuple[str, int | None]]:
        """Open the parent folder of a path, and yield the name and the ``dir_fd`` to use.

        Raises:
            FolderUnsafeError: The folder is a link.
            OSError: The folder does not exist, or cannot be opened.
        """
        with self.folder(path.parent) as parent:
            yield name_in(path, parent)

    @contextmanager
    def folder(self, folder: HostPath) -> Iterator[int | str]:
        """Open a folder, and yield its descriptor; on Windows yield its path after the checks."""
        descriptor = self.open(folder)
        try:
            yield folder.text if descriptor is None else descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def open(self, folder: HostPath) -> int | None:
        """Open a folder; the caller closes the descriptor. On Windows only check it: None."""
        chain = self._chain(folder)
        if WINDOWS:
            for link in chain:
                _refuse_link(link)
            return None
        descriptor = _open_folder(chain[0])
        for link in chain[1:]:
            try:
                inner = _open_folder(link, within=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
        return descriptor

    def _chain(self, folder: HostPath) -> list[HostPath]:
        """Return the folders to check, outermost first; the last is the folder itself."""
        chain = [folder]
        roots = [root for root in self._roots if _is_below(folder, root)]
        while roots and chain[-1].text not in roots:
            chain.append(chain[-1].parent)
        return chain[::-1]


def name_in(path: HostPath, folder: int | str) -> tuple[str, int | None]:
    """Return the name and the ``dir_fd`` to use for a path in a folder that ``Anchors`` opened."""
    return (path.text, None) if isinstance(folder, str) else (path.name, folder)


def _is_below(folder: HostPath, root: str) -> bool:
    separator = "\\" if WINDOWS else "/"
    return folder.text.startswith(root.rstrip(separator) + separator)


def _refuse_link(folder: HostPath) -> None:
    if is_link(os.lstat(folder.text)):
        raise link_error(folder)


def _open_folder(folder: HostPath, *, within: int | None = None) -> int:
    name = folder.text if within is None else folder.name
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=within)
    except OSError as error:
        # Linux reports "not a folder" for a link that it must not follow.
        if error.errno == errno.ELOOP or (
            error.errno == errno.ENOTDIR and is_link(os.lstat(folder.text))
        ):
            raise link_error(folder) from error
        raise


def open_file(anchors: Anchors, path: HostPath, flags: int) -> int:
    """Open a plain file without following links.

    Raises:
        FolderUnsafeError: The path or its folder is a link.
        OSError: The file cannot be opened, or is not a plain file.
    """
    folder = anchors.open(path.parent)
    try:
        return open_within(folder, path, flags)
    finally:
        if folder is not None:
            os.close(folder)


def open_within(folder: int | None, path: HostPath, flags: int) -> int:
    """Open a plain file in its folder, which ``Anchors.open`` has opened; errors as above."""
    name = path.text if folder is None else path.name
    try:
        if WINDOWS and os.path.lexists(name) and is_link(os.lstat(name)):
            raise link_error(path)
        descriptor = retry_sharing(lambda: os.open(name, flags, 0o666, dir_fd=folder))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise link_error(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file")
    return descriptor


def write_whole(descriptor: int, content: bytes | memoryview) -> None:
    """Write all bytes; the system may take fewer at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def entry_stat(entry: os.DirEntry[str], *, must_exist: bool) -> FileStat | None:
    """Return the stat of a listed name; None if it disappeared while its folder was listed.

    Raises:
        OSError: The stat failed, or the name disappeared and must exist.
    """
    try:
        return file_stat(entry.name, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        if must_exist:
            raise
        return None


def file_stat(name: str, status: os.stat_result) -> FileStat:
    """Convert the system's stat of a name, made without following links."""
    kind: Literal["file", "folder", "other"] = "other"
    if not is_link(status):
        if stat.S_ISREG(status.st_mode):
            kind = "file"
        elif stat.S_ISDIR(status.st_mode):
            kind = "folder"
    hidden = name.startswith(".") or bool(getattr(status, "st_file_attributes", 0) & _HIDDEN)
    return FileStat(
        name=name,
        kind=kind,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        file_id=f"{status.st_dev}:{status.st_ino}",
        hidden=hidden,
    )


def file_system_of(folder: Path) -> str:
    """Return the type of a folder's file system, as the system names it."""
    best, file_system = -1, "unknown"
    for partition in psutil.disk_partitions(all=True):
        mount = Path(partition.mountpoint)
        if (mount == folder or mount in folder.parents) and len(mount.parts) >= best:
            best, file_system = len(mount.parts), partition.fstype or "unknown"
    return file_system


def prove_private(path: HostPath, status: os.stat_result) -> None:
    """Refuse a folder or file that is a link, belongs to another user, or is open to others."""
    if is_link(status):
        raise link_error(path)
    if sys.platform != "win32" and status.st_uid != os.geteuid():
        raise FolderUnsafeError(path=path, reason=f"it belongs to user {status.st_uid}, not to us")
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise FolderUnsafeError(path=path, reason=f"others have access to it (mode {mode:04o})")


def nearest_folder(folder: HostPath) -> Path:
    """Return the folder, or its nearest parent that exists."""
    nearest = Path(folder.text)
    while not nearest.is_dir() and nearest != nearest.parent:
        nearest = nearest.parent
    return nearest
