"""Feed the volumes of a bundle one after another through one drive, in any order.

Each volume is copied to our own disk and proved when it comes; the import then reads the copies as
if they were media. On a terminal the run asks for the next medium. What was fed stays when the
person stops, so that the same command goes on with the next disc. A run of a deployment ends with
``bundle-incomplete`` and the numbers that are to come, and is suspended until somebody has put the
next medium in (``tasks/volume_gate``). Elsewhere nobody is asked.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tasks.bundle.faults import raise_for_faults
from tasks.bundle.layout import HEADER, volume_folder, volume_name
from tasks.bundle.opened_bundle import OpenedBundle, open_bundle
from tasks.bundle.volume_copy import copy_volume
from tasks.content.names import Blake3
from tasks.errors import AirGapError, BundleIncompleteError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.logs import log
from tasks.progress import Progress
from tasks.quantities import count, size
from tasks.refusals import MalwareError, RoomError
from tasks.run.context import RunContext
from tasks.run.keys import bundle_trust
from tasks.run.media_scan import record_scan, scan_media
from tasks.site.settings import Site

_SPARE_BYTES = 64 * 1_048_576

Ask = Callable[[str], bool]
"""Shows a sentence and waits for a person; False if the person ends it."""


def gather_volumes(
    run: RunContext, folders: list[str], *, ask: Ask | None, in_page: bool = False
) -> list[str]:
    """Return the folders to import from: those given, or our copies of the volumes that were fed.

    Args:
        run: The run.
        folders: The folders that a person gave, or that were found.
        ask: Asks for the next medium; None: nobody can be asked here.
        in_page: Take what is in the drive, then end with ``BundleIncompleteError`` and
            ``details.volumes_to_come`` if volumes are to come: the page asks for them.

    Raises:
        BundleIncompleteError: Volumes are to come (with ``in_page``).
        MalwareError: The site's scanner did not find a medium clean.
        AirGapError: The first medium cannot be opened, or our disk is too small. Later media that
            are wrong are named, and another one is asked for.
    """
    waiting = run.site.state_dir / "volumes"
    asks = ask is not None or in_page
    if "" in folders or (not asks and not (waiting.is_dir() and any(waiting.iterdir()))):
        return folders
    paths = [run.media.path(os.path.realpath(folder)) for folder in folders]
    scan_media(run, [path.text for path in paths])
    opened = open_bundle(run.media, paths, bundle_trust(run.site))
    spool = _spool(run.site, run.media, opened)
    if not _absent(opened, spool) and not _fed(opened, spool):
        return folders
    if not asks:
        return [*folders, spool.text] if _fed(opened, spool) else folders
    _require_room(run.media, opened, spool)
    run.media.make_folder(spool.parent)
    run.media.make_folder(spool)
    _take(run.media, opened, spool, run.progress)
    _feed(run, opened, spool, paths=paths, ask=ask)
    run.report.lines.append(
        f"{count(len(_fed(opened, spool)), 'volume')} of {count(len(opened.header.volumes))} came "
        f"through the drive one after another and lie proved in {spool}"
    )
    return [spool.text]


def _feed(
    run: RunContext,
    opened: OpenedBundle,
    spool: HostPath,
    *,
    paths: list[HostPath],
    ask: Ask | None,
) -> None:
    """Take volume after volume until all are there or the person ends it; None: nobody to ask.

    Raises:
        BundleIncompleteError: Volumes are to come, and nobody can be asked here.
    """
    while absent := _absent_numbers(opened, spool):
        if ask is None:
            run.report.details["volumes_to_come"] = [*absent]
            raise BundleIncompleteError(
                bundle=opened.header.bundle, count=len(absent), first=volume_name(absent[0])
            )
        if not ask(_question(opened, absent, paths)):
            break
        try:
            verdict = scan_media(run, [path.text for path in paths], is_new_medium=True)
            following = open_bundle(run.media, paths, bundle_trust(run.site))
            if following.trusted.digest != opened.trusted.digest:
                log.warning("this medium has %s, another bundle", following.header.bundle)
                continue
            digest = following.trusted.digest.hex
            record_scan(run, verdict, bundle=following.header.bundle, digest=digest)
            _take(run.media, following, spool, run.progress)
        except MalwareError:
            raise
        except AirGapError as error:
            log.warning("%s", error.message)


def ask_on_terminal() -> Ask | None:
    """Return a way to ask the person at the terminal; None if there is none."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return None

    def ask(sentence: str) -> bool:
        sys.stderr.write(f"{sentence} ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
        return answer != "" and answer.strip().lower() not in {"q", "quit"}

    return ask


def forget_volumes(site: Site, digest: Blake3 | None = None) -> None:
    """Remove the copies of a bundle's volumes, or of all bundles."""
    parent = site.state_dir / "volumes"
    for folder in parent.glob("*" if digest is None else f"{digest.short}"):
        shutil.rmtree(folder, ignore_errors=True)


def _spool(site: Site, machine: Host, opened: OpenedBundle) -> HostPath:
    parent = site.state_dir.absolute() / "volumes" / opened.trusted.digest.short
    return machine.path(str(parent)).joined(opened.header.bundle)


def _fed(opened: OpenedBundle, spool: HostPath) -> list[int]:
    """Return the numbers of the volumes that lie whole in our folder: their header is there."""
    return [
        volume.number
        for volume in opened.header.volumes
        if Path(volume_folder(spool, volume.number).joined(HEADER).text).is_file()
    ]


def _absent_numbers(opened: OpenedBundle, spool: HostPath) -> list[int]:
    fed = set(_fed(opened, spool))
    return [volume.number for volume in opened.header.volumes if volume.number not in fed]


def _absent(opened: OpenedBundle, spool: HostPath) -> list[int]:
    """Return the numbers of the volumes that are neither at hand nor fed."""
    return [n for n in _absent_numbers(opened, spool) if n not in opened.volume_folders]


def _take(machine: Host, opened: OpenedBundle, spool: HostPath, progress: Progress) -> None:
    """Copy every volume of the medium that we do not have yet.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: It differs from the
            seal.
    """
    if opened.faults.first("size", "digest", "extra", "unreadable"):
        raise_for_faults(opened.header.bundle, opened.faults)
    sizes = {volume.number: volume.size_bytes for volume in opened.header.volumes}
    for number in _absent_numbers(opened, spool):
        if number not in opened.volume_folders:
            continue
        progress.start(f"Copy volume {number}", total=sizes[number], unit="bytes")
        try:
            copy_volume(opened, number, spool, machine=machine, progress=progress)
        finally:
            progress.finish()
        log.info("volume %s of %s is here and proved", number, opened.header.bundle)


def _question(opened: OpenedBundle, absent: list[int], paths: list[HostPath]) -> str:
    which = "volume" if len(absent) == 1 else "volumes"
    numbers = ", ".join(map(str, absent))
    return (
        f"{opened.header.bundle}: {which} {numbers} of {len(opened.header.volumes)} to come, in "
        f"any order. Put the next medium in, mounted so that {paths[0]} is there, and press Enter "
        "(q ends, what came stays):"
    )


def _require_room(machine: Host, opened: OpenedBundle, spool: HostPath) -> None:
    fed = set(_fed(opened, spool))
    volumes = opened.header.volumes
    needed_bytes = sum(v.size_bytes for v in volumes if v.number not in fed) + _SPARE_BYTES
    free_bytes = machine.space(spool).free_bytes
    if free_bytes is not None and free_bytes < needed_bytes:
        raise RoomError(
            where=f"the disk of the state folder, where volumes wait ({size(needed_bytes)})",
            free_bytes=free_bytes,
            needed_bytes=needed_bytes,
        )
