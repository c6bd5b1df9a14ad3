"""Open a bundle on media: find its volumes, and believe its header only after its seal.

Everything on media is an enemy's until proved. What is read here is bounded: one listing of each
folder that was named and of each volume, and at most 64 KiB of each ``header.json``. Nothing is
written, no lock is taken, no link followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tasks.bundle.faults import Faults
from tasks.bundle.header import MOST_VOLUMES, Header, TrustedHeader, read_header, verify_header
from tasks.bundle.layout import CONTENT, HEADER, allowed_names, volume_name, volume_number
from tasks.bundle.seal import HEADER_LIMIT_BYTES, Trust
from tasks.bundle.survey import VolumeFolders, strays
from tasks.errors import HostFileError, PathMissingError, SealError, WrongSiteError
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """A bundle whose header is trusted and whose files are as yet unproved.

    ``places`` are the volumes that are there, by number. ``faults`` collects what is wrong; names
    that the seal does not know are in it already, and whole volumes that are missing.
    """

    media: Host
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
        SealError, HostFileError: There is no header, or none of a volume's copies has a valid seal
            or can be read.
        WrongSiteError: The volumes are not of one bundle.
        SafetyError: The bundle has a format that this program does not know.
    """
    faults = Faults()
    places: dict[int, list[HostPath]] = {}
    for folder in folders:
        _find_volumes(media, folder, places, faults)
    if not places:
        raise SealError(
            path=folders[0],
            reason="there is no volume in it",
            remedy="Name the bundle's own folder, the one that holds volume-001. If this is it, it "
            "is no bundle: have it made again.",
        )
    trusted = _verify_headers(media, places, trust, faults)
    _compare_volumes(folders[0], trusted.header, places, faults)
    for number, same in places.items():
        for place in same:
            _check_names(media, number, place, faults)
    return OpenedBundle(media, trusted, places, faults)


def _find_volumes(
    media: Host, folder: HostPath, places: dict[int, list[HostPath]], faults: Faults
) -> None:
    found = media.stat(folder)
    if found is None or found.kind != "folder":
        raise PathMissingError(what="bundle folder", path=folder)
    for stat in sorted(media.list_folder(folder), key=lambda stat: stat.name):
        number = volume_number(stat.name)
        path = folder.joined(stat.name)
        if stat.kind == "folder" and number is not None and 1 <= number <= MOST_VOLUMES:
            same = places.setdefault(number, [])
            if path not in same:
                same.append(path)
        else:
            faults.undeclared(path, stat)


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


def _verify_headers(
    media: Host, places: VolumeFolders, trust: Trust, faults: Faults
) -> TrustedHeader:
    """Verify the header of every volume; all must be of one bundle."""
    first: TrustedHeader | None = None
    for number in sorted(places):
        for place, trusted in _verify_copies(media, places[number], trust, faults):
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
        raise SealError(path=place, reason="there is no header.json in it")
    return first


def _verify_copies(
    media: Host, copies: Sequence[HostPath], trust: Trust, faults: Faults
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
            content = _read_header_file(media, path)
            if content is None:
                tried.missing(path)
            else:
                verified.append((place, verify_header(read_header(content, path=str(path)), trust)))
        except (SealError, HostFileError) as error:
            tried.unsealed(path, error)
            refused.append(error)
    if refused and not verified:
        raise refused[0]
    faults.settle(tried, recovered=bool(verified))
    return verified


def _read_header_file(media: Host, path: HostPath) -> bytes | None:
    """Read a header file up to its cap; None when there is none.

    Raises:
        SealError: It is no plain file.
    """
    stat = media.stat(path)
    if stat is None:
        return None
    if stat.kind != "file":
        raise SealError(path=path, reason="its header.json is no plain file")
    return read_limited(media, path, limit_bytes=HEADER_LIMIT_BYTES)  # read_header refuses more


def _check_names(media: Host, number: int, place: HostPath, faults: Faults) -> None:
    """Note names directly in a volume, and in its content folder, that the format does not know.

    What is missing is noted when it is to be read.
    """
    for stat in media.list_folder(place):
        wanted = "folder" if stat.name == CONTENT else "file"
        if stat.name not in allowed_names(number) or stat.kind != wanted:
            faults.undeclared(place.joined(stat.name), stat)
    for path, stat in strays(media, place):
        faults.undeclared(path, stat)


def _identify(trusted: TrustedHeader) -> str:
    return f"{trusted.header.bundle} ({trusted.digest.short})"
