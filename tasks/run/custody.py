"""Lines of the custody log, as runs record them."""

from __future__ import annotations

import sqlite3

from tasks.custody import CustodyEntry, CustodyEvent, record
from tasks.custody.log import LOG
from tasks.errors import AirGapError
from tasks.logs import log
from tasks.run.context import RunContext
from tasks.run.keys import signing_key
from tasks.run.made_by import account, machine
from tasks.run.syslog import send_line
from tasks.version import VERSION

BY_API = "by the API"
_LONGEST_TEXT = 2_000


def who_of(run: RunContext) -> str:
    """Return who started a run: the account, or that it was the API."""
    return BY_API if run.by_api else account()


def record_event(
    run: RunContext, event: CustodyEvent, text: str, *, bundle: str = "", digest: str = ""
) -> None:
    """Record a line of the custody log. A log that cannot be written flags the run and no more.

    Args:
        run: The run.
        event: What was done.
        text: The same in words: numbers, a reason. No secret.
        bundle: Name of the bundle that it is about.
        digest: That bundle's header digest, hex.
    """
    entry = CustodyEntry(
        event=event,
        who=who_of(run),
        machine=machine(),
        version=VERSION,
        run=run.run_id,
        bundle=bundle,
        digest=digest,
        text=text[:_LONGEST_TEXT],
    )
    try:
        line = record(run.ledger, run.site.state_dir, signing_key(run.site), entry, now=run.clock())
    except (AirGapError, sqlite3.Error) as fault:
        log.warning("%s", fault)
        run.report.notice(f"{LOG} could not be written: {fault}")
        return
    send_line(run.site, line)
