"""Disconnected side: import a bundle, or refuse it before anything has changed.

Nothing of the bundle is used until all of it is verified and lies on our own disk. Then content
comes before metadata, metadata before approvals, and the receipt last. After a kill at any point
the same command goes on where it stopped. Run again after its end, it puts back what has vanished
since.
"""

from __future__ import annotations

from prefect import State, flow

from tasks import disconnected, media
from tasks.flow_run import open_run
from tasks.names import Side
from tasks.reports.model import CommandReport


@flow(name="import", flow_run_name="{site} import", persist_result=False)
def import_bundle(
    site: str,
    bundles: list[str],
    confirm: str | None = None,
    take_over: str | None = None,
    accept_findings: dict[str, str] | None = None,
) -> State[CommandReport]:
    """Import a bundle into the disconnected server.

    Args:
        site: Name of the site; its file is looked up by the worker.
        bundles: The bundle's folder; several are its volumes, or copies of it.
        confirm: Digest of a plan that a person has read and agrees to.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        accept_findings: Findings of the check that do not stop this import, by id, each with a
            person's reason.
    """
    with open_run("import", site, side=Side.DISCONNECTED, take_over=take_over) as run:
        incoming = media.open_bundle(bundles, to_import=True)
        disconnected.lock_server(incoming)
        server = disconnected.check_server(incoming, accepted=accept_findings or {})
        content = disconnected.scan_content(server, everything=incoming.is_repair)
        bundle = media.unpack_bundle(incoming, server, content)
        plan = disconnected.plan_import(bundle, server, content, confirm=confirm)

        # WSUS and its clients have seen no change up to this line.
        content = disconnected.place_content(bundle, server, content)
        content = disconnected.load_metadata(bundle, plan, server, content)
        approvals = disconnected.apply_approvals(bundle, plan, content)
        content = disconnected.delete_content(bundle, plan, content)

        audit = disconnected.audit_content(bundle, server, content)
        disconnected.write_receipt(bundle, content, approvals, audit)
    return run.final_state()
