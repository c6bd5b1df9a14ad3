"""Disconnected side: which approved update lacks which file, why, and what to bring next."""

from __future__ import annotations

from tasks import disconnected
from tasks.flow_run import story
from tasks.names import Side


@story("audit", side=Side.DISCONNECTED)
def audit_content(site: str, every_update: bool = False, take_over: str | None = None) -> None:
    """Compare metadata with content, and apply parked approvals whose content has come.

    Args:
        site: Name of the site.
        every_update: List the files that unapproved updates lack too, instead of counting them.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
    """
    disconnected.lock_server()
    server = disconnected.check_server()
    content = disconnected.scan_content(server, everything=True)
    disconnected.apply_parked_approvals(server, content)
    disconnected.audit_server(server, content, every_update=every_update)
