"""The lines of the custody log to syslog and to the event log of Windows, as the site file says."""

from __future__ import annotations

import logging
import logging.handlers
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from tasks.bundle.canonical import canonical_model
from tasks.custody import CustodyLine
from tasks.site.settings import Site

_SECONDS = 20.0


def send_line(site: Site, line: CustodyLine) -> None:
    """Send a line to the site's logs besides the file; one that cannot be reached changes nothing.

    Whatever a log outside did not take, the file and the ledger have.
    """
    text = canonical_model(line).decode()
    if site.custody.syslog is not None:
        _to_syslog(site.custody.syslog, text)
    if site.custody.event_command:
        _to_event_log(site.custody.event_command, text)


def _to_event_log(command: Sequence[str], text: str) -> None:
    """Write an event of the source wsus-airgap, as ``eventcreate`` of Windows takes it."""
    words = ("/L", "APPLICATION", "/T", "INFORMATION", "/SO", "wsus-airgap", "/ID", "1", "/D", text)
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )


def _to_syslog(address: str, text: str) -> None:
    host, _, port = address.rpartition(":")
    target: str | tuple[str, int] = address if address.startswith("/") else (host, int(port))
    with suppress(OSError):
        handler = logging.handlers.SysLogHandler(
            target, facility=logging.handlers.SysLogHandler.LOG_AUTHPRIV
        )
        try:
            handler.ident = "wsus-airgap: "
            handler.emit(logging.LogRecord("custody", logging.INFO, "", 0, text, None, None))
        finally:
            handler.close()
