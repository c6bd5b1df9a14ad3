"""List a WsusContent folder in the order in which all content is sorted.

One subfolder is listed at a time, so memory holds the largest subfolder (a 256th of the content),
not the whole. Other names are skipped and never opened: WSUS's own `anonymousCheckFile.txt`,
unfinished downloads (`BIT*.tmp`, hidden), files in the wrong subfolder, links.
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
    """One content file as a listing shows it; its bytes are not proved.

    ``digests`` come from an earlier read of a file with the same path, size, time and id; None
    without such a read.
    """

    name: ContentName
    path: HostPath
    size_bytes: int
    mtime_ns: int
    file_id: str
    digests: FileDigests | None = None


Remembered = Callable[[ContentFile], FileDigests | None]
"""Look-up of the digests of a file that was hashed before (``HashCache.lookup``)."""


def scan(
    host: Host,
    content_dir: HostPath,
    *,
    remembered: Remembered | None = None,
    progress: Progress | None = None,
) -> Iterator[ContentFile]:
    """Yield the content files below a folder, strictly ascending by ``name.order``.

    Reads no file. A folder that does not exist yields nothing.

    Args:
        host: The machine that has the folder.
        content_dir: The WsusContent folder.
        remembered: Looks up earlier digests; without it files have none.
        progress: Advanced by the number of listed files; the caller begins and ends it.
    """
    for folder in content_folders(host, content_dir):
        files = scan_folder(host, folder)
        if progress is not None:
            progress.advance(len(files))
        if remembered is None:
            yield from files
            continue
        for file in files:
            yield with_digests(file, remembered(file))


def present_bytes(host: Host, content_dir: HostPath) -> int:
    """Return the size of all content files below a folder, by their names and sizes alone."""
    return sum(file.size_bytes for file in scan(host, content_dir))


def scan_folder(host: Host, folder: HostPath) -> list[ContentFile]:
    """List the content files of one subfolder (``WsusContent/63``), sorted.

    If two names differ only in the case of their extension, the first of them counts.
    """
    files: dict[tuple[bytes, str], ContentFile] = {}
    for stat in sorted(host.list_folder(folder), key=lambda stat: stat.name):
        name = _content_name(stat, folder)
        if name is not None and name.key not in files:
            path = folder.parent.joined(name.folder, name.text)  # one spelling, also on NTFS
            files[name.key] = ContentFile(name, path, stat.size_bytes, stat.mtime_ns, stat.file_id)
    return sorted(files.values(), key=lambda file: file.name.order)


def content_folders(host: Host, content_dir: HostPath) -> list[HostPath]:
    """Return the existing subfolders `00` to `FF`, in order."""
    folders: dict[str, HostPath] = {}
    for stat in sorted(host.list_folder(content_dir), key=lambda stat: stat.name):
        if stat.kind == "folder" and _is_folder_name(stat.name, content_dir.platform):
            folders[stat.name.upper()] = content_dir.joined(stat.name)
    return [folders[name] for name in sorted(folders)]


def linked_folders(host: Host, content_dir: HostPath) -> list[str]:
    """Return the names ``00`` to ``FF`` that are links, in order: no scan follows them."""
    return sorted(
        stat.name
        for stat in host.list_folder(content_dir)
        if stat.kind == "other" and _is_folder_name(stat.name, content_dir.platform)
    )


def _content_name(stat: FileStat, folder: HostPath) -> ContentName | None:
    """Parse the name of a content file of this folder; None for any other name."""
    name = ContentName.parse(stat.name)
    if name is None or stat.kind != "file" or stat.hidden:
        return None
    is_ours = _same_name(stat.name, name.text, folder.platform)
    return name if is_ours and name.folder == folder.name.upper() else None


def _is_folder_name(name: str, platform: Platform) -> bool:
    return _FOLDER.fullmatch(name) is not None and _same_name(name, name.upper(), platform)


def _same_name(actual: str, expected: str, platform: Platform) -> bool:
    """Compare names as the host's file system does."""
    if platform is Platform.WINDOWS:
        return actual.upper() == expected.upper()
    return actual == expected


def with_digests(file: ContentFile, digests: FileDigests | None) -> ContentFile:
    """Return the file with the digests of an earlier read, if there was one."""
    if digests is None:
        return file
    return ContentFile(file.name, file.path, file.size_bytes, file.mtime_ns, file.file_id, digests)
