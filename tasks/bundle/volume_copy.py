"""Copy one volume from a medium to our own disk, proving each file by the volume's sealed list.

Needed where the volumes of a bundle come one after another through one drive. The list of a volume
(``BLAKE3SUMS``) is bound by the header that lies in the volume itself, so a volume is proved alone
and in any order; the manifest, in the first volume, is not needed. The import later reads the
copy, and proves it again, as it reads media.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.faults import Faults, raise_for_faults
from tasks.bundle.layout import (
    BLAKE3SUMS,
    CONTENT,
    DOCUMENTS,
    HEADER,
    PART_MARK,
    SHA1SUMS,
    volume_name,
)
from tasks.bundle.media import Media
from tasks.bundle.opened_bundle import OpenedBundle
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.bundle.survey import content_names, is_content_folder, strays
from tasks.content.copy_item import CopyItem
from tasks.content.names import Blake3, ContentName
from tasks.content.place import beside_of
from tasks.content.transfer import copy_files
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.progress import Progress
from tasks.refusals import TrustError

_LINE = re.compile(r"([0-9a-f]{64})  (.+)\n")
_PART = re.compile(rf"{re.escape(PART_MARK)}[0-9]{{3}}")


@dataclass(frozen=True, slots=True)
class _Listed:
    """A line of the list: folders and name below the volume, built from checked texts."""

    names: tuple[str, ...]
    blake3: Blake3


def copy_volume(
    opened: OpenedBundle, number: int, target: HostPath, *, machine: Host, progress: Progress
) -> None:
    """Copy a volume into a folder of ours; its header comes last, so that a half copy is none.

    Args:
        opened: The bundle, opened with the medium that has the volume.
        number: Number of the volume.
        target: Our folder of the bundle, an existing one; the volume's folder is made in it.
        machine: This machine.
        progress: Advanced by bytes; the caller begins and ends it.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: The volume differs
            from its sealed list. What was copied stays, and is proved again.
        TrustError: The sealed list breaks the format.
        DiskFullError: There is no room.
    """
    source = opened.volume_folders[number][0]
    folder = target.joined(volume_name(number))
    machine.make_folder(folder)
    faults = Faults()
    binding = next(volume for volume in opened.header.volumes if volume.number == number)
    for name, bound in ((BLAKE3SUMS, binding.blake3sums), (SHA1SUMS, binding.sha1sums)):
        path = folder.joined(name)
        item = CopyItem(
            sources=(source.joined(name),),
            size_bytes=bound.size_bytes,
            blake3=bound.blake3,
            beside=beside_of(path),
            final=path,
        )
        _copy(opened.media, machine, [item], faults, progress=progress)
    raise_for_faults(opened.header.bundle, faults)
    listed = list(_read_list(Path(folder.joined(BLAKE3SUMS).text)))
    _find_strangers(opened.media, source, listed, faults)
    items = _items(opened.media, machine, source, folder, listed=listed, faults=faults)
    _copy(opened.media, machine, items, faults, progress=progress)
    raise_for_faults(opened.header.bundle, faults)
    header = read_limited(opened.media, source.joined(HEADER), limit_bytes=HEADER_LIMIT_BYTES)
    write_atomic(machine, folder.joined(HEADER), [header])


def _read_list(path: Path) -> Iterator[_Listed]:
    """Read a proved list; every name is built anew, and none is used as a path.

    Raises:
        TrustError: A line breaks the format although the list is sealed.
    """
    with path.open(encoding="ascii", errors="replace", newline="\n") as stream:
        for number, line in enumerate(stream, 1):
            match = _LINE.fullmatch(line)
            names = None if match is None else _names(match[2])
            if match is None or names is None:
                raise TrustError(reason=f"list {path}, line {number}: not in the format")
            yield _Listed(names, Blake3.from_hex(match[1]))


def _names(text: str) -> tuple[str, ...] | None:
    if text in DOCUMENTS:
        return (text,)
    first, _, rest = text.partition("/")
    folder, _, name = rest.partition("/")
    whole, part_mark, digits = name.partition(PART_MARK)
    content = ContentName.parse(whole)
    if first != CONTENT or content is None or content.folder != folder or content.text != whole:
        return None
    if part_mark and _PART.fullmatch(part_mark + digits) is None:
        return None
    return (CONTENT, content.folder, content.text + part_mark + digits)


def _find_strangers(media: Media, source: HostPath, listed: list[_Listed], faults: Faults) -> None:
    """Add a fault for every name below ``content`` that the list does not have."""
    declared = {line.names for line in listed}
    for path, stat in strays(media, source):
        faults.undeclared(path, stat)
    for folder in filter(is_content_folder, content_names(media, source)):
        for stat in media.list_folder(source.joined(CONTENT, folder.name)):
            if (CONTENT, folder.name, stat.name) not in declared or stat.kind != "file":
                faults.undeclared(source.joined(CONTENT, folder.name, stat.name), stat)


def _items(
    media: Media,
    machine: Host,
    source: HostPath,
    folder: HostPath,
    *,
    listed: list[_Listed],
    faults: Faults,
) -> Iterator[CopyItem]:
    made: set[HostPath] = set()
    for line in listed:
        path, final = source.joined(*line.names), folder.joined(*line.names)
        stat = media.stat(path)
        if stat is None:
            faults.missing(path)
            continue
        if final.parent not in made:
            machine.make_folder(final.parent.parent)
            machine.make_folder(final.parent)
            made.add(final.parent)
        existing = machine.stat(final)
        yield CopyItem(
            sources=(path,),
            size_bytes=stat.size_bytes,
            blake3=line.blake3,
            beside=beside_of(final),
            final=final,
            present=existing is not None and existing.size_bytes == stat.size_bytes,
        )


def _copy(
    media: Media,
    machine: Host,
    items: Iterable[CopyItem],
    faults: Faults,
    *,
    progress: Progress,
) -> None:
    for batch in copy_files(media, machine, iter(items), progress=progress):
        for result in batch:
            if result.error is not None:
                faults.unread(result.item.sources[0], result.error)
