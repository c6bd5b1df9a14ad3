"""A metadata package that serves all sites of one staging server.

``wsusutil export`` writes the whole catalogue and takes hours, and what it writes depends on the
server alone. So the package of a finished export stays on the server, in a folder of our work
folder that is named after all that decides about it: the server's id and version, its counts, and
its last synchronisation. Another site takes it if no update has arrived since, and proves it by its
digest; whatever is not right with it has wsusutil run as always.

The record of a start lies there too, from before wsusutil began. If the run that started it is
killed, wsusutil goes on, and the next export of any site judges what it wrote as its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from tasks.bundle.canonical import canonical_json
from tasks.bundle.layout import PACKAGE
from tasks.content import digest
from tasks.content.fields import Blake3Field
from tasks.errors import AirGapError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.ledger.steps import Attempt, ExportedPackage
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.names import UTC_SECOND
from tasks.run.context import RunContext
from tasks.server.queries import read_running_server
from tasks.server.wsusutil_run import fetch_package

_RECORD = "package.json"
_BEGUN = "begun.json"
_RECORD_BYTES = 65_536
# The form of wsusutil's command line; another one writes another package.
_ARGUMENTS = "export PACKAGE.xml.gz LOG"
_R = TypeVar("_R", bound=BaseModel)


class SharedPackage(BaseModel):
    """The record beside a shared package.

    Attributes:
        site: The site whose export made it.
        read_at: The server's clock before wsusutil began; nothing may have arrived since.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    blake3: Blake3Field
    size_bytes: int
    read_at: AwareDatetime


class BegunPackage(BaseModel):
    """The record of a wsusutil export that was started, and that nobody may have judged.

    Attributes:
        site: The site whose export started it.
        attempt: Its package, log and job folder on the server.
        read_at: The server's clock before wsusutil began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    attempt: Attempt
    read_at: AwareDatetime


def package_key(facts: ServerFacts) -> str:
    """Return the name of a package: a digest of all that decides about its content."""
    synchronised = facts.last_sync_end
    parts = {
        "server": facts.server_id,
        "version": facts.version,
        "updates": facts.update_count,
        "declined": facts.declined_count,
        "synchronised": synchronised and synchronised.strftime(UTC_SECOND),
        "arguments": _ARGUMENTS,
    }
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]


def fetch_shared(run: RunContext, facts: ServerFacts, target: Path) -> SharedPackage | None:
    """Copy a package that another site's export has made, if it is this server's present one.

    Args:
        run: The run.
        facts: The server's facts.
        target: Path in our state folder; there is a proved package afterwards, or none of ours.

    Returns:
        Its record; None if there is none that may be used. An unreachable server, a damaged record
        and wrong bytes count as none: wsusutil makes another.
    """
    folder = run.folders.packages.joined(package_key(facts))
    try:
        record = _read_record(run.server, folder.joined(_RECORD), SharedPackage)
        if record is None or record.site == run.site.name:
            return None
        if read_running_server(run, since=record.read_at).arrived_since:
            return None
        size_bytes = fetch_package(run.server, run.media, folder.joined(PACKAGE), target)
        if size_bytes != record.size_bytes or digest.blake3_of_file(target) != record.blake3:
            log.warning("the package of site %s is damaged, and is not used", record.site)
            return None
    except AirGapError as error:
        log.warning("the package of another site is not used: %s", error)
        return None
    return record


def share_package(
    run: RunContext, facts: ServerFacts, attempt: Attempt, package: ExportedPackage
) -> None:
    """Leave a judged package on the server for the other sites; packages of before are removed.

    It only saves time, so that a failure is a line in the log.
    """
    packages = run.folders.packages
    folder = packages.joined(package_key(facts))
    record = SharedPackage(
        site=run.site.name,
        blake3=package.blake3,
        size_bytes=package.size_bytes,
        read_at=facts.clock,
    )
    try:
        run.server.make_private_folder(packages)
        for stat in run.server.list_folder(packages):
            run.server.remove_tree(packages.joined(stat.name))
        run.server.make_private_folder(folder)
        moves = [(run.server.path(attempt.package), folder.joined(PACKAGE))]
        run.server.rename(moves).require_all()
        text = record.model_dump_json().encode()
        write_atomic(run.server, folder.joined(_RECORD), [text])  # the last: it names the package
    except AirGapError as error:
        log.warning("the package is not shared with other sites: %s", error)


def record_begin(run: RunContext, facts: ServerFacts, attempt: Attempt) -> None:
    """Leave the record of a wsusutil that is about to be started, for the other sites.

    It only saves time, so that a failure is a line in the log.
    """
    record = BegunPackage(site=run.site.name, attempt=attempt, read_at=facts.clock)
    folder = run.folders.packages.joined(package_key(facts))
    try:
        run.server.make_private_folder(run.folders.packages)
        run.server.make_private_folder(folder)
        write_atomic(run.server, folder.joined(_BEGUN), [record.model_dump_json().encode()])
    except AirGapError as error:
        log.warning("the start of wsusutil is not shown to other sites: %s", error)


def find_begun(run: RunContext, facts: ServerFacts) -> BegunPackage | None:
    """Find a wsusutil of another site that has ended, and whose run did not come to judge it.

    The caller holds the lock of the packages, so that the run that started it is gone.

    Returns:
        Its record; None if there is none, if its program was lost, or if an update has arrived
        since it began.
    """
    folder = run.folders.packages.joined(package_key(facts))
    try:
        record = _read_record(run.server, folder.joined(_BEGUN), BegunPackage)
        if record is None or record.site == run.site.name:
            return None
        if run.server.poll_detached(run.server.path(record.attempt.job)).state != "exited":
            return None
        if run.server.stat(run.server.path(record.attempt.package)) is None:
            return None
        if read_running_server(run, since=record.read_at).arrived_since:
            return None
    except AirGapError as error:
        log.warning("the wsusutil of another site is not looked at: %s", error)
        return None
    return record


def was_taken(server: Host, attempt: Attempt) -> bool:
    """Return True if an attempt is over and its package is gone, as after another site's use."""
    if server.poll_detached(server.path(attempt.job)).state == "running":
        return False
    return server.stat(server.path(attempt.package)) is None


def _read_record(server: Host, path: HostPath, model: type[_R]) -> _R | None:
    if server.stat(path) is None:
        return None
    try:
        return model.model_validate_json(read_limited(server, path, limit_bytes=_RECORD_BYTES))
    except ValidationError:
        return None
