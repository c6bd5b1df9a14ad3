"""Resources of one run of a command: site, ledger, server, media, clock, locks, report."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Self

from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.content_listing import ContentListing
from tasks.content.hash_cache import HashCache
from tasks.errors import UsageError
from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.locks import Lock, acquire, current_owner, remove_stale, system_id
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import Exports
from tasks.ledger.imports import Imports
from tasks.ledger.store import Ledger
from tasks.ledger.work_id import new_run_id
from tasks.logs import log
from tasks.metadata.wsusutil_process import Running
from tasks.names import Side
from tasks.progress import Progress, Silence
from tasks.run.folders import ContentDiskFolders, ServerFolders, find_content_disk
from tasks.run.report import ReportDraft
from tasks.run.scratch import make_scratch
from tasks.site.checking import require_keys
from tasks.site.faults import Fault, site_file_error
from tasks.site.reading import find_site, require_side
from tasks.site.settings import Site

Clock = Callable[[], datetime]
MakeLookup = Callable[[Path], ManifestLookup]


@dataclass
class RunContext:
    """Resources that one run of a command has open.

    Used by one thread. Whoever opened it closes it.

    Attributes:
        site: The site file.
        command: Name of the command, for example ``import``.
        run_id: Name of the run; unique on this machine.
        started: Time of the start, UTC.
        clock: Gives the time now, UTC.
        ledger: State of this side.
        server: The WSUS server.
        media: The host on which media are mounted: always this machine.
        progress: Receives the progress of long steps.
        report: The report so far.
        take_over: A person's reason to take a lock from an owner who is not proved gone; None: take
            it only from an owner who is.
        rehearses: True if the run only plans: it changes nothing on server or media.
        waits_for: The wsusutil that this run waits for now, or None. It keeps working if the run is
            stopped.
        by_api: True if the run was started by Prefect's API, and not by a command of an account.
        carried_by: Name of the person who carried what is taken in, as somebody typed it; or None.
        scanned: Verdict of the site's malware scanner, by the folder of media that it found clean.
        wait_line_seconds: Interval at which a wait for wsusutil logs a line.
    """

    site: Site
    command: str
    run_id: str
    started: datetime
    clock: Clock
    ledger: Ledger
    server: Host
    media: Host
    progress: Progress
    report: ReportDraft = field(default_factory=ReportDraft)
    take_over: str | None = None
    rehearses: bool = False
    waits_for: Running | None = None
    wait_line_seconds: float = 60.0
    by_api: bool = False
    carried_by: str | None = None
    scanned: dict[str, str] = field(default_factory=dict)
    _locks: dict[str, Lock] = field(default_factory=dict)
    _disks: dict[str, ContentDiskFolders] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the locks, remove scratch files, close ledger and connections.

        Raises:
            AirGapError, OSError, sqlite3.Error: A lock, or the hash cache, could not be written.
        """
        self._open.close()

    # --- our folders on the server -----------------------------------------------------------

    @property
    def folders(self) -> ServerFolders:
        """Layout of our folders on the server."""
        return ServerFolders(self.server.path(self.site.server.work_dir), self.site.name)

    def make_folders(self) -> None:
        """Make our folders on the server, for SYSTEM and Administrators only."""
        work_dir = self.folders.work_dir
        self.server.make_private_folder(work_dir)
        for name in ("marks", "runs", "locks"):
            self.server.make_private_folder(work_dir.joined(name))

    @property
    def known_disk(self) -> ContentDiskFolders | None:
        """Our folders on the content disk; None if nothing names the content folder yet.

        The folder is ``server.content_dir``, else the one that the last scan remembered.
        """
        configured, remembered = self.site.server.content_dir, self.ledger.content_dir
        if configured is not None:
            return self.content_disk(self.server.real_path(self.server.path(configured)))
        return self.content_disk(self.server.path(remembered)) if remembered else None

    def content_disk(self, content_dir: HostPath) -> ContentDiskFolders:
        """Our folders on the volume of WsusContent, whose links were followed."""
        if content_dir.text not in self._disks:
            disk = find_content_disk(self.server, self.folders, content_dir)
            self._disks[content_dir.text] = disk
        return self._disks[content_dir.text]

    # --- state -------------------------------------------------------------------------------

    @property
    def exports(self) -> Exports:
        """Bundles of the staging side."""
        return Exports(self.ledger)

    @property
    def imports(self) -> Imports:
        """Imports of the disconnected side."""
        return Imports(self.ledger)

    @property
    def reports_dir(self) -> Path:
        """Folder of this run's reports."""
        return self.site.state_dir / "reports" / self.run_id

    @cached_property
    def hash_cache(self) -> HashCache:
        """Digests of content files that were hashed before; closed with the run."""
        return self._open.enter_context(HashCache(self.site.state_dir / "hashes.sqlite"))

    @cached_property
    def scratch(self) -> Path:
        """Temporary folder of this run, on this machine; removed when the run ends."""
        folder = make_scratch(
            self.site.state_dir / "work",
            machine=self.ledger.machine,
            run=self.run_id,
            now=self.clock(),
        )
        self._open.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def new_listing(
        self, content_dir: HostPath, *, saved: Path | None = None, adopted: Path | None = None
    ) -> ContentListing:
        """Make a content listing, empty, a copy of a saved one, or a proved file of another site.

        It is removed when the run ends.
        """
        path = adopted or self._scratch_file()
        listing = ContentListing(path, content_dir, saved=saved)
        self._open.callback(listing.close)
        return listing

    def look_up_in(self, manifest: Path) -> ManifestLookup:
        """Open a manifest of ours so that entries are found by digest; closed with the run."""
        lookup = ManifestLookup(manifest)
        self._open.callback(lookup.close)
        return lookup

    def _scratch_file(self) -> Path:
        return self.scratch / f"{uuid.uuid4().hex[:6]}.sqlite"

    # --- locks -------------------------------------------------------------------------------

    @property
    def media_lock(self) -> HostPath:
        """Lock of the media: a file beside the bundle's folder."""
        return self.media.path(str(self.site.media.path)).joined(f".{self.site.name}.lock")

    def lock_server(self) -> None:
        """Take the lock of the server; the end of the run releases it."""
        self._lock(self.server, self.folders.server_lock)

    def lock_media(self) -> None:
        """Take the lock of the media; the end of the run releases it."""
        self._lock(self.media, self.media_lock)

    def lock_bundle(self, bundle: Path) -> None:
        """Take the lock of the medium that a bundle lies on; the end of the run releases it."""
        path = self.media.path(str(bundle.parent)).joined(self.media_lock.name)
        self._lock(self.media, path)

    def remove_stale_lock(self) -> None:
        """Remove the lock of the packages if the run that took it was killed."""
        us = current_owner(machine=self._shared_machine, run=self.run_id, now=self.clock())
        remove_stale(self.server, self.folders.packages_lock, us)

    @property
    def _shared_machine(self) -> str:
        """Id of this machine in a lock that runs of all its sites take."""
        return system_id() or self.ledger.machine

    @contextmanager
    def packages_locked(self) -> Iterator[None]:
        """Hold the lock of the packages that serve all sites of the server."""
        path = self.folders.packages_lock
        self._lock(self.server, path, machine=self._shared_machine)
        try:
            yield
        finally:
            self._locks[path.text].release()
            del self._locks[path.text]  # not before: a step that is tried again still has it

    def _lock(self, host: Host, path: HostPath, *, machine: str | None = None) -> None:
        existing = self._locks.get(path.text)
        if existing is not None and existing.is_ours():
            return  # the step that took the lock is retried
        lock = acquire(
            host,
            path,
            machine=machine or self.ledger.machine,
            run=self.run_id,
            now=self.clock(),
            take_over=self.take_over,
        )
        self._locks[path.text] = self._open.enter_context(lock)
        if lock.taken_from is not None:
            sentence = f"lock {path} was taken over from {lock.taken_from}: {self.take_over}"
            log.warning(sentence)
            self.report.lines.append(sentence)


