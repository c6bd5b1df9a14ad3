"""A line about the end of each run in syslog and in Windows' event log, if the site file says so.

It holds what a notification holds: site, run and counts, and nothing of what a bundle carries.
"""

from __future__ import annotations

import logging
from typing import Literal

from tasks.announcements.occasion import Message
from tasks.logs import log
from tasks.run.event_log import EventType, event_command, write_event
from tasks.run.syslog import send_record
from tasks.site.settings import NotifySection

Severity = Literal["information", "warning", "error"]
_LEVELS: dict[Severity, int] = {
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Type and number of the events; numbers of ours, so that a filter can tell them apart.
_EVENTS: dict[Severity, tuple[EventType, int]] = {
    "information": ("INFORMATION", 100),
    "warning": ("WARNING", 200),
    "error": ("ERROR", 300),
}


def write_system_logs(notify: NotifySection, severity: Severity, message: Message) -> None:
    """Write a message to the logs of the system that the site file names.

    One that does not take it is a line in our own log, and changes nothing.
    """
    text = f"{message.title}. {message.body}"
    if notify.syslog is not None and not send_record(notify.syslog, text, _LEVELS[severity]):
        log.warning("syslog at %s did not take a line", notify.syslog)
    if notify.event_log:
        event_type, number = _EVENTS[severity]
        program = [notify.event_program]
        if not write_event(event_command(program, text, event_type=event_type, number=number)):
            log.warning("the event log did not take a line")
