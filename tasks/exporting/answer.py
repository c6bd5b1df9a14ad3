"""The last sealed bundle as the answer to an export: nothing has changed, and it lies there whole.

The files on the medium are not listed one by one each time. When they were, the state of each
content folder (``Host.folder_states``) is kept beside our copy of the manifest. Later the names in
all folders are compared with that, and in one folder of sixteen, another one each time, also the
sizes; of a small bundle in all folders. A medium that was taken out and put in again is listed as
a whole where its file system numbers its files anew (FAT, exFAT). A file that loses bytes under
its name may thus be noticed late here; ``verify`` and every import read its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.bundle.header import Header
from tasks.bundle.layout import CONTENT, MANIFEST
from tasks.bundle.manifest import compare_sorted, read_entries
from tasks.bundle.opened_bundle import OpenedBundle, open_bundle
from tasks.bundle.survey import content_names, is_content_folder
from tasks.bundle.verify import documents_have_size, looks_complete
from tasks.content.copy_item import CopyItem
from tasks.content.transfer import copy_files
from tasks.errors import AirGapError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import ExportRecord
from tasks.run.context import RunContext
from tasks.run.keys import own_trust
from tasks.run.stored_documents import damaged_documents
from tasks.server.snapshot import ServerSnapshot
from tasks.site.settings import Site

_STATES = "media-states.json"
_SHARES = 16
# A bundle of so few files is always compared as a whole.
_FEW_FILES = 5_000


class MediaStates(BaseModel):
    """States of a bundle's content folders when all its files were listed and whole.

    Attributes:
        turn: Number of answers since; it chooses the folders whose sizes are compared.
        whole, names: By volume folder, then by content folder: the state with the sizes of its
            files, and without them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn: int = 0
    whole: dict[str, dict[str, str]]
    names: dict[str, dict[str, str]]


def find_answer(
    run: RunContext, record: ExportRecord, snapshot: ServerSnapshot, fingerprint: str
) -> Header | None:
    """Return the header of the last sealed bundle if the export may return it; else None.

    It may if nothing changed since the bundle was made and it lies whole on the media.
    """
    if record.fingerprint != fingerprint or snapshot.facts.arrived_since:
        return None
    header = _whole_header(run.media, run.site, record)
    if header is None or _is_mended(run.server, record, snapshot, header):
        return None
    return header


def find_lost_volumes(media: Host, site: Site, record: ExportRecord) -> tuple[int, ...]:
    """Return the numbers of a sealed bundle's volumes that are gone as a whole.

    Empty if none is gone, if no volume of the bundle lies on the medium, or if our own documents of
    it are damaged.
    """
    bundle = media.path(str(site.media.path / record.bundle.name))
    try:
        opened = open_bundle(media, [bundle], own_trust(site))
    except AirGapError:
        return ()
    is_ours = opened.trusted.digest == record.header_digest
    if not is_ours or any(damaged_documents(record.folder, opened.header)):
        return ()
    numbers = (volume.number for volume in opened.header.volumes)
    return tuple(number for number in numbers if number not in opened.volume_folders)


def _whole_header(media: Host, site: Site, record: ExportRecord) -> Header | None:
    """Return the header of a bundle that lies on the media as it was sealed, else None."""
    bundle = media.path(str(site.media.path / record.bundle.name))
    try:
        opened = open_bundle(media, [bundle], own_trust(site))
        is_ours = opened.trusted.digest == record.header_digest
        is_whole = (
            is_ours
            and not any(damaged_documents(record.folder, opened.header))
            and _is_whole(media, opened, record.folder)
        )
    except AirGapError:
        return None
    return opened.header if is_whole else None


def _is_whole(media: Host, opened: OpenedBundle, folder: Path) -> bool:
    """Return True if all files lie on the media: by their states, or by listing them all."""
    if opened.faults or not all(documents_have_size(opened)):
        return False
    volumes = [copy for copies in opened.volume_folders.values() for copy in copies]
    folders = {
        volume: [
            stat.name for stat in content_names(opened.media, volume) if is_content_folder(stat)
        ]
        for volume in volumes
    }
    path = folder / _STATES
    earlier = _read_states(path)
    is_small = opened.header.counts.carried_files <= _FEW_FILES
    if earlier is not None and _are_equal(media, folders, earlier, is_small=is_small):
        following = earlier.model_copy(update={"turn": earlier.turn + 1})
        path.write_text(following.model_dump_json(), encoding="utf-8")
        return True
    path.unlink(missing_ok=True)
    now = _current_states(media, folders)  # before the listing, so that no change is missed
    if not looks_complete(opened, read_entries(folder / MANIFEST)):
        return False
    if now is not None:
        path.write_text(now.model_dump_json(), encoding="utf-8")
    return True


def _read_states(path: Path) -> MediaStates | None:
    try:
        return MediaStates.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _are_equal(
    media: Host,
    folders: Mapping[HostPath, list[str]],
    earlier: MediaStates,
    *,
    is_small: bool,
) -> bool:
    if {volume.text: set(names) for volume, names in folders.items()} != {
        volume: set(states) for volume, states in earlier.names.items()
    }:
        return False
    for volume, names in folders.items():
        start = earlier.turn % _SHARES
        share = names if is_small else names[start::_SHARES]
        rest = sorted(set(names) - set(share))
        states = media.folder_states(volume.joined(CONTENT), share, rest) if names else {}
        whole, by_name = earlier.whole[volume.text], earlier.names[volume.text]
        expected = {name: whole[name] for name in share} | {name: by_name[name] for name in rest}
        if states != expected:
            return False
    return True


def _current_states(media: Host, folders: Mapping[HostPath, list[str]]) -> MediaStates | None:
    """Return the states of all content folders; None if this machine has none to offer."""
    whole: dict[str, dict[str, str]] = {}
    by_name: dict[str, dict[str, str]] = {}
    for volume, names in folders.items():
        content = volume.joined(CONTENT)
        with_sizes = media.folder_states(content, names) if names else {}
        without = media.folder_states(content, [], names) if names else {}
        if (
            with_sizes is None
            or without is None
            or not len(with_sizes) == len(without) == len(names)
        ):
            return None
        whole[volume.text], by_name[volume.text] = dict(with_sizes), dict(without)
    return MediaStates(whole=whole, names=by_name)


def _is_mended(
    server: Host, record: ExportRecord, snapshot: ServerSnapshot, header: Header
) -> bool:
    """Return True if a file that was left out as wrong is right now.

    Only such files are read: size and time need not show the repair.
    """
    if snapshot.content.totals()[0] == header.counts.files:
        return False  # content is unchanged since, and the manifest names as many files
    pairs = compare_sorted(
        snapshot.content,
        read_entries(record.folder / MANIFEST),
        first_order=lambda file: file.name.order,
        second_order=lambda entry: entry.order,
    )
    left_out = (
        CopyItem((pair.first.path,), pair.first.size_bytes, sha1=pair.first.name.digest)
        for pair in pairs
        if pair.first is not None and pair.second is None
    )
    return any(result.is_ok for batch in copy_files(server, None, left_out) for result in batch)
