"""Scan WsusContent again: list only the folders that have changed since the last scan.

Each folder of the listing has a state, a digest over names, sizes, times and file ids, that was
read just before the folder was listed. A folder whose state is the same now is not listed. A host
that has no such states (over SSH, and on Windows) lists every folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.content.content_listing import ContentListing
from tasks.content.hash_cache import HashCache, HashedFile
from tasks.content.names import ContentName
from tasks.content.scan import content_folders, scan_folder, with_digests
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress, Silence


def rescan(
    host: Host,
    listing: ContentListing,
    cache: HashCache,
    progress: Progress | None = None,
    *,
    is_current: bool = False,
) -> bool:
    """Bring a listing up to date, with cached digests as proof; return True if it changed.

    Reads no file. Files that were hashed since the listing was saved get their proof as well;
    after the listing is saved, the caller has the cache forget that they are recent.

    Args:
        host: The machine that has the folder.
        listing: A new listing, or a copy of the one that the last scan saved.
        cache: Digests of files that were hashed before.
        progress: Advanced by the number of files; the caller begins and ends it.
        is_current: The listing, of another cache, was compared with the host by other means. Only
            folders whose states differ are listed then.
    """
    progress = progress or Silence()
    origin = f"{host.address} {cache.identity} {listing.content_dir}"
    if is_current:
        _adopt(listing, cache, origin)
    is_changed = listing.origin != origin
    if is_changed:
        listing.begin(origin)
    existing = content_folders(host, listing.content_dir)
    folders = {int(folder.name, 16): folder for folder in existing}
    states = _states(host, listing.content_dir, existing)
    before = listing.folder_states()
    for number, folder in folders.items():
        state = states.get(folder.name)
        state_before, files_before = before.get(number, (None, 0))
        is_same = state is not None and state == state_before
        if is_same or (number in before and is_current and not states):
            progress.advance(files_before)
            continue
        files = [with_digests(file, cache.lookup(file)) for file in scan_folder(host, folder)]
        listing.replace_folder(number, files, state)
        progress.advance(len(files))
        is_changed = True
    for number in before.keys() - folders.keys():
        listing.remove_folder(number)
        is_changed = True
    return is_changed


def _adopt(listing: ContentListing, cache: HashCache, origin: str) -> None:
    """Make a listing of another cache one of ours, with our own proofs where it has none."""
    listing.rename(origin)
    for file in listing.unproved():
        digests = cache.lookup(file)
        if digests is not None:
            listing.record_digests([(file, digests)])


def _states(host: Host, content_dir: HostPath, folders: list[HostPath]) -> Mapping[str, str]:
    names = [folder.name for folder in folders]
    return (host.folder_states(content_dir, names) if names else None) or {}


def refresh_proofs(listing: ContentListing, cache: HashCache) -> int:
    """Give files that were hashed since the last scan their proof; return the last one's number.

    0 means that there were none.
    """
    last, hashed = cache.recent()
    if last:
        listing.refresh_proofs(_named(listing.content_dir, hashed))
    return last


def _named(
    content_dir: HostPath, hashed: Iterator[HashedFile]
) -> Iterator[tuple[ContentName, HashedFile]]:
    """Yield the hashed files that belong to a content folder, with their names."""
    for file in hashed:
        path = HostPath(file.path, content_dir.platform)
        name = ContentName.parse(path.name)
        if name is not None and path == content_dir.joined(name.folder, name.text):
            yield name, file
