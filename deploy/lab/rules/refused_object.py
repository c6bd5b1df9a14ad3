"""Faults by which a server refuses one object among several, and does all else.

The object is the first of its kind that the server is asked for while the fault is set; it stays
refused until the fault is cleared. So a test needs no name beforehand, and a second run meets the
same object again.
"""

from __future__ import annotations

import json

from deploy.lab.rules.server import RuleError, Server

DESCRIPTIONS = {
    "approval-refused": "the API refuses to approve one revision, the first that is asked for",
    "removal-refused": "the API refuses to delete the approvals of one revision, the first asked",
    "decline-refused": "the API refuses to decline one update, the first that is asked for",
    "terms-refused": "the API refuses to accept the licence terms of one update, the first asked",
    "group-refused": "the API refuses to make one target group, the first that is asked for",
}
# Error 1205 of SQL Server, without the number of the process.
REASON = (
    "Transaction was deadlocked on lock resources with another process and has been chosen as the"
    " deadlock victim. Rerun the transaction."
)


def refuse_one(server: Server, fault: str, name: str) -> None:
    """Refuse an object if the fault has chosen it; a fault without one chooses this one.

    Called outside a transaction, which would take the choice back.

    Raises:
        RuleError: The fault has chosen this object.
    """
    chosen = server.fault(fault)
    if chosen is True:
        values = (json.dumps(name), fault)
        server.connection.execute("UPDATE fault SET value = ? WHERE name = ?", values)
        chosen = name
    if chosen == name:
        raise RuleError("InvalidOperationException", REASON)
