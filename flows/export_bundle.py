"""Staging side: make the next bundle of a site on the media.

The steps check the server, read its approvals and content, have wsusutil export the metadata, pack
the content that the disconnected side lacks, and seal last. After a kill at any point the same
command goes on under the same sequence number. If nothing has changed since the last export, it
answers with the bundle that is there. On the staging server only our own folder changes.
"""

from __future__ import annotations

from prefect import State, flow

from tasks import media, staging
from tasks.approvals.capture import ServerDecisions
from tasks.content.content_listing import ContentListing
from tasks.exporting.request import ExportRequest
from tasks.flow_run import open_run
from tasks.lost_runs import close_run_of
from tasks.metadata.server import ServerFacts
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
    since: int | None = None,
    bring: str | None = None,
    rehearse: bool = False,
    confirm: str | None = None,
    take_over: str | None = None,
    accept_findings: list[str] | None = None,
) -> State[CommandReport]:
    """Make the next bundle of a site.

    Args:
        site: Name of the site; its file is looked up by the worker.
        mode: incremental or mirror; None: the mode of the site file's policy.
        full: Carry all content of the staging server, whatever the baseline is.
        new: Make another bundle even when nothing changed since the last one.
        since: Number of the bundle that counts as base, whatever receipts say.
        bring: Path of the other side's shopping list, whose files are carried in any case.
        rehearse: Plan everything and write the plan out; change nothing on server or media.
        confirm: Digest of the plan of a rehearsal that a person has read and agrees to.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        accept_findings: Findings of the check that do not stop this export, each as ID=REASON.
    """
    run = open_run("export", site, side=Side.STAGING, take_over=take_over, rehearses=rehearse)
    with run:
        request = staging.read_request(
            mode=mode, full=full, new=new, since=since, bring=bring, confirm=confirm
        )
        staging.lock_server_and_media()
        server = staging.check_server(accepted=accept_findings or [])
        decisions = staging.capture_approvals(server)
        content = staging.scan_content(server)
        if rehearse:
            staging.rehearse_export(request, server, decisions, content)
        else:
            _make_bundle(request, server, decisions, content)
    return run.final_state()


def _make_bundle(
    request: ExportRequest,
    server: ServerFacts,
    decisions: ServerDecisions,
    content: ContentListing,
) -> None:
    if request.confirm is not None:
        staging.compare_plan(request, server, decisions, content)
    draft = staging.open_draft(request, server, decisions, content)
    if not draft.is_sealed:
        package = staging.export_metadata(draft, server, decisions)
        plan = staging.plan_bundle(draft, decisions, content, package, request=request)
        packed = media.pack_bundle(draft, plan, content, package, decisions=decisions)
        media.seal_bundle(draft, packed, server)

    if request.bring:
        staging.answer_shopping_list(draft, request, content)
    staging.predict_missing(draft, server, decisions, content)
    media.describe_bundle(draft)
