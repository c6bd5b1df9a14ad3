"""Disconnected side: report the files that approved updates lack, why, and what to bring next."""

from __future__ import annotations

from prefect import State, flow

from tasks import disconnected
from tasks.flow_run import open_run
from tasks.names import Side
from tasks.reports.model import CommandReport


@flow(name="audit", flow_run_name="{site} audit", persist_result=False)
def audit_content(
    site: str, every_update: bool = False, take_over: str | None = None
) -> State[CommandReport]:
    """Compare metadata with content, and apply parked approvals whose content has come.

    Args:
        site: Name of the site.
        every_update: List the files that unapproved updates lack too, instead of counting them.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
    """
    with open_run("audit", site, side=Side.DISCONNECTED, take_over=take_over) as run:
        disconnected.lock_server()
        server = disconnected.check_requirements()
        content = disconnected.scan_content(server, everything=True)
        disconnected.apply_parked_approvals(server, content)
        disconnected.audit_server(server, content, every_update=every_update)
    return run.final_state()
