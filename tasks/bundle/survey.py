"""Compare a bundle's content folders on media with its manifest, without opening a file.

Folders and manifest are read together, folder by folder (``00`` to ``FF``), so memory holds the
names of one folder. Links and devices are listed, never followed or opened.

What the survey of a content folder shows for one copy of a volume:

| folder in the copy | entries of it in the manifest | survey |
|---|---|---|
| exists | some | its listing: files of entries are found, other names are extras |
| exists | none | comes at the end: all its names and the folder itself are extras |
| missing | some | an empty listing: the files of its entries are missing |
| missing | none | not surveyed |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tasks.bundle.layout import CONTENT
from tasks.bundle.manifest import Entry, Piece, pieces_of
from tasks.bundle.media import Media
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath

VolumeFolders = Mapping[int, Sequence[HostPath]]
"""By volume number: the folder of each copy of that volume."""

FolderNames = Mapping[str, FileStat]


@dataclass(frozen=True, slots=True)
class FolderSurvey:
    """One content folder: its entries in the manifest, and its listing in each volume folder.

    Attributes:
        folder: Name of the content folder, ``00`` to ``FF``.
        entries: Entries of the manifest whose files belong into this folder.
        listings: The names in it, by volume folder; empty where the folder does not exist.
        volume_folders: The folders of all volumes.
        folder_stats: The content folder's own stat, by volume folder, where the folder exists.
        pieces: The pieces of each entry.
    """

    folder: str
    entries: tuple[Entry, ...]
    listings: Mapping[HostPath, FolderNames]
    volume_folders: VolumeFolders
    folder_stats: Mapping[HostPath, FileStat]
    pieces: tuple[tuple[Piece, ...], ...]

    def path_in(self, volume_folder: HostPath, piece: Piece) -> HostPath:
        """Return the path of a piece in a folder of its volume, whether or not it exists."""
        return volume_folder.joined(CONTENT, self.folder, piece.file_name)

    def find(self, piece: Piece) -> list[tuple[HostPath, FileStat | None]]:
        """Return the stat of a piece in each folder of its volume; None where it is missing."""
        return [
            (volume_folder, self.listings[volume_folder].get(piece.file_name))
            for volume_folder in self.volume_folders.get(piece.volume, ())
        ]

    def extras(self) -> Iterator[tuple[HostPath, FileStat]]:
        """Yield, by volume folder, the names that no entry has in this volume.

        The content folder itself follows if no entry has a piece there.
        """
        for number, copies in self.volume_folders.items():
            declared = {
                piece.file_name
                for pieces in self.pieces
                for piece in pieces
                if piece.volume == number
            }
            for volume_folder in copies:
                for name, stat in self.listings[volume_folder].items():
                    if name not in declared:
                        yield volume_folder.joined(CONTENT, self.folder, name), stat
                if not declared and volume_folder in self.folder_stats:
                    path = volume_folder.joined(CONTENT, self.folder)
                    yield path, self.folder_stats[volume_folder]


def survey_content(
    media: Media, volume_folders: VolumeFolders, entries: Iterable[Entry]
) -> Iterator[FolderSurvey]:
    """Read manifest and media together, and yield one survey for each content folder.

    Content folders without entries come last. Other names in ``content`` are not surveyed;
    ``strays`` lists them.
    """
    folders = {
        volume_folder: {
            stat.name: stat
            for stat in content_names(media, volume_folder)
            if is_content_folder(stat)
        }
        for copies in volume_folders.values()
        for volume_folder in copies
    }
    surveyor = _Surveyor(media, volume_folders, folders)
    for folder, group in groupby(entries, key=lambda entry: entry.sha1.folder):
        yield surveyor.survey(folder, tuple(group))
    for folder in sorted({name for names in folders.values() for name in names}):
        yield surveyor.survey(folder, ())


def content_names(media: Media, volume_folder: HostPath) -> list[FileStat]:
    """List the names directly in a volume's ``content``; none if the volume has no such folder.

    The volume's listing decides whether ``content`` exists. If ``content`` disappears after that,
    listing it fails; a stat would only say that it is absent.
    """
    has_content = any(
        stat.name == CONTENT and stat.kind == "folder" for stat in media.list_folder(volume_folder)
    )
    return media.list_folder(volume_folder.joined(CONTENT)) if has_content else []


def strays(media: Media, volume_folder: HostPath) -> Iterator[tuple[HostPath, FileStat]]:
    """Yield names in a volume's ``content`` that cannot be a content folder."""
    for stat in content_names(media, volume_folder):
        if not is_content_folder(stat):
            yield volume_folder.joined(CONTENT, stat.name), stat


def is_content_folder(stat: FileStat) -> bool:
    """Return True if a name in ``content`` is a folder with a name from ``00`` to ``FF``."""
    return (
        stat.kind == "folder"
        and len(stat.name) == 2
        and all(letter in "0123456789ABCDEF" for letter in stat.name)
    )


@dataclass(frozen=True, slots=True)
class _Surveyor:
    """State of a survey; ``folders`` are the content folders not surveyed yet, by volume folder."""

    media: Media
    volume_folders: VolumeFolders
    folders: Mapping[HostPath, dict[str, FileStat]]

    def survey(self, folder: str, entries: tuple[Entry, ...]) -> FolderSurvey:
        listings: dict[HostPath, FolderNames] = {}
        existing: dict[HostPath, FileStat] = {}
        for volume_folder, unvisited in self.folders.items():
            listings[volume_folder] = {}
            if (folder_stat := unvisited.pop(folder, None)) is not None:
                stats = self.media.list_folder(volume_folder.joined(CONTENT, folder))
                listings[volume_folder] = {stat.name: stat for stat in stats}
                existing[volume_folder] = folder_stat
        pieces = tuple(map(pieces_of, entries))
        return FolderSurvey(folder, entries, listings, self.volume_folders, existing, pieces)
