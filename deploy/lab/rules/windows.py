"""The parts of Windows that scripts for WSUS use: the service, volumes and processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from deploy.lab.rules import configuration, distribution_log, machine
from deploy.lab.rules.event_kinds import kind_of
from deploy.lab.rules.server import RuleError, Server

EVENT_SOURCE = "Windows Server Update Services"
WAS_SOURCE = "Microsoft-Windows-WAS"
_LIMITS = {5077: "virtual memory limit", 5117: "private bytes memory limit"}
_RECYCLED = (
    "A worker process with process id of '4711' serving application pool 'WsusPool' has requested "
    "a recycle because it reached its {}."
)
# The free bytes of a full disk.
_LAST_BYTES = 4096
_NOT_DISKS = {"proc", "sysfs", "devpts", "cgroup", "cgroup2", "mqueue", "devtmpfs", "securityfs"}


class VolumeRow(NamedTuple):
    """One volume as ``Win32_Volume`` shows it; the name ends with a separator."""

    name: str
    capacity: int
    free_bytes: int
    file_system: str


class ProcessRow(NamedTuple):
    """One process as ``Win32_Process`` shows it; ``created`` is like ``2031-05-01T03:00:00Z``."""

    process_id: int
    name: str
    command_line: str
    created: str


class EventRow(NamedTuple):
    """A record of the Application log as ``Get-WinEvent`` shows it; times as of a process."""

    time: str
    event_id: int
    source: str
    level: int
    type: str
    text: str


class ServiceRow(NamedTuple):
    """One service as ``Get-Service`` shows it."""

    name: str
    display_name: str
    status: str


def service(server: Server) -> ServiceRow:
    """``Get-Service WsusService``."""
    return ServiceRow(configuration.SERVICE, "WSUS Service", configuration.service_status(server))


def services(server: Server) -> list[ServiceRow]:
    """``Get-Service``: the service of WSUS, and that of IIS."""
    web = ServiceRow(
        "W3SVC", "World Wide Web Publishing Service", machine.read(server, "machine.web_service")
    )
    return [service(server), web]


def start_named(server: Server, name: str) -> None:
    """``Start-Service NAME``."""
    if name.casefold() == configuration.SERVICE.casefold():
        start_service(server)
    elif machine.read(server, "machine.web_service") != "Running":
        server.set_setting("machine.web_service", "Running")
        distribution_log.append_web_service_start(server.server_folder)


def stop_named(server: Server, name: str) -> None:
    """``Stop-Service NAME``."""
    if name.casefold() == configuration.SERVICE.casefold():
        stop_service(server)
    else:
        server.set_setting("machine.web_service", "Stopped")


def start_service(server: Server) -> None:
    """``Start-Service WsusService``; an error if it does not start."""
    is_running = configuration.service_status(server) == "Running"
    if not is_running and not configuration.start_service(server):
        raise RuleError(
            "InvalidOperationException",
            "Failed to start service 'WSUS Service (WsusService)'.",
        )


def stop_service(server: Server) -> None:
    """``Stop-Service WsusService``."""
    if configuration.service_status(server) == "Running":
        configuration.stop_service(server)


def volumes(server: Server) -> list[VolumeRow]:
    """``Get-CimInstance Win32_Volume``: the real disks, shown as NTFS.

    With the fault ``disk-full`` all of them are full.
    """
    volume_rows = []
    for name in _mount_points(server.folder):
        try:
            usage = shutil.disk_usage(name)
        except OSError:
            continue
        if usage.total:
            full = server.fault("disk-full") is not None
            free = min(usage.free, _LAST_BYTES) if full else usage.free
            label = name if name.endswith(os.sep) else name + os.sep
            volume_rows.append(VolumeRow(label, usage.total, free, "NTFS"))
    return volume_rows


def processes(server: Server) -> list[ProcessRow]:
    """``Get-CimInstance Win32_Process``: every ``wsusutil`` of this server.

    They are read from ``/proc``. On systems without it (macOS, Windows) there are none.
    """
    process_rows = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            arguments = _arguments_of_wsusutil(words, server.folder)
            if arguments is not None:
                line = subprocess.list2cmdline([str(server.folder / "wsusutil"), *arguments])
                process_rows.append(
                    ProcessRow(int(path.name), "WsusUtil.exe", line, _created(path))
                )
        except OSError:
            continue  # it has ended
    return process_rows


def events(server: Server, levels: Sequence[int] = (), ids: Sequence[int] = ()) -> list[EventRow]:
    """``Get-WinEvent`` on the Application log with the source of WSUS, newest first.

    Args:
        server: The server.
        levels: Numbers of levels (2 error, 3 warning, 4 information); none: all.
        ids: Numbers of events; none: all.
    """
    query = "SELECT time, event_id, text FROM event ORDER BY time DESC, id DESC"
    rows = []
    for row in server.connection.execute(query):
        kind = kind_of(row["event_id"])
        if (not levels or kind.level in levels) and (not ids or row["event_id"] in ids):
            shown = (row["time"], row["event_id"], EVENT_SOURCE, kind.level, kind.type, row["text"])
            rows.append(EventRow(*shown))
    return rows


def pool_events(server: Server, ids: Sequence[int] = ()) -> list[EventRow]:
    """``Get-WinEvent`` on the System log with the source of WAS: recycling of WsusPool for memory.

    Args:
        server: The server.
        ids: Numbers of events; none: all.
    """
    time = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
    return [
        EventRow(time, number, WAS_SOURCE, 4, "Information", _RECYCLED.format(_LIMITS[number]))
        for number in machine.read(server, "machine.pool_recyclings")
        if not ids or number in ids
    ]


def _arguments_of_wsusutil(words: Sequence[str], folder: Path) -> Sequence[str] | None:
    """The arguments of a process if it is this server's ``wsusutil``, else None.

    The launcher is a shell for a moment, and then Python with the server's folder as first
    argument.
    """
    if len(words) > 1 and _is_same(words[1], folder / "wsusutil"):
        return words[2:]
    try:
        module = words.index("deploy.lab.wsusutil")
    except ValueError:
        return None
    is_ours = words[module - 1] == "-m" and _is_same(
        "".join(words[module + 1 : module + 2]), folder
    )
    return words[module + 2 :] if is_ours else None


def _is_same(path: str, expected: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(expected)


def _created(process: Path) -> str:
    """The time of a process's start, from its clock ticks since the start of the machine."""
    if sys.platform == "win32":
        return ""  # it has no /proc
    ticks = int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    started = datetime.fromtimestamp(booted + ticks / os.sysconf("SC_CLK_TCK"), UTC)
    return f"{started:%Y-%m-%dT%H:%M:%SZ}"


