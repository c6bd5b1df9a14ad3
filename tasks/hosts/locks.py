"""Locks of a server or of a medium, as a file that lies there.

The file says who holds the lock: a random id of the orchestrating machine, its boot, process
number and start, and the run. No name of a host, user or computer is in it, because the lock of
a medium crosses the gap when a run is cut off.

A lock is taken over only when its owner is proved gone: the same machine, but another boot, or no
such process any more, or one that began at another time. Age alone frees nothing. Whoever takes
over first claims that one owner's lock by a second file, itself such a lock; then replaces the
first by a rename. So of many that find a dead owner at once, one goes on.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import AirGapError, HostFileError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited
from tasks.refusals import LockHeldError

_TRIES = 8
_DEEPEST_CLAIM = 4
_LIMIT_BYTES = 4_096  # of a lock's file; on a medium anybody may have put another there
_UNKNOWN = "unknown"


class LockOwner(BaseModel):
    """Who holds a lock.

    Attributes:
        machine: Random id of the orchestrating machine, kept in its state folder, with the
            process namespace: numbers of processes mean nothing in another container.
        boot: Id of the machine's present boot; empty where the system has none.
        pid: Process number.
        started: When that process began, in the system's own units.
        run: Key of the run.
        since: When the lock was taken.
        token: Random; tells two locks of one process apart.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    machine: str
    boot: str
    pid: int
    started: str
    run: str
    since: AwareDatetime
    token: str = Field(default_factory=lambda: secrets.token_hex(8))

    def content(self) -> bytes:
        """What stands in the file."""
        return self.model_dump_json().encode() + b"\n"


def current_owner(*, machine: str, run: str, now: datetime) -> LockOwner:
    """Say who we are; ``machine`` is the random id that the state folder keeps."""
    return LockOwner(
        machine=machine + _namespace(),
        boot=_boot(),
        pid=os.getpid(),
        started=_process_start(os.getpid()) or _UNKNOWN,
        run=run,
        since=now,
    )


def is_gone(owner: LockOwner, us: LockOwner) -> bool:
    """Whether it is proved that an owner is gone; False when we cannot know."""
    if owner.machine != us.machine:
        return False
    if owner.boot != us.boot:
        return bool(owner.boot and us.boot)
    started = _process_start(owner.pid)
    return started is None or (
        _UNKNOWN not in (started, owner.started) and started != owner.started
    )


def _namespace() -> str:
    try:
        return "/" + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _process_start(pid: int) -> str | None:
    """When a process began; None when there is none, or only what is left of a dead one."""
    if Path("/proc/self/stat").exists():
        return _linux_process_start(pid)
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return _UNKNOWN


def _linux_process_start(pid: int) -> str | None:
    """The kernel's own count of ticks: what psutil makes of it moves when the clock is set."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = line.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that we hold; leaving its ``with`` block gives it back.

    ``taken_from`` is who held it, where a person's reason took it from them and no proof.
    """

    host: Host
    path: HostPath
    owner: LockOwner
    taken_from: str | None = None

    def is_ours(self) -> bool:
        """Whether the lock is still ours; a person may have had it taken over."""
        return _read(self.host, self.path) == self.owner.content()

    def release(self) -> None:
        """Remove the lock, and only if it is ours.

        It is moved aside first and looked at again, since it could have been taken over just
        between look and removal.
        """
        if not self.is_ours():
            return
        aside = self.path.parent.joined(f"{self.path.name}.{self.owner.token}.released")
        if self.host.rename([(self.path, aside)]).failed:
            self.host.remove([self.path]).require_all()
            return
        content = _read(self.host, aside)
        if content is not None and content != self.owner.content():
            self.host.create(self.path, content)
        self.host.remove([aside]).require_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.release()
        except AirGapError as fault:
            if error is None:
                raise
            error.add_note(f"lock {self.path} was not given back: {fault}")


