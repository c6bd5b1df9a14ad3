"""Locks of a server or of a medium, each as a file on it.

The file names the lock's owner: a random id of the orchestrating machine, the id of its boot, the
process number and start, and the run. It names no host or user: if a run is killed, the medium's
lock file travels over the gap with it.

An owner is proved gone if it ran on this machine and one of these holds: the machine has booted
since; no such process exists; that number is now a process with another start. Age alone never
frees a lock.

To take over, lock a claim file named after the stale lock's content; then rename a new lock file
over the stale one. So exactly one of several concurrent takeovers succeeds. A claim may itself be
stale and is taken over the same way, four levels at most:

| lock file | its owner | next step | result |
|---|---|---|---|
| missing | | create the file atomically | ours; if the file exists now: start again |
| exists | alive or unknown, no reason given | | ``LockHeldError`` |
| exists | proved gone, or a person gave a reason | lock the claim file by this same table | |
| claim is ours, lock file unchanged | | rename our file over it | ours |
| claim is ours, lock file changed | | release the claim | start again |
| eight tries, or a claim of depth four | | | ``LockHeldError`` |

A kill at any step leaves files that the next owner of the lock removes (``_tidy``).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import uuid
from contextlib import suppress
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
_LIMIT_BYTES = 4_096  # of a lock's file; on a medium it may be anybody's file
_UNKNOWN = "unknown"


class LockOwner(BaseModel):
    """Owner of a lock.

    Attributes:
        machine: Random id of the orchestrating machine, from its state folder, and the process
            namespace: process numbers are not valid in another container.
        boot: Id of the machine's current boot; empty if the system has none.
        pid: Process number.
        started: Start time of that process, in the system's own units.
        run: Key of the run.
        since: Time when the lock was taken.
        token: Random; distinguishes two locks of one process.
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
        """Return the content of the lock's file."""
        return self.model_dump_json().encode() + b"\n"


def system_id() -> str | None:
    """Return a short digest by which this system is known again; None if it has no such thing.

    For a lock that several sites of one machine take, each with a state folder and a random id of
    its own. Machines that were cloned may share it, so it guards nothing but time.
    """
    with suppress(OSError):
        if text := Path("/etc/machine-id").read_text(encoding="ascii").strip():
            return hashlib.sha256(f"wsus-airgap {text}".encode()).hexdigest()[:16]
    node = uuid.getnode()
    is_random = bool(node >> 40 & 1)  # there is no network card
    return None if is_random else hashlib.sha256(f"wsus-airgap {node}".encode()).hexdigest()[:16]


def current_owner(*, machine: str, run: str, now: datetime) -> LockOwner:
    """Return this process as an owner; ``machine`` is the random id from the state folder."""
    return LockOwner(
        machine=machine + _namespace(),
        boot=_boot(),
        pid=os.getpid(),
        started=_process_start(os.getpid()) or _UNKNOWN,
        run=run,
        since=now,
    )


def is_gone(owner: LockOwner, us: LockOwner) -> bool:
    """Return True if an owner is proved gone; False if it lives or that is unknown."""
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
    """Return the start of a process; None if there is no such process, or only a zombie."""
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
    """Return the kernel's count of ticks; psutil's time would change when the clock is set."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = line.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that we own; leaving its ``with`` block releases it.

    ``taken_from`` describes the earlier owner if the lock was taken over for a person's reason,
    without proof that the owner was gone; else None.
    """

    host: Host
    path: HostPath
    owner: LockOwner
    taken_from: str | None = None

    def is_ours(self) -> bool:
        """Return True if the lock is still ours; a person may have had it taken over."""
        return _read(self.host, self.path) == self.owner.content()

    def release(self) -> None:
        """Remove the lock if it is ours.

        The file is moved aside and read again before it is removed, because another run may take
        the lock over between the first look and the removal; if it did, its lock is put back.
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
        take_over: A person's reason to take the lock from an owner that is not proved gone.

    Raises:
        LockHeldError: Another owner has the lock, or may have it.
    """
    owner = current_owner(machine=machine, run=run, now=now)
    return acquire_as(owner, host, path, take_over=take_over)


def acquire_as(
    owner: LockOwner, host: Host, path: HostPath, *, take_over: str | None = None
) -> Lock:
    """Take a lock for a given owner.

    Raises:
        LockHeldError: Another owner has the lock, or may have it.
    """
    lock = _acquire(host, path, owner, take_over=take_over, depth=0)
    _tidy(lock)
    return lock


def remove_stale(host: Host, path: HostPath, us: LockOwner) -> None:
    """Remove a lock whose owner is proved gone, for a lock that not every run takes."""
    holder = _parse(_read(host, path) or b"")
    if holder is not None and is_gone(holder, us):
        with acquire_as(us, host, path):
            pass


def describe_lock(host: Host, path: HostPath, us: LockOwner) -> str:
    """Describe a lock's owner in a few words, and whether that owner is proved gone."""
    content = _read(host, path)
    if content is None:
        return "free"
    holder = _parse(content)
    facts = _lock_held_error(path, holder, us).facts
    description = f"held since {facts['since']} by {facts['owner']}"
    if holder is not None and is_gone(holder, us):
        return f"{description}, which is gone: the next run takes it over"
    return description


def _acquire(
    host: Host, path: HostPath, owner: LockOwner, *, take_over: str | None, depth: int
) -> Lock:
    for _ in range(_TRIES):
        if host.create(path, owner.content()):
            return Lock(host, path, owner)
        existing = _read(host, path)
        if existing is None:
            continue  # released just now
        holder = _parse(existing)
        gone = holder is not None and is_gone(holder, owner)
        if (not gone and take_over is None) or depth >= _DEEPEST_CLAIM:
            raise _lock_held_error(path, holder, owner)
        stale_id = hashlib.sha256(existing).hexdigest()[:16]
        claim = path.parent.joined(f"{path.name}.{stale_id}.claim")
        with _acquire(host, claim, owner, take_over=take_over, depth=depth + 1):
            if _read(host, path) == existing:
                _replace(host, path, owner)
                return Lock(host, path, owner, None if gone else _describe_owner(holder, owner))
    raise _lock_held_error(path, None, owner)


def _tidy(lock: Lock) -> None:
    """Remove files of killed runs beside the lock.

    This is safe: a run that still claims an earlier lock finds our lock instead, and gives up.
    """
    name, folder = lock.path.name, lock.path.parent
    for entry in lock.host.list_folder(folder):
        beside = entry.name.startswith((f"{name}.", f".{name}."))
        if beside and entry.kind == "file" and entry.name.endswith((".new", ".claim", ".released")):
            owner = _parse(_read(lock.host, folder.joined(entry.name)) or b"")
            if owner is not None and is_gone(owner, lock.owner):
                lock.host.remove([folder.joined(entry.name)])


def _replace(host: Host, path: HostPath, owner: LockOwner) -> None:
    """Rename our lock over another; a lock file exists at every moment."""
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


def _lock_held_error(path: HostPath, holder: LockOwner | None, us: LockOwner) -> LockHeldError:
    since = "an unknown time" if holder is None else holder.since
    return LockHeldError(what=path, since=since, owner=_describe_owner(holder, us))


def _describe_owner(holder: LockOwner | None, us: LockOwner) -> str:
    if holder is None:
        return "an owner we cannot read"
    machine = "this machine" if holder.machine == us.machine else "another machine"
    return f"run {holder.run} (process {holder.pid} of {machine})"
