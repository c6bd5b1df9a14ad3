"""Rename and remove files on this machine, in batches that no bad item stops."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.errors import AirGapError
from tasks.hosts.host import Item, Outcome
from tasks.hosts.local_files import WINDOWS, Anchors, is_link, name_in
from tasks.hosts.os_errors import file_fault, retry_sharing
from tasks.hosts.paths import HostPath

Move = tuple[HostPath, HostPath]
"""Old and new path of a file."""


def rename_files(anchors: Anchors, moves: Sequence[Move], *, inherit: bool) -> Outcome[Move]:
    """Rename files, replacing files with the new names; folders are opened once for all files.

    Args:
        anchors: Opens the folders safely.
        moves: Old and new paths within one volume.
        inherit: True to give each file the permissions of its new folder.
    """
    groups: dict[tuple[HostPath, HostPath], list[Move]] = {}
    for move in moves:
        groups.setdefault((move[0].parent, move[1].parent), []).append(move)
    return Outcome.joined(
        _rename_group(anchors, folders, group, inherit=inherit) for folders, group in groups.items()
    )


def _rename_group(
    anchors: Anchors, folders: tuple[HostPath, HostPath], moves: Sequence[Move], *, inherit: bool
) -> Outcome[Move]:
    """Rename files from one folder into another."""

    def rename(move: Move) -> None:
        (old, old_folder), (new, new_folder) = name_in(move[0], source), name_in(move[1], target)
        if inherit:
            _set_permissions(old, old_folder, mode)
        retry_sharing(lambda: os.replace(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder))

    try:
        with anchors.folder(folders[0]) as source, anchors.folder(folders[1]) as target:
            mode = stat.S_IMODE(os.lstat(folders[1].text).st_mode) & 0o666
            return _batch(moves, rename, "rename")
    except AirGapError as error:
        return Outcome((), tuple((move, error) for move in moves))
    except OSError as error:
        return Outcome((), tuple((move, file_fault("rename", move[0], error)) for move in moves))


def _set_permissions(name: str, folder: int | None, mode: int) -> None:
    """Give a plain file the permissions of its new folder.

    This happens before the rename, so that the file never lacks them under its new name.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        os.chmod(name, mode, dir_fd=folder)


def remove_names(anchors: Anchors, paths: Sequence[HostPath]) -> Outcome[HostPath]:
    """Remove files or empty folders."""
    return _batch(paths, lambda path: remove_name(anchors, path), "remove")


def remove_name(anchors: Anchors, path: HostPath) -> None:
    """Remove a file or an empty folder; a link itself is removed, and what is gone is no error.

    Raises:
        OSError: It cannot be removed.
    """
    try:
        with anchors.parent(path) as (name, folder):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and not is_link(status):
                retry_sharing(lambda: os.rmdir(name, dir_fd=folder))
            else:
                retry_sharing(lambda: _unlink(name, folder, status))
    except FileNotFoundError:
        return


def _unlink(name: str, folder: int | None, status: os.stat_result) -> None:
    if WINDOWS and not status.st_mode & stat.S_IWRITE:
        Path(name).chmod(stat.S_IWRITE)  # Windows does not delete read-only files
    if WINDOWS and stat.S_ISDIR(status.st_mode):
        Path(name).rmdir()  # a junction
    else:
        os.unlink(name, dir_fd=folder)


def _batch(items: Sequence[Item], action: Callable[[Item], None], operation: str) -> Outcome[Item]:
    ok: list[Item] = []
    failed: list[tuple[Item, AirGapError]] = []
    for item in items:
        try:
            action(item)
            ok.append(item)
        except AirGapError as error:
            failed.append((item, error))
        except OSError as error:
            path = item[0] if isinstance(item, tuple) else item
            failed.append((item, file_fault(operation, path, error)))
    return Outcome(tuple(ok), tuple(failed))
