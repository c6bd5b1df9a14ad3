"""The custody log: who did what with which bundle, numbered, chained and signed.

``record`` appends a line; ``check_log`` proves all of them against the ledger.
"""

from tasks.custody.log import check_log, custody_head, lines_of, newest_lines, record
from tasks.custody.model import CustodyCheck, CustodyEntry, CustodyEvent, CustodyHead, CustodyLine

__all__ = [
    "CustodyCheck",
    "CustodyEntry",
    "CustodyEvent",
    "CustodyHead",
    "CustodyLine",
    "check_log",
    "custody_head",
    "lines_of",
    "newest_lines",
    "record",
]
