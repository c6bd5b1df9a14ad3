"""Faults of a server: a table in its database, which the simulated programs read.

Setting a fault twice, or clearing a fault that is not set, changes nothing. Clearing a fault undoes
its effect on a file or on the service.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.lab import stored_faults
from deploy.lab.generate import content_bytes
from deploy.lab.knobs import KNOBS
from deploy.lab.pair import LabError, server_folder
from deploy.lab.rules import configuration, distribution_log, refused_object
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server
from deploy.lab.store import content_paths

_UNSET = {"unset": True}
DESCRIPTIONS = {
    "package-empty": "wsusutil export ends well, but the package has no bytes",
    "package-truncated": "wsusutil export ends well, but the package breaks off in the middle",
    "log-error": "wsusutil ends with 0 and the sentence of success, but its log names an error",
    "exit-code": "wsusutil ends with 1, although package, log and import are good",
    "wsusutil-fails": "wsusutil ends with 1 at once, whatever it is asked",
    "service-down": "WsusService is stopped and does not start",
    "file-rots": "a content file of an approved update changes, keeping its size and time",
    "file-vanishes": "a content file of an approved update is gone",
    "file-replaced": "a content file of an approved update holds other bytes, of another size",
    "disk-full": "the disk of WsusContent has a few bytes left, and wsusutil finds it full",
    "host-key": "`lab serve` shows another host key than the one that is pinned",
    "connection-drops": "`lab serve` cuts each connection after two seconds, five times at most",
    "wsusutil-hang": "wsusutil does not go on until the fault is cleared",
    "group-hidden": "the API neither lists nor gives a target group that has approvals",
    "update-hidden": "the API does not give an update that has an approval",
    "update-lost": "neither the API nor wsusutil export knows an update that has an approval",
    "content-litter": "files that WSUS does not name lie in WsusContent",
    "log-form": "SoftwareDistribution.log has entries in another form",
    "package-form": "wsusutil export writes the package in UTF-16, with an unknown element",
    "catalogue-changes": "a synchronisation brings an update while wsusutil exports",
    **stored_faults.DESCRIPTIONS,
    **refused_object.DESCRIPTIONS,
}


def descriptions() -> dict[str, str]:
    """Every fault and every knob, with its effect in one line."""
    return DESCRIPTIONS | {name: knob.description for name, knob in KNOBS.items()}


def set_fault(folder: Path, side: str, name: str, *, on: bool) -> None:
    """Set or clear a fault, or turn a knob, of a side's server.

    Raises:
        LabError: There is no such lab, side or fault, or no file that the fault can strike.
    """
    if name not in descriptions():
        names = ", ".join(descriptions())
        raise LabError(f"{name!r} is no fault of the lab; they are {names}")
    server = open_server(server_folder(folder, side))
    try:
        value = server.fault(name)
        if on and value is None:
            value = _CAUSES[name](server) if name in _CAUSES else _turn(server, name)
            server.connection.execute("INSERT INTO fault VALUES (?, ?)", (name, json.dumps(value)))
        elif not on and value is not None:
            server.connection.execute("DELETE FROM fault WHERE name = ?", (name,))
            if name in _CURES:
                _CURES[name](server, value)
            _turn_back(server, name, value)
        else:
            return
        if name in KNOBS and KNOBS[name].restarts_service:
            configuration.stop_service(server)
            configuration.start_service(server)
        if name in KNOBS and KNOBS[name].failure is not None:
            configuration.synchronize(server, manual=False)
    finally:
        server.close()


def _turn(server: Server, name: str) -> Any:
    """Change the settings of a knob; gives their old values. A fault without a cause is True."""
    if name not in KNOBS:
        return True
    old = {}
    for setting, value in KNOBS[name].settings.items():
        old[setting] = _setting(server, setting)
        server.set_setting(setting, value)
    return old


def _turn_back(server: Server, name: str, old: Any) -> None:
    for setting, value in old.items() if name in KNOBS else ():
        if value == _UNSET:
            server.connection.execute("DELETE FROM setting WHERE name = ?", (setting,))
        else:
            server.set_setting(setting, value)


def _setting(server: Server, name: str) -> Any:
    try:
        return server.setting(name)
    except KeyError:
        return _UNSET


def _rot(server: Server) -> str:
    path = _victim(server)
    original = _keep(server, path)
    times = path.stat()
    content = bytearray(original.read_bytes())
    for offset in (0, len(content) // 2, len(content) - 1):
        content[offset] ^= 0xFF
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path.name


def _vanish(server: Server) -> str:
    path = _victim(server)
    _keep(server, path)
    path.unlink()
    return path.name


def _replace(server: Server) -> str:
    path = _victim(server)
    _keep(server, path)
    content_bytes.write(content_bytes.block_recipe(0, f"replaced {path.name[:40]}", 4_096), path)
    return path.name


def _restore(server: Server, name: str) -> None:
    original = _shelter(server) / name
    path = server.content_dir / name[38:40].upper() / name
    path.parent.mkdir(exist_ok=True)
    os.replace(original, path)  # noqa: PTH105 - replaces a file on Windows too


def _stop(server: Server) -> bool:
    configuration.stop_service(server)
    return True


def _start(server: Server, value: Any) -> None:
    del value
    configuration.start_service(server)


def _hide_group(server: Server) -> str:
    """A group below All Computers with approvals and without groups below it."""
    row = server.connection.execute(
        "SELECT group_id FROM approval JOIN target_group ON target_group.id = group_id"
        " WHERE parent_id IS NOT NULL AND action = 'Install'"
        " AND group_id NOT IN (SELECT parent_id FROM target_group WHERE parent_id IS NOT NULL)"
        " ORDER BY name LIMIT 1"
    ).fetchone()
    return _chosen(row, "target group with an approval")


def _hide_update(server: Server) -> str:
    row = server.connection.execute(
        "SELECT update_id FROM approval JOIN update_state USING (update_id, revision)"
        " WHERE action = 'Install' AND state = 'Ready' ORDER BY update_id LIMIT 1"
    ).fetchone()
    return _chosen(row, "update with an approval")


def _chosen(row: sqlite3.Row | None, what: str) -> str:
    if row is None:
        raise LabError(f"there is no {what} that this fault could befall")
    return str(row[0])


def _litter(server: Server) -> str:
    path = server.content_dir / "Thumbs copy.db"
    path.write_bytes(b"litter")
    return path.name


def _sweep(server: Server, name: str) -> None:
    (server.content_dir / name).unlink(missing_ok=True)


def _write_other_form(server: Server) -> int:
    path = distribution_log.folder(server.server_folder) / distribution_log.NAME
    size = path.stat().st_size
    with path.open("ab") as log:
        log.write(b"28.11.2026 05:12:01;INFO;WsusService;an entry in another form\r\n" * 3)
    return size


def _cut_log(server: Server, size: int) -> None:
    path = distribution_log.folder(server.server_folder) / distribution_log.NAME
    os.truncate(path, size)


_CAUSES: dict[str, Callable[[Server], Any]] = {
    "content-litter": _litter,
    "log-form": _write_other_form,
    "service-down": _stop,
    "file-rots": _rot,
    "file-vanishes": _vanish,
    "file-replaced": _replace,
    "group-hidden": _hide_group,
    "update-hidden": _hide_update,
    "update-lost": _hide_update,
    **stored_faults.CAUSES,
}
_CURES: dict[str, Callable[[Server, Any], None]] = {
    "content-litter": _sweep,
    "log-form": _cut_log,
    "service-down": _start,
    "file-rots": _restore,
    "file-vanishes": _restore,
    "file-replaced": _restore,
    **stored_faults.CURES,
}


def _shelter(server: Server) -> Path:
    return server.server_folder / "faults"


def _keep(server: Server, path: Path) -> Path:
    """Store a copy of a file's true bytes, with its times."""
    copy = _shelter(server) / path.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(path.read_bytes())
    times = path.stat()
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    return copy


def _victim(server: Server) -> Path:
    """A content file without another fault: one of an approved update, else any."""
    taken = {path.name for path in _shelter(server).glob("*")}
    for path in (*_approved_files(server), *_any_file(server)):
        if path.name not in taken and path.is_file():
            return path
    raise LabError("no content file lies in WsusContent that this fault could befall")


def _approved_files(server: Server) -> Iterator[Path]:
    rows: list[sqlite3.Row] = server.connection.execute(
        "SELECT sha1, name FROM content_state JOIN file USING (sha1)"
        " WHERE kind = 'payload' AND state = 'Ready' ORDER BY sha1"
    ).fetchall()
    for row in rows:
        yield content_paths.content_path(server.content_dir, row["sha1"], row["name"])


def _any_file(server: Server) -> Iterator[Path]:
    for path in sorted(server.content_dir.glob("*/*")):
        if content_paths.CONTENT_NAME.fullmatch(path.name):
            yield path
