"""Staging side: make the next bundle of a site on the media.

The steps check the server, read its approvals and content, have wsusutil export the metadata, pack
the content that the disconnected side lacks, and seal last. After a kill at any point the same
command goes on under the same sequence number. If nothing has changed since the last export, it
answers with the bundle that is there. On the staging server only our own folder changes.
"""

from __future__ import annotations

from prefect import State, flow

from tasks import media, staging
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.names import Mode, Side
from tasks.reports.model import CommandReport


@flow(
    name="export",
    flow_run_name="{site} export",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def export_bundle(
    site: str,
    mode: Mode | None = None,
    full: bool = False,
    new: bool = False,
    take_over: str | None = None,
    accept_findings: list[str] | None = None,
) -> State[CommandReport]:
    """Make the next bundle of a site.

    Args:
        site: Name of the site; its file is looked up by the worker.
        mode: incremental or mirror; None: the mode of the site file's policy.
        full: Carry all content of the staging server, whatever the baseline is.
        new: Make another bundle even when nothing changed since the last one.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        accept_findings: Findings of the check that do not stop this export, each as ID=REASON.
    """
    with open_run("export", site, side=Side.STAGING, take_over=take_over) as run:
        staging.lock_server_and_media()
        server = staging.check_server(accepted=accept_findings or [])
        decisions = staging.capture_approvals(server)
        content = staging.scan_content(server)

        draft = staging.open_draft(server, decisions, content, mode=mode, full=full, new=new)
        if not draft.is_sealed:
            package = staging.export_metadata(draft, server, decisions)
            plan = staging.plan_bundle(draft, decisions, content, package)
            packed = media.pack_bundle(draft, plan, content, package, decisions=decisions)
            media.seal_bundle(draft, packed, server)

        staging.predict_missing(draft, server, decisions, content)
        media.describe_bundle(draft)
    return run.final_state()
