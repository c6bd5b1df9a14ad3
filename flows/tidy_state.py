"""Either side: remove what is older than the site file's ``[retention]`` allows.

Only what is ours goes: reports, large documents of old bundles, the trash, and bundles on the
medium whose receipt came. Never the ledger, headers, decisions or receipts.
"""

from __future__ import annotations

from prefect import State, flow

from tasks import tidying
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.reports.model import CommandReport


@flow(
    name="tidy",
    flow_run_name="{site} tidy",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def tidy_state(
    site: str, rehearse: bool = False, take_over: str | None = None
) -> State[CommandReport]:
    """Remove what is older than retention allows.

    Args:
        site: Name of the site; its file is looked up by the worker.
        rehearse: Only list what would be removed.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
    """
    with open_run("tidy", site, take_over=take_over) as run:
        items = tidying.find_what_is_old()
        if items and not rehearse:
            tidying.remove_it(items)
    return run.final_state()
