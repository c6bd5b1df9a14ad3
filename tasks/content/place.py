"""From the intake to WsusContent: renames, nothing else.

The intake lies on the same disk as WsusContent and holds only files that were proved by both
digests and are durable. Placing moves them under their final path folder by folder; a file keeps
the permissions of its new folder, not those of the intake. Run again after a kill it finds the
files that it had moved in their place and moves the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from tasks.content.names import ContentName
from tasks.errors import AirGapError, HostFileError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress

BESIDE_SUFFIX = ".~part"  # no extension of a content file contains a tilde


@dataclass(frozen=True, slots=True)
class PlaceItem:
    """A content file that must lie in WsusContent afterwards, with its size."""

    name: ContentName
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of the files of one content folder.

    ``moved`` came from the intake. ``found`` lay in place with the right size already (their
    bytes were not read; the audit does that). ``failed`` lie in neither, or could not be moved.
    """

    folder: str
    moved: tuple[PlaceItem, ...]
    found: tuple[PlaceItem, ...]
    failed: tuple[tuple[PlaceItem, AirGapError], ...]


def content_path(root: HostPath, name: ContentName) -> HostPath:
    """Where a content file lies below WsusContent, an intake, or a volume's content folder."""
    return root.joined(name.folder, name.text)


def beside_of(final: HostPath) -> HostPath:
    """Where a file is written before it is whole: beside, under a name that no reader takes."""
    return final.parent.joined(final.name + BESIDE_SUFFIX)


def place(
    host: Host,
    intake: HostPath,
    content_dir: HostPath,
    items: Iterable[PlaceItem],
    *,
    progress: Progress | None = None,
) -> Iterator[Placed]:
    """Move content files to their place, one content folder at a time.

    When a result comes out its names are durable. Nothing in WsusContent is removed; a file that
    has the name of an intake file is replaced by it.

    Args:
        host: The server.
        intake: The folder with proved files, laid out like WsusContent.
        content_dir: WsusContent.
        items: What must be there afterwards, ascending by ``name.order``.
        progress: Is advanced by one for each file; begun and ended by the caller.
    """
    for folder, group in groupby(items, key=lambda item: item.name.folder):
        wanted = list(group)
        yield _place_folder(host, intake.joined(folder), content_dir.joined(folder), wanted)
        if progress is not None:
            progress.advance(len(wanted))


def _place_folder(
    host: Host, intake: HostPath, target: HostPath, wanted: list[PlaceItem]
) -> Placed:
    waiting = _sizes(host, intake)
    present = _sizes(host, target)
    to_move = [item for item in wanted if waiting.get(item.name.text.upper()) == item.size_bytes]
    moving = {item.name for item in to_move}
    found = [
        item
        for item in wanted
        if item.name not in moving and present.get(item.name.text.upper()) == item.size_bytes
    ]
    moved, failed = _move(host, intake, target, to_move)
    settled = moving | {item.name for item in found}
    failed.extend((item, _not_there(intake, item)) for item in wanted if item.name not in settled)
    return Placed(target.name, tuple(moved), tuple(found), tuple(failed))


def _move(
    host: Host, intake: HostPath, target: HostPath, items: list[PlaceItem]
) -> tuple[list[PlaceItem], list[tuple[PlaceItem, AirGapError]]]:
    if not items:
        return [], []
    host.make_folder(target)
    host.flush_folders([target.parent])
    by_source = {intake.joined(item.name.text): item for item in items}
    outcome = host.rename(
        [(source, target.joined(source.name)) for source in by_source], inherit=True
    )
    host.flush_folders([target, intake])
    moved = [by_source[source] for source, _ in outcome.ok]
    return moved, [(by_source[move[0]], error) for move, error in outcome.failed]


def _sizes(host: Host, folder: HostPath) -> dict[str, int]:
    """Sizes by name in upper case: NTFS does not tell the case of an extension apart."""
    return {
        stat.name.upper(): stat.size_bytes
        for stat in host.list_folder(folder)
        if stat.kind == "file"
    }


def _not_there(intake: HostPath, item: PlaceItem) -> AirGapError:
    return HostFileError(
        operation="place",
        path=intake.joined(item.name.text),
        reason="it lies neither in the intake nor in its place",
    )
