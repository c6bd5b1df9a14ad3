"""The lines of the custody log to syslog, when the site file names an address."""

from __future__ import annotations

import logging
import logging.handlers
from contextlib import suppress

from tasks.bundle.canonical import canonical_model
from tasks.custody import CustodyLine
from tasks.site.settings import Site


def send_line(site: Site, line: CustodyLine) -> None:
    """Send a line to the site's syslog; one that cannot be reached changes nothing."""
    address = site.custody.syslog
    if address is None:
        return
    host, _, port = address.rpartition(":")
    target: str | tuple[str, int] = address if address.startswith("/") else (host, int(port))
    with suppress(OSError):
        handler = logging.handlers.SysLogHandler(
            target, facility=logging.handlers.SysLogHandler.LOG_AUTHPRIV
        )
        try:
            handler.ident = "wsus-airgap: "
            text = canonical_model(line).decode()
            handler.emit(logging.LogRecord("custody", logging.INFO, "", 0, text, None, None))
        finally:
            handler.close()