def create_process(command_line: str, folder: str | None) -> int:
    """``Win32_Process.Create``: start a program that outlives its caller; gives its process id.

    Raises:
        OSError: The program could not be started.
    """
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        process = subprocess.Popen(command_line, cwd=folder, creationflags=flags, close_fds=True)
    else:
        process = subprocess.Popen(
            split_command_line(command_line),
            cwd=folder,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return process.pid


def split_command_line(text: str) -> list[str]:
    """Split a command line as programs on Windows do.

    Backslashes are special only before a quote: two stand for one, and an odd one escapes the
    quote.
    """
    arguments: list[str] = []
    current: list[str] = []
    quoted = begun = False
    position = 0
    while position < len(text):
        slashes = len(text[position:]) - len(text[position:].lstrip("\\"))
        position += slashes
        character = text[position : position + 1]
        position += 1
        if character == '"':
            current.append("\\" * (slashes // 2))
            begun = True
            if slashes % 2:
                current.append('"')
            else:
                quoted = not quoted
            continue
        current.append("\\" * slashes)
        begun = begun or slashes > 0
        if character in (" ", "\t") and not quoted:
            if begun:
                arguments.append("".join(current))
            current, begun = [], False
        elif character:
            current.append(character)
            begun = True
    if begun:
        arguments.append("".join(current))
    return arguments


def _mount_points(folder: Path) -> list[str]:
    if sys.platform == "win32":
        return [folder.absolute().anchor]
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ["/"]
    fields = [line.split() for line in lines]
    names = {f[1].encode().decode("unicode_escape") for f in fields if f[2] not in _NOT_DISKS}
    return sorted(names)
