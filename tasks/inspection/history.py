"""The command ``history``: runs and chain, and the proof of the custody log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tasks.quantities import count
from tasks.reports.history import history_csv, history_lines
from tasks.reports.model import CommandReport
from tasks.run.context import open_run_context
from tasks.run.custody_proof import prove_log
from tasks.run.history import read_history, write_index
from tasks.run.made_by import made_by

_SHOWN = 30


def show_history(
    site: str, *, as_csv: bool, verify: bool, clock: Callable[[], datetime]
) -> CommandReport:
    """Make the report of ``history``.

    Args:
        site: Name of the site.
        as_csv: Print runs, chain and custody log as CSV instead of lines for people.
        verify: Prove the custody log.
        clock: Gives the time.

    Raises:
        CustodyError: The log was changed (with ``verify``).
        HostFileError: Ledger or log cannot be read.
    """
    with open_run_context(site, command="history", side=None, clock=clock) as run:
        proof = prove_log(run) if verify else []
        history = read_history(run.ledger, run.site, now=run.clock())
        runs = history.runs
        index = write_index(run.ledger, run.site, now=run.clock())
        lines = (
            tuple(history_csv(history).splitlines())
            if as_csv
            else history_lines(history, most_runs=_SHOWN)
        )
        if not as_csv and len(runs) > _SHOWN:
            lines = (*lines, f"  and {count(len(runs) - _SHOWN)} more, in `--json` and {index}")
        return CommandReport(
            command="history",
            site=run.site.name,
            made_by=made_by(run.site, run.ledger, by_api=run.by_api),
            runs=tuple(runs),
            chain=tuple(history.chain),
            missing_since=tuple(history.lacking),
            custody=tuple(history.custody),
            lines=lines if as_csv else (*lines, *proof),
            details={"index": str(index), "custody": "; ".join(proof)},
            next_step=f"Open {index} in a browser.",
        )