def acquire(
    host: Host,
    path: HostPath,
    *,
    machine: str,
    run: str,
    now: datetime,
    take_over: str | None = None,
) -> Lock:
    """Take a lock for this process.

    Args:
        host: Where the lock lies.
        path: Its file; the folder must be there.
        machine: The random id that the state folder keeps.
        run: Key of the run.
        now: The time.
        take_over: A person's reason to take it from an owner that is not proved gone.

    Raises:
        LockHeldError: Somebody else has it, or may have it.
    """
    owner = current_owner(machine=machine, run=run, now=now)
    return acquire_as(owner, host, path, take_over=take_over)


def acquire_as(
    owner: LockOwner, host: Host, path: HostPath, *, take_over: str | None = None
) -> Lock:
    """Take a lock for a given owner.

    Raises:
        LockHeldError: Somebody else has it, or may have it.
    """
    lock = _acquire(host, path, owner, take_over=take_over, depth=0)
    _tidy(lock)
    return lock


def describe_lock(host: Host, path: HostPath, us: LockOwner) -> str:
    """Say in a few words who holds a lock, and whether that owner is proved gone."""
    found = _read(host, path)
    if found is None:
        return "free"
    holder = _parse(found)
    facts = _held(path, holder, us).facts
    said = f"held since {facts['since']} by {facts['owner']}"
    gone = holder is not None and is_gone(holder, us)
    return f"{said}, which is gone: the next run takes it over" if gone else said


def _acquire(
    host: Host, path: HostPath, owner: LockOwner, *, take_over: str | None, depth: int
) -> Lock:
    for _ in range(_TRIES):
        if host.create(path, owner.content()):
            return Lock(host, path, owner)
        found = _read(host, path)
        if found is None:
            continue  # given back just now
        holder = _parse(found)
        gone = holder is not None and is_gone(holder, owner)
        if (not gone and take_over is None) or depth >= _DEEPEST_CLAIM:
            raise _held(path, holder, owner)
        claim = path.parent.joined(f"{path.name}.{hashlib.sha256(found).hexdigest()[:16]}.claim")
        with _acquire(host, claim, owner, take_over=take_over, depth=depth + 1):
            if _read(host, path) == found:
                _replace(host, path, owner)
                return Lock(host, path, owner, None if gone else _named(holder, owner))
    raise _held(path, None, owner)


def _tidy(lock: Lock) -> None:
    """Remove what others left beside the lock when they were killed while they took it.

    Nobody is harmed: who still claims an earlier lock finds ours there now, and gives up.
    """
    name, folder = lock.path.name, lock.path.parent
    for entry in lock.host.list_folder(folder):
        beside = entry.name.startswith((f"{name}.", f".{name}."))
        if beside and entry.kind == "file" and entry.name.endswith((".new", ".claim", ".released")):
            owner = _parse(_read(lock.host, folder.joined(entry.name)) or b"")
            if owner is not None and is_gone(owner, lock.owner):
                lock.host.remove([folder.joined(entry.name)])


def _replace(host: Host, path: HostPath, owner: LockOwner) -> None:
    """Put our lock in the place of another; there is no moment without one."""
    beside = path.parent.joined(f"{path.name}.{owner.token}.new")
    host.create(beside, owner.content())
    host.rename([(beside, path)]).require_all()
    host.flush_folders([path.parent])


def _read(host: Host, path: HostPath) -> bytes | None:
    if host.stat(path) is None:
        return None
    try:
        return read_limited(host, path, limit_bytes=_LIMIT_BYTES)
    except HostFileError:
        if host.stat(path) is None:
            return None
        raise


def _parse(content: bytes) -> LockOwner | None:
    try:
        return LockOwner.model_validate_json(content)
    except ValidationError:
        return None


def _held(path: HostPath, holder: LockOwner | None, us: LockOwner) -> LockHeldError:
    since = "an unknown time" if holder is None else holder.since.isoformat(timespec="seconds")
    return LockHeldError(what=path, since=since, owner=_named(holder, us))


def _named(holder: LockOwner | None, us: LockOwner) -> str:
    if holder is None:
        return "an owner we cannot read"
    place = "this machine" if holder.machine == us.machine else "another machine"
    return f"run {holder.run} (process {holder.pid} of {place})"
