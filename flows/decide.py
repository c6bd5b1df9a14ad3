"""Disconnected side: record what a person decides about updates that wait.

Nothing on the server changes. The decision is in force at the next import or audit. Prefect knows
no persons, so it is recorded as given by the API; the command ``decide`` records the account.
"""

from __future__ import annotations

from typing import Literal

from prefect import State, flow

from tasks import disconnected
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.names import Side
from tasks.reports.model import CommandReport


@flow(
    name="decide",
    flow_run_name="{site} decide",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def decide(
    site: str,
    updates: list[str],
    decision: Literal["accept-licence", "apply", "reject", "acknowledge"],
    reason: str,
    group: str | None = None,
    until: str | None = None,
    revoke: bool = False,
) -> State[CommandReport]:
    """Decide about updates that are held or parked.

    Args:
        site: Name of the site; its file is looked up by the worker.
        updates: Numbers of KB articles, or ids of updates.
        decision: Accept the licence terms, apply it in spite of the site's rules, never apply it,
            or take note of it, so that it alone no longer flags a run.
        reason: Why; it stands in the record.
        group: Only for this group, as a path below All Computers. Left out: for every group.
        until: The last day on which it is in force, like 2031-05-31.
        revoke: Revoke such decisions instead.
    """
    with open_run("decide", site, side=Side.DISCONNECTED) as run:
        disconnected.record_decision(
            updates, decision, reason=reason, group=group, until=until, revoke=revoke
        )
    return run.final_state()
