"""A line about the end of each run in syslog and in Windows' event log, if the site file says so.

It holds what a notification holds: site, run and counts, and nothing of what a bundle carries. The
event log is written by ``eventcreate.exe``, which each Windows has; the first line makes the source
``wsus-airgap``, which needs an administrator.
"""

from __future__ import annotations

import logging
import subprocess
from typing import Literal

from tasks.announcements.occasion import Message
from tasks.logs import log
from tasks.run.syslog import send_record
from tasks.site.settings import NotifySection

Severity = Literal["information", "warning", "error"]
_LEVELS: dict[Severity, int] = {
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Numbers of ours, so that a filter can tell them apart; eventcreate allows 1 to 1000.
_EVENT_IDS: dict[Severity, int] = {"information": 100, "warning": 200, "error": 300}
_SOURCE = "wsus-airgap"
_SECONDS = 10.0
_MOST_CHARACTERS = 2_000


def event_command(program: str, severity: Severity, text: str) -> list[str]:
    """Return the command that writes one event into the log Application.

    Args:
        program: ``eventcreate.exe``.
        severity: The type of the event.
        text: What it says; a quotation mark would end it early.
    """
    shown = text.replace('"', "'")[:_MOST_CHARACTERS]
    words = [program, "/T", severity.upper(), "/ID", str(_EVENT_IDS[severity])]
    return [*words, "/L", "APPLICATION", "/SO", _SOURCE, "/D", shown]


def write_system_logs(notify: NotifySection, severity: Severity, message: Message) -> None:
    """Write a message to the logs of the system that the site file names.

    One that does not take it is a line in our own log, and changes nothing.
    """
    text = f"{message.title}. {message.body}"
    if notify.syslog is not None and not send_record(notify.syslog, text, _LEVELS[severity]):
        log.warning("syslog at %s did not take a line", notify.syslog)
    if not notify.event_log:
        return
    try:
        subprocess.run(
            event_command(notify.event_program, severity, text),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("the event log did not take a line: %s", error)
