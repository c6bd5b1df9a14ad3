"""Open a bundle on media: find its volumes, and believe its header only after its seal.

Everything on media is an enemy's until proved. What is read here is bounded: one listing of each
folder that was named and of each volume, and at most 64 KiB of each ``header.json``. Nothing is
written, no lock is taken, no link followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.bundle.faults import Faults, printable
from tasks.bundle.header import MOST_VOLUMES, Header, TrustedHeader, read_header, verify_header
from tasks.bundle.layout import (
    CONTENT,
    HEADER,
    allowed_names,
    is_bundle_name,
    volume_name,
    volume_number,
)
from tasks.bundle.media import Media
from tasks.bundle.seal import HEADER_LIMIT_BYTES, Trust
from tasks.bundle.survey import VolumeFolders, strays
from tasks.errors import HostFileError, PathMissingError, UsageError
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited
from tasks.refusals import SealError, WrongSiteError


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """A bundle whose header is trusted and whose files are as yet unproved.

    ``places`` are the volumes that are there, by number. ``faults`` collects what is wrong; names
    that the seal does not know are in it already, and whole volumes that are missing.
    """

    media: Media
    trusted: TrustedHeader
    places: VolumeFolders
    faults: Faults = field(compare=False)

    @property
    def header(self) -> Header:
        """The verified header."""
        return self.trusted.header


def open_bundle(media: Host, folders: Sequence[HostPath], trust: Trust) -> OpenedBundle:
    """Find the volumes of one bundle and verify its header.

    Args:
        media: The machine that the media are mounted on.
        folders: The bundle's folder; several are the volumes of one bundle, or copies of it.
            Links in the paths themselves are the caller's to resolve.
        trust: Whose seals count.

    Raises:
        PathMissingError: One of the folders is not there.
        UsageError: One of them is no bundle's folder, but lies above or below one, or elsewhere.
        SealError: There is no header, or none of a volume's copies has a valid seal.
        HostFileError: A folder, or every copy of a header, cannot be read.
        WrongSiteError: The volumes are not of one bundle.
        SafetyError: The bundle has a format that this program does not know.
    """
    carrier = Media(media)
    faults = Faults()
    places: dict[int, list[HostPath]] = {}
    for folder in folders:
        _find_volumes(carrier, folder, places, faults)
    names = {place: carrier.list_folder(place) for same in places.values() for place in same}
    headers = _Headers(carrier, names, trust, faults)
    trusted = _verify_headers(headers, places)
    _compare_volumes(folders[0], trusted.header, places, faults)
    for number, same in places.items():
        for place in same:
            _check_names(headers, number, place)
    return OpenedBundle(carrier, trusted, places, faults)


def _find_volumes(
    media: Media, folder: HostPath, places: dict[int, list[HostPath]], faults: Faults
) -> None:
    found = media.stat(folder)
    if found is None or found.kind != "folder":
        raise PathMissingError(what="the bundle's folder", path=folder)
    names = media.list_folder(folder)
    if not any(_is_volume(stat) for stat in names):
        raise _no_volume(folder, names)
    for stat in names:
        path = folder.joined(stat.name)
        if (number := volume_number(stat.name)) is not None and _is_volume(stat):
            same = places.setdefault(number, [])
            if path not in same:
                same.append(path)
        else:
            faults.undeclared(path, stat)


def _is_volume(stat: FileStat) -> bool:
    number = volume_number(stat.name)
    return stat.kind == "folder" and number is not None and 1 <= number <= MOST_VOLUMES


def _no_volume(folder: HostPath, names: Sequence[FileStat]) -> UsageError | SealError:
    """Say what a folder without a volume is: most often the wrong one, by a slip.

    Only a folder that bears a bundle's name is taken for a bundle that has lost its volumes.
    """
    bundles = [stat.name for stat in names if stat.kind == "folder" and is_bundle_name(stat.name)]
    if bundles:
        first = folder.joined(bundles[0])
        return _wrong_folder(folder, f"it holds {len(bundles)} of them", f"for example {first}")
    inside = folder
    while inside.parent != inside:
        if volume_number(inside.name) is not None:
            return _wrong_folder(folder, "it is part of one", str(inside.parent))
        inside = inside.parent
    if is_bundle_name(folder.name):
        return SealError(
            path=folder,
            reason="there is no volume in it",
            remedy="This is no bundle: bring it again, or have it made again.",
        )
    return _wrong_folder(folder, "there is no volume in it", "one that holds volume-001")


def _wrong_folder(folder: HostPath, reason: str, instead: str) -> UsageError:
    return UsageError(
        reason=f"{printable(folder.text)} is not a bundle's folder: {reason}",
        remedy=f"Name the bundle's own folder, {printable(instead)}.",
    )


def _compare_volumes(
    folder: HostPath, header: Header, places: dict[int, list[HostPath]], faults: Faults
) -> None:
    """Note volumes that are missing, and drop those that the header does not know."""
    for number in set(places) - {volume.number for volume in header.volumes}:
        for place in places.pop(number):
            faults.undeclared(place, FileStat(place.name, "folder", 0, 0, ""))
    for volume in header.volumes:
        if volume.number not in places:
            faults.missing(folder.joined(volume_name(volume.number), HEADER))


@dataclass(frozen=True, slots=True)
class _Headers:
    """What the headers of all volumes are read with; ``names`` is the listing of each volume."""

    media: Media
    names: Mapping[HostPath, Sequence[FileStat]]
    trust: Trust
    faults: Faults


def _verify_headers(headers: _Headers, places: VolumeFolders) -> TrustedHeader:
    """Verify the header of every volume; all must be of one bundle."""
    first: TrustedHeader | None = None
    for number in sorted(places):
        for place, trusted in _verify_copies(headers, places[number]):
            if first is not None and trusted.digest != first.digest:
                raise WrongSiteError(
                    what=place,
                    found=_identify(trusted),
                    expected=_identify(first),
                    remedy="Name volumes and copies of one bundle only, and take each by itself.",
                )
            first = first or trusted
    if first is None:
        place = places[min(places)][0]
        raise SealError(
            path=place,
            reason="there is no header.json in it",
            remedy="The export that made it did not end (the seal is written last), or it was "
            "copied in part: bring it whole, or have it made again.",
        )
    return first


def _verify_copies(
    headers: _Headers, copies: Sequence[HostPath]
) -> list[tuple[HostPath, TrustedHeader]]:
    """Verify the header in every copy of a volume; one that is bad is spared if another is good.

    Raises:
        SealError, HostFileError: One is bad, and none is good.
    """
    verified: list[tuple[HostPath, TrustedHeader]] = []
    refused: list[SealError | HostFileError] = []
    tried = Faults()
    for place in copies:
        path = place.joined(HEADER)
        try:
            content = _read_header_file(headers, place)
            if content is None:
                tried.missing(path)
            else:
                header = verify_header(read_header(content, path=str(path)), headers.trust)
                verified.append((place, header))
        except SealError as error:
            tried.unsealed(path, error)
            refused.append(error)
        except HostFileError as error:
            tried.unread(path, error)
            refused.append(error)
    if refused and not verified:
        raise refused[0]
    headers.faults.settle(tried, recovered=bool(verified))
    return verified


def _read_header_file(headers: _Headers, place: HostPath) -> bytes | None:
    """Read a volume's header file up to its cap; None when the volume lists none.

    Raises:
        SealError: It is no plain file.
    """
    path = place.joined(HEADER)
    listed = next((stat for stat in headers.names[place] if stat.name == HEADER), None)
    if listed is None:
        return None
    if listed.kind != "file":
        raise SealError(path=path, reason="its header.json is no plain file")
    # One byte above the cap is read too, and read_header refuses it.
    return read_limited(headers.media, path, limit_bytes=HEADER_LIMIT_BYTES)


def _check_names(headers: _Headers, number: int, place: HostPath) -> None:
    """Note names directly in a volume, and in its content folder, that the format does not know.

    What is missing is noted when it is to be read.
    """
    for stat in headers.names[place]:
        wanted = "folder" if stat.name == CONTENT else "file"
        if stat.name not in allowed_names(number) or stat.kind != wanted:
            headers.faults.undeclared(place.joined(stat.name), stat)
    for path, stat in strays(headers.media, place):
        headers.faults.undeclared(path, stat)


def _identify(trusted: TrustedHeader) -> str:
    return f"{trusted.header.bundle} ({trusted.digest.short})"
