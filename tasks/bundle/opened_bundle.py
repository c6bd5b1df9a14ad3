"""Open a bundle on media: find its volumes, verify its seal, then parse its header.

Everything on media is untrusted until proved, so reading is limited: one listing of each folder
given and of each volume, and at most 64 KiB of each ``header.json``. Nothing is written, no lock
is taken, and no link is followed.
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
    """A bundle whose header is trusted and whose files are not yet proved.

    ``volume_folders`` are the folders of the volumes that exist. ``faults`` collects the faults of
    the bundle; names that are not sealed, and whole volumes that are missing, are in it already.
    """

    media: Media
    trusted: TrustedHeader
    volume_folders: VolumeFolders
    faults: Faults = field(compare=False)

    @property
    def header(self) -> Header:
        """The verified header."""
        return self.trusted.header


def open_bundle(media: Host, folders: Sequence[HostPath], trust: Trust) -> OpenedBundle:
    """Find the volumes of one bundle and verify its header.

    Args:
        media: The machine that the media are mounted on.
        folders: The bundle's folder; several folders are volumes or copies of one bundle. The
            caller has resolved links in these paths.
        trust: Trusted keys and threshold.

    Raises:
        PathMissingError: One of the folders does not exist.
        UsageError: One of the folders is not the folder of a bundle.
        SealError: There is no header, or none of a volume's copies has a valid seal.
        HostFileError: A folder, or every copy of a header, cannot be read.
        WrongSiteError: The volumes belong to more than one bundle.
        SafetyError: The bundle has a newer format than this program knows.
    """
    carrier = Media(media)
    faults = Faults()
    volume_folders: dict[int, list[HostPath]] = {}
    for folder in folders:
        _find_volumes(carrier, folder, volume_folders, faults)
    listings = {
        volume_folder: carrier.list_folder(volume_folder)
        for copies in volume_folders.values()
        for volume_folder in copies
    }
    reader = _HeaderReader(carrier, listings, trust, faults)
    trusted = _verify_headers(reader, volume_folders)
    _compare_volumes(folders[0], trusted.header, volume_folders, faults)
    for number, copies in volume_folders.items():
        for volume_folder in copies:
            has_brings = trusted.header.brings is not None
            _check_names(reader, allowed_names(number, has_brings=has_brings), volume_folder)
    return OpenedBundle(carrier, trusted, volume_folders, faults)


def _find_volumes(
    media: Media, folder: HostPath, volume_folders: dict[int, list[HostPath]], faults: Faults
) -> None:
    """Add the volumes in a folder to ``volume_folders``; other names are faults."""
    folder_stat = media.stat(folder)
    if folder_stat is None or folder_stat.kind != "folder":
        raise PathMissingError(what="the bundle's folder", path=folder)
    stats = media.list_folder(folder)
    if not any(_is_volume(stat) for stat in stats):
        raise _no_volume(folder, stats)
    for stat in stats:
        path = folder.joined(stat.name)
        if (number := volume_number(stat.name)) is not None and _is_volume(stat):
            copies = volume_folders.setdefault(number, [])
            if path not in copies:
                copies.append(path)
        else:
            faults.undeclared(path, stat)


def _is_volume(stat: FileStat) -> bool:
    number = volume_number(stat.name)
    return stat.kind == "folder" and number is not None and 1 <= number <= MOST_VOLUMES


def _no_volume(folder: HostPath, stats: Sequence[FileStat]) -> UsageError | SealError:
    """Return the error for a folder without a volume; most often a person gave a wrong folder.

    Only a folder with the name of a bundle is reported as a bundle without volumes.
    """
    bundles = [stat.name for stat in stats if stat.kind == "folder" and is_bundle_name(stat.name)]
    if bundles:
        first = folder.joined(bundles[0])
        return _wrong_folder(folder, f"it holds {len(bundles)} of them", f"for example {first}")
    ancestor = folder
    while ancestor.parent != ancestor:
        if volume_number(ancestor.name) is not None:
            return _wrong_folder(folder, "it is part of one", str(ancestor.parent))
        ancestor = ancestor.parent
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
    folder: HostPath, header: Header, volume_folders: dict[int, list[HostPath]], faults: Faults
) -> None:
    """Add faults for missing and for undeclared volumes, and drop the undeclared ones."""
    for number in set(volume_folders) - {volume.number for volume in header.volumes}:
        for volume_folder in volume_folders.pop(number):
            faults.undeclared(volume_folder, FileStat(volume_folder.name, "folder", 0, 0, ""))
    for volume in header.volumes:
        if volume.number not in volume_folders:
            faults.missing(folder.joined(volume_name(volume.number), HEADER))


@dataclass(frozen=True, slots=True)
class _HeaderReader:
    """Inputs for reading the headers of all volumes; ``listings`` has each volume's listing."""

    media: Media
    listings: Mapping[HostPath, Sequence[FileStat]]
    trust: Trust
    faults: Faults


