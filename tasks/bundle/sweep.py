"""Remove leftovers from a bundle's folder on media, and refuse files of somebody else.

The other side refuses a bundle with any name that is not sealed. Names that packing could have
written are leftovers of an unfinished run, and are removed. Any other name belongs to somebody
else: the export stops before anything is written, and the error gives the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tasks.bundle.layout import (
    CONTENT,
    PART_MARK,
    allowed_names,
    volume_folder,
    volume_number,
)
from tasks.bundle.manifest import Entry
from tasks.bundle.media import Media
from tasks.bundle.survey import is_content_folder, survey_content
from tasks.content.names import ContentName
from tasks.content.place import BESIDE_SUFFIX
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.refusals import SafetyError

_PART = re.compile(re.escape(PART_MARK) + r"[0-9]{3}$")


def refuse_strangers(media: Host, bundle: HostPath) -> None:
    """Refuse a bundle's folder that contains names that packing never writes.

    Raises:
        SafetyError: There is such a name. The error gives its path; it is not touched.
    """
    for path, stat in _walk(media, bundle):
        raise SafetyError(
            reason=f"{path} lies where the new bundle goes and is not ours "
            f"({'a file' if stat.kind == 'file' else 'a folder, link or device'})",
            remedy="Move it away, then run the same command again.",
        )


def sweep_content(
    media: Host, bundle: HostPath, entries: Iterable[Entry], *, volumes: int
) -> Iterator[Entry]:
    """Pass on all entries of the bundle, and remove content that unfinished runs have left.

    Args:
        media: The machine that the media are mounted on.
        bundle: The bundle's folder; ``refuse_strangers`` has accepted it.
        entries: All entries of the bundle, in manifest order.
        volumes: Number of volumes of the bundle.
    """
    volume_folders = {number: (volume_folder(bundle, number),) for number in range(1, volumes + 1)}
    for survey in survey_content(Media(media), volume_folders, entries):
        if extras := [path for path, _ in survey.extras()]:
            media.remove(extras).require_all()
        yield from survey.entries


def sweep_volumes(media: Host, bundle: HostPath, *, volumes: int) -> None:
    """Remove volumes and unfinished documents that unfinished runs have left."""
    for stat in media.list_folder(bundle):
        number = volume_number(stat.name)
        if number is not None and not 1 <= number <= volumes:
            media.remove_tree(bundle.joined(stat.name))
    for number in range(1, volumes + 1):
        _sweep_besides(media, volume_folder(bundle, number))


def _sweep_besides(media: Host, volume: HostPath) -> None:
    besides = [
        volume.joined(stat.name)
        for stat in media.list_folder(volume)
        if stat.name not in allowed_names(1) or stat.name.endswith(BESIDE_SUFFIX)
    ]
    if besides:
        media.remove(besides).require_all()


def _walk(media: Host, bundle: HostPath) -> Iterator[tuple[HostPath, FileStat]]:
    """Yield names that packing never writes; also the bundle's path itself if it is no folder."""
    bundle_stat = media.stat(bundle)
    if bundle_stat is not None and bundle_stat.kind != "folder":
        yield bundle, bundle_stat
        return
    for stat in media.list_folder(bundle):
        path = bundle.joined(stat.name)
        if stat.kind != "folder" or volume_number(stat.name) is None:
            yield path, stat
        else:
            yield from _walk_volume(media, path)


def _walk_volume(media: Host, volume: HostPath) -> Iterator[tuple[HostPath, FileStat]]:
    allowed = allowed_names(1)
    for stat in media.list_folder(volume):
        expected_kind = "folder" if stat.name == CONTENT else "file"
        if stat.kind != expected_kind or stat.name.removesuffix(BESIDE_SUFFIX) not in allowed:
            yield volume.joined(stat.name), stat
        elif stat.kind == "folder":
            yield from _walk_content(media, volume.joined(CONTENT))


def _walk_content(media: Host, content: HostPath) -> Iterator[tuple[HostPath, FileStat]]:
    for folder in media.list_folder(content):
        path = content.joined(folder.name)
        if not is_content_folder(folder):
            yield path, folder
            continue
        for stat in media.list_folder(path):
            if stat.kind != "file" or not _is_ours(stat.name):
                yield path.joined(stat.name), stat


def _is_ours(name: str) -> bool:
    """Return True if packing writes such a name: content or a part, finished or not."""
    plain = _PART.sub("", name.removesuffix(BESIDE_SUFFIX))
    return ContentName.parse(plain) is not None
