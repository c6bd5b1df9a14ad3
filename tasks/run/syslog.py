"""Lines to syslog, and of the custody log to the event log of Windows, as the site file says."""

from __future__ import annotations

import logging
import logging.handlers

from tasks.bundle.canonical import canonical_model
from tasks.custody import CustodyLine
from tasks.run.event_log import event_command, write_event
from tasks.site.settings import Site


class _Handler(logging.handlers.SysLogHandler):
    """A handler that notes a failure instead of printing it."""

    has_failed = False
    ident = "wsus-airgap: "

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        self.has_failed = True


def send_line(site: Site, line: CustodyLine) -> None:
    """Send a line to the site's logs besides the file; one that cannot be reached changes nothing.

    Whatever a log outside did not take, the file and the ledger have.
    """
    text = canonical_model(line).decode()
    if site.custody.syslog is not None:
        send_record(site.custody.syslog, text, logging.INFO, facility=_Handler.LOG_AUTHPRIV)
    if site.custody.event_command:
        write_event(event_command(site.custody.event_command, text))


def send_record(
    address: str, text: str, level: int, *, facility: int = _Handler.LOG_DAEMON
) -> bool:
    """Send one line to syslog; False if it cannot be reached.

    Args:
        address: A socket, or ``HOST:PORT`` for UDP.
        text: The line.
        level: Its level, of ``logging``.
        facility: Its facility, of ``SysLogHandler``.
    """
    host, _, port = address.rpartition(":")
    target: str | tuple[str, int] = address if address.startswith("/") else (host, int(port))
    try:
        handler = _Handler(target, facility=facility)
    except OSError:
        return False
    try:
        handler.emit(logging.LogRecord("wsus-airgap", level, "", 0, text, None, None))
    finally:
        handler.close()
    return not handler.has_failed
