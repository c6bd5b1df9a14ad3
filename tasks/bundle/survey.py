"""Compare a bundle's content folders on media with its manifest, without opening a file.

Both are walked along folder by folder (``00`` to ``FF``), so memory holds one folder's names.
Links are never followed: what is no plain file or folder is only named.
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
"""The folders in which a volume was found, by its number: more than one when there are copies."""

FolderNames = Mapping[str, FileStat]


@dataclass(frozen=True, slots=True)
class FolderSurvey:
    """One content folder: the entries of the manifest, and what media show in each place.

    Attributes:
        listings: The names in it, by place; empty where it is not there.
        folders: The folder itself, by place, where it is there.
    """

    folder: str
    entries: tuple[Entry, ...]
    listings: Mapping[HostPath, FolderNames]
    places: VolumeFolders
    folders: Mapping[HostPath, FileStat]

    def path_in(self, place: HostPath, piece: Piece) -> HostPath:
        """Where a piece lies, or should lie, in a place of its volume."""
        return place.joined(CONTENT, self.folder, piece.file_name)

    def find(self, piece: Piece) -> list[tuple[HostPath, FileStat | None]]:
        """Say what each place of a piece's volume shows under its name."""
        return [
            (place, self.listings[place].get(piece.file_name))
            for place in self.places.get(piece.volume, ())
        ]

    def extras(self) -> Iterator[tuple[HostPath, FileStat]]:
        """Yield what lies there and in no entry: names, then a folder that holds no piece."""
        for number, places in self.places.items():
            declared = {
                piece.file_name
                for entry in self.entries
                for piece in pieces_of(entry)
                if piece.volume == number
            }
            for place in places:
                for name, stat in self.listings[place].items():
                    if name not in declared:
                        yield place.joined(CONTENT, self.folder, name), stat
                if not declared and place in self.folders:
                    yield place.joined(CONTENT, self.folder), self.folders[place]


def survey_content(
    media: Media, places: VolumeFolders, entries: Iterable[Entry]
) -> Iterator[FolderSurvey]:
    """Walk along manifest and media together.

    Content folders that hold no entry come as surveys without entries, at the end; names in
    ``content`` that are no folder of content are not among them (``content_names`` lists them).
    """
    folders = {
        place: {stat.name: stat for stat in content_names(media, place) if is_content_folder(stat)}
        for same in places.values()
        for place in same
    }
    ground = _Ground(media, places, folders)
    for folder, group in groupby(entries, key=lambda entry: entry.sha1.folder):
        yield ground.survey(folder, tuple(group))
    for folder in sorted({name for names in folders.values() for name in names}):
        yield ground.survey(folder, ())


def content_names(media: Media, place: HostPath) -> list[FileStat]:
    """List what lies directly in a volume's ``content``; nothing where it has none.

    A look at the folder itself would not tell one that was never there from one that has gone.
    """
    is_there = any(
        stat.name == CONTENT and stat.kind == "folder" for stat in media.list_folder(place)
    )
    return media.list_folder(place.joined(CONTENT)) if is_there else []


def strays(media: Media, place: HostPath) -> Iterator[tuple[HostPath, FileStat]]:
    """Yield names in a volume's ``content`` that cannot be a content folder."""
    for stat in content_names(media, place):
        if not is_content_folder(stat):
            yield place.joined(CONTENT, stat.name), stat


def is_content_folder(stat: FileStat) -> bool:
    """Whether a name in ``content`` is that of a content folder, ``00`` to ``FF``, and is one."""
    return (
        stat.kind == "folder"
        and len(stat.name) == 2
        and all(letter in "0123456789ABCDEF" for letter in stat.name)
    )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is walked over. ``folders`` are the content folders of each place, not yet visited."""

    media: Media
    places: VolumeFolders
    folders: Mapping[HostPath, dict[str, FileStat]]

    def survey(self, folder: str, entries: tuple[Entry, ...]) -> FolderSurvey:
        listings: dict[HostPath, FolderNames] = {}
        there: dict[HostPath, FileStat] = {}
        for place, waiting in self.folders.items():
            listings[place] = {}
            if (found := waiting.pop(folder, None)) is not None:
                names = self.media.list_folder(place.joined(CONTENT, folder))
                listings[place] = {stat.name: stat for stat in names}
                there[place] = found
        return FolderSurvey(folder, entries, listings, self.places, there)
