"""The logger of the product: its lines reach the terminal, a pipe and the run's page.

Whoever runs a flow decides where they go; a filter here sees to it that no line steers a
terminal or looks like two, whatever names and messages stand in it.
"""

from __future__ import annotations

import logging

from tasks.visible import visible, visible_lines


class VisibleRecords(logging.Filter):
    """Make the text of every record visible, and that of a traceback line by line.

    A filter of a logger works before all handlers, those of Prefect included.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; all are let through."""
        record.msg, record.args = visible(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = visible_lines(logging.Formatter().formatException(record.exc_info))
        return True


log = logging.getLogger("wsus_airgap")
log.setLevel(logging.INFO)
log.addFilter(VisibleRecords())