def open_run_context(
    site_name: str,
    *,
    command: str,
    side: Side | None,
    clock: Clock,
    progress: Progress | None = None,
    take_over: str | None = None,
) -> RunContext:
    """Open the resources of a run. Connects to nothing yet and changes only the ledger.

    Raises:
        UsageError: ``take_over`` is an empty reason.
        SiteFileError, WrongSideError: The site is unknown, its file is wrong, or the file is for
            the other side.
        AirGapError: A key or the ledger cannot be read.
    """
    if take_over is not None and not take_over.strip():
        raise UsageError(reason="--take-over needs a reason: it stands in the report")
    site = find_site(site_name)
    if side is not None:
        require_side(site, side, command)
    require_keys(site)
    now = clock()
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(site.state_dir))
        _require_owner(ledger, site)
        server = open_host(_address(site))
        stack.callback(server.close)
        return RunContext(
            site=site,
            command=command,
            run_id=new_run_id(command, now=now),
            clock=clock,
            started=now,
            ledger=ledger,
            server=server,
            media=LocalHost(),
            progress=progress or Silence(),
            take_over=take_over,
            _open=stack.pop_all(),
        )


def _require_owner(ledger: Ledger, site: Site) -> None:
    """Require that the state folder belongs to this site and side, so that two chains never mix.

    Raises:
        SiteFileError: The folder holds the state of another site or side.
    """
    expected = f"site {site.name}, {site.side.value} side"
    owner = ledger.claim(expected)
    if owner != expected:
        problem = f"{site.state_dir} holds the state of {owner}"
        raise site_file_error(site.path, [Fault(("site", "state_dir"), problem)])


def _address(site: Site) -> HostAddress:
    server = site.server
    return HostAddress(
        address=server.address,
        platform=server.platform,
        identity_file=server.identity_file,
        known_hosts=server.known_hosts,
        ciphers=server.ciphers,
        powershell=server.powershell,
        scripts_dir=server.scripts_dir,
    )
