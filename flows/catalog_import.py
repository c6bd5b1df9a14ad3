"""Staging side: import updates from the Microsoft Update Catalog, which synchronisation lacks."""

from __future__ import annotations

from prefect import State, flow

from tasks import staging
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.names import Side
from tasks.reports.model import CommandReport


@flow(
    name="catalog-import",
    flow_run_name="{site} catalog-import",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def catalog_import(
    site: str, update_ids: list[str], take_over: str | None = None
) -> State[CommandReport]:
    """Import updates into the staging server by their ids; those that it has stay as they are.

    Args:
        site: Name of the site.
        update_ids: UpdateIDs of the Microsoft Update Catalog.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
    """
    with open_run("catalog-import", site, side=Side.STAGING, take_over=take_over) as run:
        ids = staging.read_update_ids(update_ids)
        staging.lock_server()
        weakness = staging.check_catalog_path()
        staging.import_updates(ids, weakness)
    return run.final_state()
