"""List a WsusContent folder in the one order that content is sorted by.

The folder is listed one subfolder at a time, so the memory needed is that of the largest
subfolder (a 256th of the content), not of the whole. What is not a content file is passed over and
never opened: WSUS's own `anonymousCheckFile.txt`, half downloads (`BIT*.tmp`, hidden), files that
lie in the wrong subfolder, links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks.content.names import ContentName, FileDigests
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath, Platform
from tasks.progress import Progress

_FOLDER = re.compile(r"[0-9A-Fa-f]{2}")


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


Remembered = Callable[[ContentFile], FileDigests | None]
"""Looks up the digests of a file that was hashed before (``HashCache.lookup``)."""


def scan(
    host: Host,
    content_dir: HostPath,
    *,
    remembered: Remembered | None = None,
    progress: Progress | None = None,
) -> Iterator[ContentFile]:
    """Yield the content files below a folder, strictly ascending by ``name.order``.

    Reads no file. A folder that is not there holds nothing.

    Args:
        host: The machine that holds the folder.
        content_dir: The WsusContent folder.
        remembered: Looks up earlier digests; without it none are given.
        progress: Is told how many files were listed; begun and ended by the caller.
    """
    for folder in _content_folders(host, content_dir):
        found = _scan_folder(host, folder)
        if progress is not None:
            progress.advance(len(found))
        if remembered is None:
            yield from found
            continue
        for file in found:
            yield _with_digests(file, remembered(file))


def _scan_folder(host: Host, folder: HostPath) -> list[ContentFile]:
    """List the content files of one subfolder (``WsusContent/63``), sorted.

    Of two names that differ only in the case of their extension the first counts.
    """
    found: dict[tuple[bytes, str], ContentFile] = {}
    for stat in sorted(host.list_folder(folder), key=lambda stat: stat.name):
        name = _content_name(stat, folder)
        if name is not None and name.key not in found:
            path = folder.parent.joined(name.folder, name.text)  # one spelling, also on NTFS
            found[name.key] = ContentFile(name, path, stat.size_bytes, stat.mtime_ns, stat.file_id)
    return sorted(found.values(), key=lambda file: file.name.order)


def _content_folders(host: Host, content_dir: HostPath) -> list[HostPath]:
    """Name the subfolders `00` to `FF` in order."""
    folders: dict[str, HostPath] = {}
    for stat in sorted(host.list_folder(content_dir), key=lambda stat: stat.name):
        if stat.kind == "folder" and _is_folder_name(stat.name, content_dir.platform):
            folders[stat.name.upper()] = content_dir.joined(stat.name)
    return [folders[name] for name in sorted(folders)]


def _content_name(stat: FileStat, folder: HostPath) -> ContentName | None:
    """Read a listed name as that of a content file of this folder; None when it is none."""
    name = ContentName.parse(stat.name)
    if name is None or stat.kind != "file" or stat.hidden:
        return None
    is_ours = _same_name(stat.name, name.text, folder.platform)
    return name if is_ours and name.folder == folder.name.upper() else None


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
