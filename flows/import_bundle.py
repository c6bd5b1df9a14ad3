"""Disconnected side: import a bundle, or refuse it before anything has changed.

Nothing of the bundle is used until all of it is verified and lies on our own disk. Then content
comes before metadata, metadata before approvals, and the receipt last. After a kill at any point
the same command goes on where it stopped. Run again after its end, it puts back what has vanished
since.
"""

from __future__ import annotations

from typing import Literal

from prefect import State, flow

from tasks import disconnected, media
from tasks.flow_run import open_run
from tasks.importing.incoming import IncomingBundle
from tasks.lost_runs import close_run_of
from tasks.names import Side
from tasks.reports.model import CommandReport


@flow(
    name="import",
    flow_run_name="{site} import",
    persist_result=False,
    on_crashed=[close_run_of],
    on_cancellation=[close_run_of],
)
def import_bundle(
    site: str,
    bundles: list[str] | None = None,
    rehearse: bool = False,
    confirm: str | None = None,
    accept_gap: str | None = None,
    take_over: str | None = None,
    accept_findings: list[str] | None = None,
    if_new: bool = False,
    rebuilt: Literal["adopt", "reapply"] | None = None,
    carried_by: str | None = None,
) -> State[CommandReport]:
    """Import a bundle into the disconnected server.

    Args:
        site: Name of the site; its file is looked up by the worker.
        bundles: The bundle's folder; several are its volumes, or copies of it. Left out: the next
            bundle of the chain on the medium.
        rehearse: Plan everything and write the plan out; change nothing on server or media.
        confirm: Digest of a plan that a person has read and agrees to.
        accept_gap: Import although a base never came, for this reason; once, and recorded.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        accept_findings: Findings of the check that do not stop this import, each as ID=REASON.
        if_new: End without an error if no new bundle lies on the medium, as a scheduled run does.
        rebuilt: The server was rebuilt, restored or emptied: keep what is there (adopt), or apply
            the last state again and take away what staging had taken back (reapply). The plan is
            shown first, for confirm.
        carried_by: Name of the person who carried the bundle, for the custody log.
    """
    run = open_run(
        "import",
        site,
        side=Side.DISCONNECTED,
        take_over=take_over,
        rehearses=rehearse,
        carried_by=carried_by,
    )
    with run:
        folders = bundles or media.find_bundle(if_new=if_new, accepted_gap=accept_gap)
        if folders:
            incoming = media.open_bundle(folders, to_import=True, accepted_gap=accept_gap)
            if rehearse:
                _rehearse(incoming, accept_findings or [], rebuilt)
            else:
                _bring_in(incoming, confirm, accept_findings or [], rebuilt)
    return run.final_state()


def _rehearse(
    incoming: IncomingBundle, accepted: list[str], rebuilt: Literal["adopt", "reapply"] | None
) -> None:
    disconnected.lock_server(incoming)
    server = disconnected.check_server(incoming, accepted=accepted, rebuilt=rebuilt)
    content = disconnected.scan_content(server)
    bundle = media.read_documents(incoming)
    disconnected.rehearse_import(bundle, server, content, rebuilt=rebuilt)


def _bring_in(
    incoming: IncomingBundle,
    confirm: str | None,
    accepted: list[str],
    rebuilt: Literal["adopt", "reapply"] | None,
) -> None:
    disconnected.lock_server(incoming)
    server = disconnected.check_server(incoming, accepted=accepted, rebuilt=rebuilt)
    content = disconnected.scan_content(server, everything=incoming.is_repair or bool(rebuilt))
    bundle = media.unpack_bundle(incoming, server, content)
    plan = disconnected.plan_import(bundle, server, content, confirm=confirm, rebuilt=rebuilt)

    # WSUS and its clients have seen no change up to this line.
    content = disconnected.place_content(bundle, server, content, plan)
    content = disconnected.load_metadata(bundle, plan, server, content)
    approvals = disconnected.apply_approvals(bundle, plan, content)
    content = disconnected.delete_content(bundle, plan, content)

    audit = disconnected.audit_content(bundle, server, content)
    disconnected.write_receipt(bundle, content, approvals, audit)
