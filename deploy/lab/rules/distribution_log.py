"""SoftwareDistribution.log of a simulated server: the lines that WSUS writes beside its events."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from deploy.lab.rules.event_kinds import kind_of

NAME = "SoftwareDistribution.log"


def folder(server_folder: Path) -> Path:
    """The folder of the log: where set-up puts it below ``Program Files``."""
    return server_folder / "Program Files" / "Update Services" / "LogFiles"


def append(
    server_folder: Path,
    level: str,
    method: str,
    message: str,
    *,
    moment: datetime | None = None,
    process: str = "WsusService",
) -> None:
    """Append an entry; a message of several lines continues without a time, as in a real log."""
    time = (moment or datetime.now(UTC)).astimezone(UTC)
    stamp = f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03d} UTC"
    lines = "\r\n".join(message.split("\n"))
    path = folder(server_folder) / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        log.write(f"{stamp}\t{level}\t{process}.7\t{method}\t{lines}\r\n".encode())


def append_event(
    server_folder: Path, event_id: int, text: str, *, moment: datetime | None = None
) -> None:
    """Append the line by which WSUS reports that it wrote an event."""
    kind = kind_of(event_id)
    level = "Error" if kind.type == "Error" else "Info"
    message = f"EventId={event_id},Type={kind.type},Category={kind.category},Message={text}"
    append(server_folder, level, "EventLogEventReporter.ReportEvent", message, moment=moment)


def append_schannel(
    server_folder: Path, lines: list[str], *, moment: datetime | None = None
) -> None:
    """Append what the service writes after its start about the settings of SCHANNEL."""
    for line in lines:
        append(server_folder, "Info", "SchannelSettings.Log", line, moment=moment)


def append_web_service_start(server_folder: Path, *, moment: datetime | None = None) -> None:
    """Append what a web service of WSUS writes when IIS starts it."""
    time = (moment or datetime.now(UTC)).astimezone(UTC)
    message = (
        "Initializing ClientWebService ProcessID = 4412, Process Start Time = "
        f"{time.month}/{time.day}/{time:%Y %I:%M:%S %p}, Product Version = 10.0.14393.7155"
    )
    method = "ClientImplementation..ctor"
    append(server_folder, "Info", method, message, moment=moment, process="w3wp")