def _verify_headers(reader: _HeaderReader, volume_folders: VolumeFolders) -> TrustedHeader:
    """Verify the header of every volume; all must belong to one bundle."""
    first: TrustedHeader | None = None
    for number in sorted(volume_folders):
        for volume_folder, trusted in _verify_copies(reader, volume_folders[number]):
            if first is not None and trusted.digest != first.digest:
                raise WrongSiteError(
                    what=volume_folder,
                    found=_identify(trusted),
                    expected=_identify(first),
                    remedy="Name volumes and copies of one bundle only, and take each by itself.",
                )
            first = first or trusted
    if first is None:
        raise SealError(
            path=volume_folders[min(volume_folders)][0],
            reason="there is no header.json in it",
            remedy="The export that made it did not end (the seal is written last), or it was "
            "copied in part: bring it whole, or have it made again.",
        )
    return first


def _verify_copies(
    reader: _HeaderReader, copies: Sequence[HostPath]
) -> list[tuple[HostPath, TrustedHeader]]:
    """Verify the header in every copy of a volume; return the copies with a valid seal.

    A bad header is a recovered fault if another copy has a good one.

    Raises:
        SealError, HostFileError: At least one header is bad, and none is good.
    """
    verified: list[tuple[HostPath, TrustedHeader]] = []
    refused: list[SealError | HostFileError] = []
    tried = Faults()
    for volume_folder in copies:
        path = volume_folder.joined(HEADER)
        try:
            content = _read_header_file(reader, volume_folder)
            if content is None:
                tried.missing(path)
            else:
                header = verify_header(read_header(content, path=str(path)), reader.trust)
                verified.append((volume_folder, header))
        except SealError as error:
            tried.unsealed(path, error)
            refused.append(error)
        except HostFileError as error:
            tried.unread(path, error)
            refused.append(error)
    if refused and not verified:
        raise refused[0]
    reader.faults.merge(tried, recovered=bool(verified))
    return verified


def _read_header_file(reader: _HeaderReader, volume_folder: HostPath) -> bytes | None:
    """Read a volume's header file up to the limit; None if the volume has no such file.

    Raises:
        SealError: It is not a plain file.
    """
    path = volume_folder.joined(HEADER)
    stat = next((stat for stat in reader.listings[volume_folder] if stat.name == HEADER), None)
    if stat is None:
        return None
    if stat.kind != "file":
        raise SealError(path=path, reason="its header.json is not a plain file")
    # Up to one byte above the limit is read, so that read_header can refuse a larger file.
    return read_limited(reader.media, path, limit_bytes=HEADER_LIMIT_BYTES)


def _check_names(reader: _HeaderReader, allowed: frozenset[str], volume_folder: HostPath) -> None:
    """Add faults for undeclared names directly in a volume and in its content folder.

    Missing files become faults later, when they are read.
    """
    for stat in reader.listings[volume_folder]:
        expected_kind = "folder" if stat.name == CONTENT else "file"
        if stat.name not in allowed or stat.kind != expected_kind:
            reader.faults.undeclared(volume_folder.joined(stat.name), stat)
    for path, stat in strays(reader.media, volume_folder):
        reader.faults.undeclared(path, stat)


def _identify(trusted: TrustedHeader) -> str:
    return f"{trusted.header.bundle} ({trusted.digest.short})"
