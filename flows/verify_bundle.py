"""Either side: prove a bundle byte by byte, and change nothing."""

from __future__ import annotations

from prefect import State, flow

from tasks import media
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.reports.model import CommandReport


@flow(
    name="verify",
    flow_run_name="{site} verify",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def verify_bundle(
    site: str,
    bundles: list[str] | None = None,
    if_new: bool = False,
    carried_by: str | None = None,
) -> State[CommandReport]:
    """Prove that a bundle is whole, sealed by a trusted key, and holds nothing else.

    Args:
        site: Name of the site; its file names the trusted keys.
        bundles: The bundle's folder; several are its volumes, or copies of it. Left out: the next
            bundle of the chain on the medium.
        if_new: End without an error if no new bundle lies on the medium, as a scheduled run does.
        carried_by: Name of the person who carried the bundle, for the custody log.
    """
    with open_run("verify", site, carried_by=carried_by) as run:
        folders = bundles or media.find_bundle(if_new=if_new)
        if folders:
            media.prove_bundle(media.open_bundle(folders))
    return run.final_state()
