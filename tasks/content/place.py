"""Place content: move files from the intake to WsusContent by renames only.

The intake is on the same disk as WsusContent, and contains only durable files that were proved by
both digests. Placing renames them to their final paths, folder by folder; a file takes the
permissions of its new folder. After a kill the same call finds the files that it had placed, and
moves the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from tasks.content.names import ContentName, FileDigests
from tasks.content.scan import ContentFile
from tasks.errors import AirGapError, HostFileError
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.progress import Progress
from tasks.refusals import FolderUnsafeError

BESIDE_SUFFIX = ".~part"  # no extension of a content file contains a tilde


@dataclass(frozen=True, slots=True)
class PlaceItem:
    """A content file that must lie in WsusContent afterwards.

    ``digests`` are those by which the file of the intake was proved, if the caller wants them back.
    """

    name: ContentName
    size_bytes: int
    digests: FileDigests | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Result of placing the files of one content folder.

    Attributes:
        folder: Name of the content folder, for example ``63``.
        moved: Files moved from the intake, as they lie in WsusContent now, with their item's
            digests. A rename keeps time and id, so a file that somebody writes afterwards differs.
        already_placed: Files that were in place with the right size, as they lie there. Their bytes
            were not read.
        failed: Files that are in neither folder, or could not be moved.
    """

    folder: str
    moved: tuple[ContentFile, ...]
    already_placed: tuple[ContentFile, ...]
    failed: tuple[tuple[PlaceItem, AirGapError], ...]


def content_path(root: HostPath, name: ContentName) -> HostPath:
    """Return a content file's path below WsusContent, an intake, or a volume's ``content``."""
    return root.joined(name.folder, name.text)


def beside_of(final: HostPath) -> HostPath:
    """Return the path for writing a file: beside the final path, with a name that readers skip."""
    return final.parent.joined(final.name + BESIDE_SUFFIX)


def place(
    host: Host,
    intake: HostPath,
    content_dir: HostPath,
    items: Iterable[PlaceItem],
    *,
    progress: Progress | None = None,
) -> Iterator[Placed]:
    """Move content files to their final paths, one content folder at a time.

    The names of a result are durable when it is yielded. Nothing in WsusContent is removed, but a
    file in the intake replaces a file of the same name.

    Args:
        host: The server.
        intake: The folder with proved files, laid out like WsusContent.
        content_dir: WsusContent.
        items: Files that must be in WsusContent afterwards, ascending by ``name.order``.
        progress: Advanced by one for each file; the caller begins and ends it.
    """
    for folder, group in groupby(items, key=lambda item: item.name.folder):
        folder_items = list(group)
        yield _place_folder(host, intake.joined(folder), content_dir.joined(folder), folder_items)
        if progress is not None:
            progress.advance(len(folder_items))


def _place_folder(host: Host, intake: HostPath, target: HostPath, items: list[PlaceItem]) -> Placed:
    in_intake = _files(host, intake)
    try:
        in_target = _files(host, target)
        if in_intake:
            host.make_folder(target)
    except (FolderUnsafeError, HostFileError) as error:  # a link, or no folder: it alone fails
        return Placed(target.name, (), (), tuple((item, error) for item in items))
    to_move = {
        item: stat
        for item in items
        if (stat := in_intake.get(item.name.text.upper())) and stat.size_bytes == item.size_bytes
    }
    already_placed = {
        item: _placed_file(item, target.joined(stat.name), stat)
        for item in items
        if item not in to_move
        and (stat := in_target.get(item.name.text.upper()))
        and stat.size_bytes == item.size_bytes
    }
    moved, failed = _move(host, intake, target, to_move)
    present = {*to_move, *already_placed}
    failed.extend((item, _not_there(intake, item)) for item in items if item not in present)
    return Placed(target.name, tuple(moved), tuple(already_placed.values()), tuple(failed))


def _move(
    host: Host, intake: HostPath, target: HostPath, items: Mapping[PlaceItem, FileStat]
) -> tuple[list[ContentFile], list[tuple[PlaceItem, AirGapError]]]:
    if not items:
        return [], []
    host.flush_folders([target.parent])
    by_source = {intake.joined(item.name.text): item for item in items}
    outcome = host.rename(
        [(source, target.joined(source.name)) for source in by_source], inherit=True
    )
    host.flush_folders([target, intake])
    moved = [(by_source[source], final) for source, final in outcome.ok]
    files = [_placed_file(item, final, items[item]) for item, final in moved]
    return files, [(by_source[move[0]], error) for move, error in outcome.failed]


def _placed_file(item: PlaceItem, final: HostPath, stat: FileStat) -> ContentFile:
    return ContentFile(item.name, final, stat.size_bytes, stat.mtime_ns, stat.file_id, item.digests)


def _files(host: Host, folder: HostPath) -> dict[str, FileStat]:
    """Return a folder's files by upper-case name, since NTFS ignores case."""
    return {stat.name.upper(): stat for stat in host.list_folder(folder) if stat.kind == "file"}


def _not_there(intake: HostPath, item: PlaceItem) -> AirGapError:
    return HostFileError(
        operation="place",
        path=intake.joined(item.name.text),
        reason="it is neither in the intake nor in WsusContent",
    )
