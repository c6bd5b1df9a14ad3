"""What the steps of one run work with: site, ledger, the server, the media, our folders."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Self, TypedDict, Unpack

from pydantic import JsonValue

from tasks.bundle.manifest import Entry
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.content_listing import ContentListing
from tasks.content.hash_cache import HashCache
from tasks.errors import PathMissingError, UsageError
from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.locks import Lock, acquire
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import Exports
from tasks.ledger.imports import Imports
from tasks.ledger.store import Ledger
from tasks.ledger.work_id import new_run_id
from tasks.logs import log
from tasks.metadata.audit import MissingFile
from tasks.metadata.wsusutil_process import Running
from tasks.names import Side
from tasks.progress import Progress, Silence
from tasks.refusals import ServerChangedError
from tasks.reports.model import ApprovalOutcome, Section
from tasks.run.scratch import make_scratch
from tasks.site.checking import require_keys
from tasks.site.faults import Fault, site_file_error
from tasks.site.reading import find_site, require_side
from tasks.site.settings import Site

Clock = Callable[[], datetime]


class Notes(TypedDict, total=False):
    """What steps learned that the report says: each key is a field of ``CommandReport``."""

    bundle: Path
    sequence: int
    base: int | None
    files: int
    bytes: int
    placed: int
    approvals: ApprovalOutcome
    titles: dict[str, str]
    missing: tuple[MissingFile, ...]
    unapproved_incomplete: int
    plan_digest: str
    receipt: Path
    receipt_code: str | None


@dataclass
class RunContext:
    """Everything that one run of a command has open. Used by one thread; closed by the run.

    Attributes:
        content_dir: WsusContent, once a step has asked the server or the site file for it.
        content_free_bytes: What the server itself says of the room on that disk.
        flagged: The missing content for which the run is flagged; None: all that was noted.
        changed: What the run changed on the server, in words, and how many of each.
        waits_for: The wsusutil that the run waits for: it goes on when the run is stopped.
        wait_line_seconds: How often a wait for wsusutil says that it still waits.
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
    take_over: str | None = None
    content_dir: HostPath | None = None
    content_free_bytes: int | None = None
    flagged: tuple[MissingFile, ...] | None = None
    changed: Counter[str] = field(default_factory=Counter)
    waits_for: Running | None = None
    wait_line_seconds: float = 60.0
    notes: Notes = field(default_factory=Notes)
    alarms: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    details: dict[str, JsonValue] = field(default_factory=dict)
    _locks: dict[str, Lock] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    # --- folders of ours ---------------------------------------------------------------------

    @property
    def work_dir(self) -> HostPath:
        """Our folder on the server."""
        return self.server.path(self.site.server.work_dir)

    @property
    def disk_dir(self) -> HostPath:
        """Our folder on the disk of WsusContent, so that placing is a rename.

        The work folder when it is on that drive; else a folder beside WsusContent, where WSUS
        serves nobody. On POSIX the work folder has to be on that disk.
        """
        content_dir, work_dir = self.content_dir or self._content_dir_before, self.work_dir
        if content_dir is None or content_dir.drive == work_dir.drive:
            return work_dir
        return content_dir.parent.joined("wsus-airgap")

    @property
    def _content_dir_before(self) -> HostPath | None:
        """Where WsusContent lay when a run last looked: this one may be refused before it does."""
        known = self.site.server.content_dir or self.ledger.content_dir
        return self.server.path(known) if known else None

    @property
    def intake(self) -> HostPath:
        """Where a bundle's content waits on the server until all of it is verified."""
        return self.disk_dir.joined("intake", self.site.name)

    @property
    def trash(self) -> HostPath:
        """Where deleted content lies until a person empties it."""
        return self.disk_dir.joined("trash", self.site.name)

    def make_on_disk(self, folder: HostPath) -> None:
        """Make the intake or the trash, and the folders of ours above it, private."""
        for each in (self.disk_dir, folder.parent, folder):
            self.server.make_private_folder(each)

    @property
    def mark(self) -> HostPath:
        """The mark on the server: which bundle was imported last."""
        return self.work_dir.joined("marks", f"{self.site.name}.json")

    def run_folder(self, name: str) -> HostPath:
        """A folder on the server for the scripts and jobs of one piece of work."""
        return self.work_dir.joined("runs", f"{self.site.name}-{name}")

    def make_folders(self) -> None:
        """Make our folders on the server, for SYSTEM and Administrators only."""
        self.server.make_private_folder(self.work_dir)
        for name in ("marks", "runs", "locks"):
            self.server.make_private_folder(self.work_dir.joined(name))

    # --- state -------------------------------------------------------------------------------

    @property
    def exports(self) -> Exports:
        """The staging side's bundles."""
        return Exports(self.ledger)

    @property
    def imports(self) -> Imports:
        """The disconnected side's imports."""
        return Imports(self.ledger)

    def holdings(self, entries: Iterable[Entry]) -> ManifestLookup:
        """A manifest by digest, for this run; removed with the run's end."""
        holdings = ManifestLookup(self._scratch_file())
        self._open.callback(holdings.close)
        return holdings.fill(entries)

    @cached_property
    def scratch(self) -> Path:
        """A folder of this machine for this run alone; removed with the run's end."""
        folder = make_scratch(
            self.site.state_dir / "work",
            machine=self.ledger.machine,
            run=self.run_id,
            now=self.clock(),
        )
        self._open.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    @property
    def reports_dir(self) -> Path:
        """Where this run's reports go."""
        return self.site.state_dir / "reports" / self.run_id

    @cached_property
    def hashes(self) -> HashCache:
        """Digests of content files that were hashed before; closed with the run."""
        return self._open.enter_context(HashCache(self.site.state_dir / "hashes.sqlite"))

    def listing(self, content_dir: HostPath) -> ContentListing:
        """A new content listing of this run; removed with the run's end."""
        listing = ContentListing(self._scratch_file(), content_dir)
        self._open.callback(listing.close)
        return listing

    def _scratch_file(self) -> Path:
        return self.scratch / f"{uuid.uuid4().hex[:6]}.sqlite"

    def alarm(self, sentence: str) -> None:
        """Say something that a person should know now, and in the report."""
        log.warning(sentence)
        self.alarms.append(sentence)

    def note(self, **facts: Unpack[Notes]) -> None:
        """Note facts for the report, as they become known; a failed run shows them too."""
        self.notes.update(facts)

    def require_media(self) -> None:
        """See that a medium is there to write on.

        Raises:
            PathMissingError: It is not mounted, or the path is wrong.
        """
        path = self.site.media.path
        if not path.is_dir():
            raise PathMissingError(what="the medium (media.path)", path=path)

    def require_known_server(self, side: Side, found: str) -> None:
        """Compare a server's id with the one that this site remembers, if it does.

        Raises:
            ServerChangedError: It is another one.
        """
        expected = self.ledger.server_id(side)
        if expected is not None and expected != found:
            raise ServerChangedError(
                reason=f"the {side} server's id is {found}, this site knows {expected}",
                remedy=f"Find out whether the {side} server was rebuilt or another one took its "
                "place. A rebuilt pair starts a chain of its own: move both state folders aside.",
            )

    # --- locks -------------------------------------------------------------------------------

    @property
    def server_lock(self) -> HostPath:
        """Where the lock of the server lies: on that server."""
        return self.work_dir.joined("locks", f"{self.site.name}.lock")

    @property
    def media_lock(self) -> HostPath:
        """Where the lock of the media lies: on them, beside the bundle's folder."""
        return self.media.path(str(self.site.media.path)).joined(f".{self.site.name}.lock")

    def lock_server(self) -> None:
        """Take the lock of the server; it is let go when the run ends."""
        self._lock(self.server, self.server_lock)

    def lock_media(self) -> None:
        """Take the lock of the media; it is let go when the run ends."""
        self._lock(self.media, self.media_lock)

    def _lock(self, host: Host, path: HostPath) -> None:
        held = self._locks.get(path.text)
        if held is not None and held.is_ours():
            return  # the step that took it is tried again
        lock = acquire(
            host,
            path,
            machine=self.ledger.machine,
            run=self.run_id,
            now=self.clock(),
            take_over=self.take_over,
        )
        self._locks[path.text] = self._open.enter_context(lock)
        if lock.taken_from is not None:
            said = f"lock {path} was taken over from {lock.taken_from}: {self.take_over}"
            log.warning(said)
            self.lines.append(said)


def open_run_context(
    site_name: str,
    *,
    command: str,
    side: Side | None,
    clock: Clock,
    progress: Progress | None = None,
    take_over: str | None = None,
) -> RunContext:
    """Open what a run works with. Connects to nothing yet and changes nothing but the ledger.

    Raises:
        AirGapError: The site is unknown, its file is wrong, or it is for the other side; or
            ``take_over`` says no reason.
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
        _require_own(ledger, site)
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


def _require_own(ledger: Ledger, site: Site) -> None:
    """See that a state folder is this site's and side's own: chains must not mix.

    Raises:
        SiteFileError: It holds the state of another.
    """
    ours = f"site {site.name}, {site.side.value} side"
    found = ledger.claim(ours)
    if found != ours:
        problem = f"{site.state_dir} holds the state of {found}"
        raise site_file_error(site.path, [Fault(("site", "state_dir"), problem)])


def _address(site: Site) -> HostAddress:
    server = site.server
    return HostAddress(
        address=server.address,
        platform=server.platform,
        identity_file=server.identity_file,
        known_hosts=server.known_hosts,
        powershell=server.powershell,
        scripts_dir=server.scripts_dir,
    )
