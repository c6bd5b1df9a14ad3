"""Disconnected side: report the files that approved updates lack, why, and what to bring next."""

from __future__ import annotations

from prefect import State, flow

from tasks import disconnected
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.names import Side
from tasks.reports.model import CommandReport
from tasks.run_page import is_scheduled


@flow(
    name="audit",
    flow_run_name="{site} audit",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def audit_content(
    site: str,
    adopt: bool = False,
    rehearse: bool = False,
    confirm: str | None = None,
    every_update: bool = False,
    take_over: str | None = None,
) -> State[CommandReport]:
    """Compare metadata with content, and apply parked approvals whose content has come.

    Args:
        site: Name of the site.
        adopt: Instead, seal a list of the content that lies here as a first receipt; only before
            the first import.
        rehearse: Plan everything and write the plan out; change nothing on the server.
        confirm: Digest of the plan of a rehearsal that a person has read and agrees to.
        every_update: List the files that unapproved updates lack too, instead of counting them.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
    """
    run = open_run("audit", site, side=Side.DISCONNECTED, take_over=take_over, rehearses=rehearse)
    with run:
        disconnected.lock_server()
        server = disconnected.check_requirements(to_adopt=adopt)
        rotating = is_scheduled() and not adopt  # a person who asks wants all of it read
        content = disconnected.scan_content(server, everything=not rotating, rotating=rotating)
        if adopt:
            disconnected.adopt_content(server, content)
        else:
            plan = disconnected.plan_audit(server, content, confirm=confirm)
            if rehearse:
                disconnected.rehearse_audit(plan, server, content, every_update=every_update)
            else:
                disconnected.apply_parked_approvals(plan)
                disconnected.audit_server(server, content, every_update=every_update)
    return run.final_state()
