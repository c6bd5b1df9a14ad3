"""Staging side: accept the receipt that came back, and advance the baseline by it."""

from __future__ import annotations

from prefect import State, flow

from tasks import staging
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.names import Side
from tasks.reports.model import CommandReport


@flow(
    name="accept",
    flow_run_name="{site} accept",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def accept_receipt(site: str, receipt: str, carried_by: str | None = None) -> State[CommandReport]:
    """Accept a receipt.

    Args:
        site: Name of the site that the receipt is for.
        receipt: Path of the receipt's file, or the short code that an operator typed.
        carried_by: Name of the person who carried the receipt, for the custody log.
    """
    with open_run("accept", site, side=Side.STAGING, carried_by=carried_by) as run:
        accepted = staging.read_receipt(receipt)
        staging.advance_baseline(accepted)
    return run.final_state()
