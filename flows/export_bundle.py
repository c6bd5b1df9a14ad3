"""Staging side: make the next bundle of a site on the media.

The story: look at the server, take down what it holds and decided, have wsusutil export the
metadata, carry what the disconnected side lacks, seal it last. Killed at any point, the same
command goes on under the same sequence; with nothing changed, it answers with the bundle that
is there. Nothing on the staging server changes but our own folder.
"""

from __future__ import annotations

from prefect import State, flow

from tasks import media, staging
from tasks.flow_run import open_run
from tasks.names import Mode, Side
from tasks.reports.model import CommandReport


@flow(name="export", flow_run_name="{site} export", persist_result=False)
def export_bundle(
    site: str,
    mode: Mode | None = None,
    full: bool = False,
    new: bool = False,
    take_over: str | None = None,
) -> State[CommandReport]:
    """Make the next bundle of a site.

    Args:
        site: Name of the site; its file is looked up by the worker.
        mode: incremental or mirror; left out, the site file's policy decides.
        full: Carry everything that staging holds, whatever the disconnected side is known to hold.
        new: Make another bundle even when nothing changed since the last one.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
    """
    with open_run("export", site, side=Side.STAGING, take_over=take_over) as run:
        staging.lock_server_and_media()
        server = staging.check_server()
        decisions = staging.capture_approvals(server)
        content = staging.scan_content(server)

        draft = staging.open_draft(server, decisions, content, mode=mode, full=full, new=new)
        if not draft.is_sealed:
            package = staging.export_metadata(draft, server, decisions)
            plan = staging.plan_bundle(draft, decisions, content, package)
            packed = media.pack_bundle(draft, plan, content, package)
            media.seal_bundle(draft, packed, server)

        staging.predict_missing(draft, server, decisions, content)
        media.describe_bundle(draft)
    return run.final_state()
