"""A ledger that was brought to another folder, or another machine."""

from __future__ import annotations

import secrets
from datetime import datetime

from tasks.ledger.facts import write_fact
from tasks.ledger.store import Ledger

# Columns with paths below the state folder, by table.
PATHS = {"export": "folder", "import": "folder", "inventory": "folder", "run": "report"}


def settle_moved_ledger(ledger: Ledger, before: str, after: str, *, now: datetime) -> None:
    """Make a copied ledger that of this machine and folder, in one transaction.

    Its paths get the new folder. It gets a new machine id, so that locks of the machine that it
    came from stay those of another machine. Runs that had not ended get the end ``crashed``: their
    processes are elsewhere, and nobody here can ever prove how they ended.

    Args:
        ledger: The ledger, which nobody else has open.
        before: Path of the state folder that it came from.
        after: Path of the state folder that it is to lie in.
        now: The time.
    """
    with ledger.transaction():
        for table, column in PATHS.items():
            ledger.connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  our names
                f"WHERE substr({column}, 1, ?) = ? AND substr({column}, ?, 1) IN ('/', '\\')",
                (after, len(before) + 1, len(before), before, len(before) + 1),
            )
        ledger.connection.execute(
            "UPDATE run SET ended = ?, outcome = 'crashed', exit_code = 1 WHERE ended IS NULL",
            (now.isoformat(),),
        )
        write_fact(ledger.connection, "machine", secrets.token_hex(16))
