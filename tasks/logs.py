"""Logger of the product, whose lines reach the terminal, a pipe and the run's page.

The command line and Prefect add the handlers. A filter here makes every line visible, so that
foreign names and messages in it cannot steer a terminal or look like a second line.
"""

from __future__ import annotations

import logging

from tasks.visible import visible, visible_lines


class VisibleRecords(logging.Filter):
    """Make the text of every record visible, and the text of a traceback line by line.

    A logger's filter is applied before all handlers, those of Prefect included.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; every record passes."""
        record.msg, record.args = visible(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = visible_lines(logging.Formatter().formatException(record.exc_info))
        return True


log = logging.getLogger("wsus_airgap")
log.setLevel(logging.INFO)
log.addFilter(VisibleRecords())
