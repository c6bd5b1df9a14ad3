"""Scratch folder of a run, and the removal of scratch folders of killed runs.

The folder's name holds the owner, so that the folder has an owner from the instant it exists.
Another run removes it only when that owner is proved gone, as with a lock.
"""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime
from pathlib import Path

from tasks.hosts.locks import LockOwner, current_owner, is_gone

_SEPARATOR = "~"


def make_scratch(parent: Path, *, machine: str, run: str, now: datetime) -> Path:
    """Make this run's scratch folder, after removing the folders of runs that are gone.

    Args:
        parent: Parent of all scratch folders, and of nothing else; made when it is missing.
        machine: Random id of this machine, from the state folder.
        run: Id of the run.
        now: The time, UTC.
    """
    parent.mkdir(parents=True, exist_ok=True)
    current = _short(current_owner(machine=machine, run=run, now=now))
    for path in parent.iterdir():
        owner = _owner(path.name, current)
        if owner is not None and is_gone(owner, current):
            shutil.rmtree(path, ignore_errors=True)
    folder = parent / _SEPARATOR.join(
        (run, str(current.pid), current.started, current.machine, current.boot)
    )
    folder.mkdir(mode=0o700)
    return folder


def _short(owner: LockOwner) -> LockOwner:
    """Return the owner with ids short enough for a file name."""
    ids = {name: _digest(getattr(owner, name)) for name in ("machine", "boot")}
    return owner.model_copy(update=ids)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else ""


def _owner(name: str, current: LockOwner) -> LockOwner | None:
    parts = name.split(_SEPARATOR)
    if len(parts) != 5 or not parts[1].isdigit():
        return None
    run, pid, started, machine, boot = parts
    return current.model_copy(
        update={"run": run, "pid": int(pid), "started": started, "machine": machine, "boot": boot}
    )
