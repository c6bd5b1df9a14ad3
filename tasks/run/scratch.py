"""A folder for what a run needs only while it runs, and the removal of those of killed runs.

The folder's name says who owns it, so that it has an owner from the instant that it is there. It
is removed by another run only when that owner is proved gone, as with a lock.
"""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime
from pathlib import Path

from tasks.hosts.locks import LockOwner, current_owner, is_gone

_MARK = "~"


def make_scratch(parent: Path, *, machine: str, run: str, now: datetime) -> Path:
    """Make this run's folder, after removing those whose runs are gone.

    Args:
        parent: Where scratch folders lie; made when it is missing. Nothing else lies there.
        machine: The random id that the state folder keeps.
        run: Key of the run.
        now: The time.
    """
    parent.mkdir(parents=True, exist_ok=True)
    us = _short(current_owner(machine=machine, run=run, now=now))
    for path in parent.iterdir():
        owner = _owner(path.name, us)
        if owner is not None and is_gone(owner, us):
            shutil.rmtree(path, ignore_errors=True)
    folder = parent / _MARK.join((run, str(us.pid), us.started, us.machine, us.boot))
    folder.mkdir(mode=0o700)
    return folder


def _short(owner: LockOwner) -> LockOwner:
    """The same owner with ids short enough for a file name."""
    ids = {name: _digest(getattr(owner, name)) for name in ("machine", "boot")}
    return owner.model_copy(update=ids)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else ""


def _owner(name: str, us: LockOwner) -> LockOwner | None:
    parts = name.split(_MARK)
    if len(parts) != 5 or not parts[1].isdigit():
        return None
    run, pid, started, machine, boot = parts
    return us.model_copy(
        update={"run": run, "pid": int(pid), "started": started, "machine": machine, "boot": boot}
    )
