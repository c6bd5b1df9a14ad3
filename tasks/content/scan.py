"""List a WsusContent folder in the one order that content is sorted by.

The folder is listed one subfolder at a time, so the memory needed is that of the largest
subfolder (a 256th of the content), not of the whole. What is not a content file is named apart
and never opened: WSUS's own `anonymousCheckFile.txt`, half downloads (`BIT*.tmp`, hidden), files
that lie in the wrong subfolder, links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tasks.content.names import ContentName, FileDigests
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath, Platform
from tasks.progress import Progress

_FOLDER = re.compile(r"[0-9A-Fa-f]{2}")
_OWN = re.compile(r"anonymouscheckfile\.txt|bit.*\.tmp", re.IGNORECASE)

StrangeReason = Literal["own", "hidden", "not-a-file", "not-a-content-name", "misplaced", "twice"]
"""``own``: WSUS's or BITS's own. ``twice``: another file's name, told apart by case only."""


@dataclass(frozen=True, slots=True)
class ContentFile:
    """One content file as a listing shows it; its bytes are as yet unproved.

    ``digests`` are those of an earlier read of a file with the same path, size, time and id;
    None when there was none.
    """

    name: ContentName
    path: HostPath
    size_bytes: int
    mtime_ns: int
    file_id: str
    digests: FileDigests | None = None


@dataclass(frozen=True, slots=True)
class StrangeName:
    """Something in WsusContent that is no content file, and why it is none."""

    path: HostPath
    reason: StrangeReason


Remembered = Callable[[ContentFile], FileDigests | None]
"""Looks up the digests of a file that was hashed before (``HashCache.lookup``)."""


def scan(
    host: Host,
    content_dir: HostPath,
    *,
    remembered: Remembered | None = None,
    strange: Callable[[StrangeName], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[ContentFile]:
    """Yield the content files below a folder, strictly ascending by ``name.order``.

    Reads no file. A folder that is not there holds nothing.

    Args:
        host: The machine that holds the folder.
        content_dir: The WsusContent folder.
        remembered: Looks up earlier digests; without it none are given.
        strange: Is told of every name that is no content file.
        progress: Is told how many files were listed; begun and ended by the caller.
    """
    report = strange or _ignore
    for folder in _content_folders(host, content_dir, report):
        found = _scan_folder(host, folder, strange=report)
        if progress is not None:
            progress.advance(len(found))
        if remembered is None:
            yield from found
            continue
        for file in found:
            yield _with_digests(file, remembered(file))


def _scan_folder(
    host: Host, folder: HostPath, *, strange: Callable[[StrangeName], None] | None = None
) -> list[ContentFile]:
    """List the content files of one subfolder (``WsusContent/63``), sorted."""
    report = strange or _ignore
    found: dict[tuple[bytes, str], ContentFile] = {}
    for stat in sorted(host.list_folder(folder), key=lambda stat: stat.name):
        path = folder.joined(stat.name)
        name = _judge(stat, folder)
        if isinstance(name, str):
            report(StrangeName(path, name))
        elif name.key in found:
            report(StrangeName(path, "twice"))
        else:
            path = folder.parent.joined(name.folder, name.text)  # one spelling, also on NTFS
            found[name.key] = ContentFile(name, path, stat.size_bytes, stat.mtime_ns, stat.file_id)
    return sorted(found.values(), key=lambda file: file.name.order)


def _content_folders(
    host: Host, content_dir: HostPath, report: Callable[[StrangeName], None]
) -> list[HostPath]:
    """Name the subfolders `00` to `FF` in order and report everything else."""
    folders: dict[str, HostPath] = {}
    for stat in sorted(host.list_folder(content_dir), key=lambda stat: stat.name):
        path = content_dir.joined(stat.name)
        if stat.kind == "folder" and _is_folder_name(stat.name, content_dir.platform):
            folders[stat.name.upper()] = path
        else:
            report(StrangeName(path, _reason_of(stat)))
    return [folders[name] for name in sorted(folders)]


def _judge(stat: FileStat, folder: HostPath) -> ContentName | StrangeReason:
    """Read a listed name as that of a content file of this folder, or say why it is none."""
    name = ContentName.parse(stat.name)
    if name is None or stat.kind != "file" or stat.hidden:
        return _reason_of(stat)
    if not _same_name(stat.name, name.text, folder.platform):
        return "not-a-content-name"
    return name if name.folder == folder.name.upper() else "misplaced"


def _reason_of(stat: FileStat) -> StrangeReason:
    if _OWN.fullmatch(stat.name):
        return "own"
    if stat.hidden:
        return "hidden"
    return "not-a-content-name" if stat.kind == "file" else "not-a-file"


def _is_folder_name(name: str, platform: Platform) -> bool:
    return _FOLDER.fullmatch(name) is not None and _same_name(name, name.upper(), platform)


def _same_name(found: str, expected: str, platform: Platform) -> bool:
    """Compare names as the host's file system does."""
    if platform is Platform.WINDOWS:
        return found.upper() == expected.upper()
    return found == expected


def _with_digests(file: ContentFile, digests: FileDigests | None) -> ContentFile:
    if digests is None:
        return file
    return ContentFile(file.name, file.path, file.size_bytes, file.mtime_ns, file.file_id, digests)


def _ignore(_: StrangeName) -> None:
    """Report to nobody."""
