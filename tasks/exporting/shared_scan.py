"""A scan of WsusContent that serves all sites of one staging server.

The listing of a finished scan is left on the server, in a folder of our work folder that is named
like that of the shared package: by all that decides about the server's state. Another site begins
with it if the folders of WsusContent have the same times as then, and proves it by its digest. A
host that tells the states of folders compares them as well; over SSH no folder is listed again. So
over SSH a file that was overwritten under its own name since is seen when it is packed, not before.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.bundle.canonical import canonical_json
from tasks.content import digest
from tasks.content.content_listing import ContentListing
from tasks.content.fields import Blake3Field
from tasks.content.scan import content_folders
from tasks.errors import AirGapError
from tasks.exporting.shared_package import package_key
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.run.context import RunContext
from tasks.server import content_scan

_RECORD = "scan.json"
_LISTING = "content.sqlite"
_RECORD_BYTES = 65_536
_PIECE_BYTES = 1_048_576
# SFTP has whole seconds: a folder that changed just before may change again in the same second.
_SETTLED = timedelta(seconds=2)


class SharedScan(BaseModel):
    """The record beside a shared listing.

    Attributes:
        site: The site whose export made it.
        times: Digest of the times of all folders, read before they were listed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    content_dir: str
    times: str
    blake3: Blake3Field


def scan_content(run: RunContext, facts: ServerFacts) -> ContentListing:
    """List WsusContent, or take the listing of another site's export of the same server.

    A rehearsal leaves nothing on the server.
    """
    content_dir = content_scan.find_content_dir(run, facts)
    times = folder_times(run.server, content_dir, facts.clock)
    folder = run.folders.scans.joined(package_key(facts))
    existing = None if times is None else _read_record(run.server, folder)
    if existing is not None and (existing.times, existing.content_dir) == (times, content_dir.text):
        if existing.site == run.site.name:
            return content_scan.scan_content(run, facts)
        fetched = _fetch(run, folder.joined(_LISTING), existing)
        if fetched is not None:
            log.info("WsusContent has not changed since site %s listed it", existing.site)
            run.report.lines.append(f"begun with the content list of site {existing.site}")
            return content_scan.scan_content(run, facts, adopted=fetched)
    listing = content_scan.scan_content(run, facts)
    if times is not None and not run.rehearses:
        _share(run, folder, listing, times)
    return listing


def folder_times(server: Host, content_dir: HostPath, clock: datetime) -> str | None:
    """Return a digest of the times of the content folders; None if one may be changing now.

    A name that comes or goes changes the time of its folder.

    Args:
        server: The server.
        content_dir: WsusContent.
        clock: The server's clock, read before this call.
    """
    names = {path.name for path in content_folders(server, content_dir)}
    stats = [stat for stat in server.list_folder(content_dir) if stat.name in names]
    newest = max((stat.mtime_ns for stat in stats), default=0)
    if newest >= (clock - _SETTLED).timestamp() * 1e9:
        return None
    seconds = {stat.name: stat.mtime_ns // 1_000_000_000 for stat in stats}
    return hashlib.sha256(canonical_json(seconds)).hexdigest()


def _fetch(run: RunContext, source: HostPath, record: SharedScan) -> Path | None:
    """Copy the listing into the run's own folder; None if it is not the one of the record."""
    target = run.scratch / "shared.sqlite"
    try:
        write_atomic(run.media, run.media.path(str(target)), run.server.read(source))
    except AirGapError as error:
        log.warning("the content list of site %s is not used: %s", record.site, error)
        return None
    if digest.blake3_of_file(target) != record.blake3:
        log.warning("the content list of site %s is damaged, and is not used", record.site)
        return None
    return target


def _share(run: RunContext, folder: HostPath, listing: ContentListing, times: str) -> None:
    """Leave the listing on the server; it only saves time, so that a failure is a line."""
    scans = run.folders.scans
    blake3 = digest.blake3_of_file(listing.path)
    if blake3 is None:
        return
    record = SharedScan(
        site=run.site.name, content_dir=listing.content_dir.text, times=times, blake3=blake3
    )
    try:
        run.server.make_private_folder(scans)
        for stat in run.server.list_folder(scans):
            if stat.name != folder.name:
                run.server.remove_tree(scans.joined(stat.name))
        run.server.make_private_folder(folder)
        with listing.path.open("rb") as stream:
            pieces = iter(lambda: stream.read(_PIECE_BYTES), b"")
            write_atomic(run.server, folder.joined(_LISTING), pieces)
        write_atomic(run.server, folder.joined(_RECORD), [record.model_dump_json().encode()])
    except AirGapError as error:
        log.warning("the content list is not shared with other sites: %s", error)


def _read_record(server: Host, folder: HostPath) -> SharedScan | None:
    path = folder.joined(_RECORD)
    try:
        if server.stat(path) is None:
            return None
        content = read_limited(server, path, limit_bytes=_RECORD_BYTES)
        return SharedScan.model_validate_json(content)
    except (AirGapError, ValidationError) as error:
        log.warning("the content list of another site is not used: %s", error)
        return None
