"""The commands that are flows: check, export, verify, import, accept, audit, catalog-import.

A flow, and with it Prefect, is imported only by a command that runs one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flows.commands.options import (
    DEFAULT_SITE,
    AcceptFinding,
    Answer,
    Bundles,
    Carrier,
    Confirm,
    Flag,
    Json,
    Reason,
    SitePath,
    TakeOver,
)
from flows.commands.site_work import Work, absolute_paths, at_site, require_one, run_flow
from tasks.checks.accepting import read_accepted
from tasks.errors import PathMissingError, UsageError
from tasks.names import Mode, Side


def export(
    *,
    site: SitePath = DEFAULT_SITE,
    mode: Mode | None = None,
    full: Flag = False,
    since: int | None = None,
    bring: Path | None = None,
    new: Flag = False,
    rehearse: Flag = False,
    confirm: Confirm = None,
    take_over: TakeOver = None,
    accept_finding: AcceptFinding = (),
    json: Json = False,
) -> Answer:
    """Staging side: make the next bundle on the media.

    Args:
        site: The site file.
        mode: incremental brings what the baseline lacks; mirror also plans deletions there.
        full: Carry everything staging holds, whatever the baseline is.
        since: Leave out what bundle N brought or left in place, whatever receipts say; for a chain
            whose receipts were lost.
        bring: The other side's shopping-list.json: carry its files although they count as there.
        new: Make another bundle even when nothing has changed since the last one.
        rehearse: Write out what would be carried and what media it needs; change nothing.
        confirm: Digest of the rehearsal that you have read and agree to.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        accept_finding: Go on in spite of that finding of the check.
        json: Print one JSON document.
    """
    read_accepted(accept_finding)  # before a server is started
    require_one(rehearse=rehearse, confirm=confirm)

    def load() -> Work:
        from flows.export_bundle import export_bundle
        from tasks.flow_run import report_of

        return lambda name: report_of(
            export_bundle,
            site=name,
            mode=mode,
            full=full,
            new=new,
            since=since,
            bring=None if bring is None else str(bring.absolute()),
            rehearse=rehearse,
            confirm=confirm,
            take_over=take_over,
            accept_findings=list(accept_finding),
        )

    return run_flow("export", site, Side.STAGING, load)


def check(
    *,
    site: SitePath = DEFAULT_SITE,
    firewall_export: Path | None = None,
    json: Json = False,
) -> Answer:
    """Either side: examine this side, and list what keeps it from a crossing and what now.

    Args:
        site: The site file.
        firewall_export: Instead of the server, examine this export of a firewall: which documented
            domains it does not name.
        json: Print one JSON document.
    """
    if firewall_export is not None:
        from tasks.reports.firewall import compare_firewall

        path = firewall_export.absolute()
        return at_site("check", site, None, lambda checked: compare_firewall(checked.name, path))

    def load() -> Work:
        from flows.check_server import check_server
        from tasks.flow_run import report_of

        return lambda name: report_of(check_server, site=name)

    return run_flow("check", site, None, load)


def verify(
    bundles: Bundles = None,
    /,
    *,
    site: SitePath = DEFAULT_SITE,
    if_new: Flag = False,
    carried_by: Carrier = None,
    json: Json = False,
) -> Answer:
    """Either side: prove a bundle, and change nothing.

    Args:
        bundles: The bundle's folder; several are its volumes, or copies of it. Left out: the next
            bundle of the chain on the medium.
        site: The site file.
        if_new: End with 0 if no new bundle lies on the medium; for schedules and triggers.
        carried_by: Name of the person who carried it here, for the custody log.
        json: Print one JSON document.
    """
    _require_name(carried_by)  # before a server is started

    def load() -> Work:
        from flows.verify_bundle import verify_bundle
        from tasks.flow_run import report_of

        return lambda name: report_of(
            verify_bundle,
            site=name,
            bundles=absolute_paths(bundles),
            if_new=if_new,
            carried_by=carried_by,
        )

    return run_flow("verify", site, None, load, bundles=bundles or ())


def import_(
    bundles: Bundles = None,
    /,
    *,
    site: SitePath = DEFAULT_SITE,
    rehearse: Flag = False,
    confirm: Confirm = None,
    rebuilt: Literal["adopt", "reapply"] | None = None,
    accept_gap: Reason = None,
    carried_by: Carrier = None,
    if_new: Flag = False,
    take_over: TakeOver = None,
    accept_finding: AcceptFinding = (),
    json: Json = False,
) -> Answer:
    """Disconnected side: verify a bundle and import it.

    Args:
        bundles: The bundle's folder; several are its volumes, or copies of it. Left out: the next
            bundle of the chain on the medium.
        site: The site file.
        if_new: End with 0 if no new bundle lies on the medium; for schedules and triggers.
        rehearse: Write out everything that would change and stay missing; change nothing.
        confirm: Digest of the plan that you have read and agree to.
        rebuilt: The server was rebuilt, restored or emptied: adopt keeps what is there, reapply
            applies the last state again and takes away what staging had taken back; the plan is
            shown first.
        accept_gap: Go on although the base of this bundle never came, for this reason; what it
            alone carried is missing.
        carried_by: Name of the person who carried it here, for the custody log.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        accept_finding: Go on in spite of that finding of the check.
        json: Print one JSON document.
    """
    read_accepted(accept_finding)  # before a server is started
    require_one(rehearse=rehearse, confirm=confirm)
    _require_name(carried_by)
    if accept_gap is not None and not accept_gap.strip():
        raise UsageError(reason="--accept-gap needs a reason: it stands in the report")

    def load() -> Work:
        from flows.import_bundle import import_bundle
        from tasks.flow_run import report_of

        return lambda name: report_of(
            import_bundle,
            site=name,
            bundles=absolute_paths(bundles),
            if_new=if_new,
            rehearse=rehearse,
            confirm=confirm,
            rebuilt=rebuilt,
            accept_gap=accept_gap,
            carried_by=carried_by,
            take_over=take_over,
            accept_findings=list(accept_finding),
        )

    return run_flow("import", site, Side.DISCONNECTED, load, bundles=bundles or ())


def _require_name(carried_by: str | None) -> None:
    if carried_by is not None:
        from tasks.run.carrier import checked_carrier

        checked_carrier(carried_by)


def accept(
    receipt: str,
    /,
    *,
    site: SitePath = DEFAULT_SITE,
    carried_by: Carrier = None,
    json: Json = False,
) -> Answer:
    """Staging side: accept a receipt and advance the baseline.

    Args:
        receipt: The receipt's file, or the short code that an operator typed.
        site: The site file.
        carried_by: Name of the person who carried it here, for the custody log.
        json: Print one JSON document.
    """
    _require_name(carried_by)  # before a server is started
    is_path = os.path.exists(receipt)  # noqa: PTH110  pathlib raises at a text too long for one
    given = str(Path(receipt).absolute()) if is_path else receipt

    def require_given() -> None:
        from tasks.bundle.receipt_code import looks_like_code

        if not is_path and not looks_like_code(receipt):
            raise PathMissingError(what="the receipt", path=receipt)

    def load() -> Work:
        from flows.accept_receipt import accept_receipt
        from tasks.flow_run import report_of

        return lambda name: report_of(
            accept_receipt, site=name, receipt=given, carried_by=carried_by
        )

    return run_flow("accept", site, Side.STAGING, load, require=require_given)


def audit(
    *,
    site: SitePath = DEFAULT_SITE,
    adopt: Flag = False,
    rehearse: Flag = False,
    confirm: Confirm = None,
    every_update: Annotated[bool, Parameter(name="--all", negative="")] = False,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Disconnected side: report approved or parked updates whose content is missing, and why.

    Args:
        site: The site file.
        adopt: Seal a list of the content that lies here as a first receipt; only before the first
            import.
        rehearse: Write out what would be applied and what stays missing; change nothing.
        confirm: Digest of the rehearsal that you have read and agree to.
        every_update: List the files that unapproved updates lack too, instead of counting them.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """
    require_one(rehearse=rehearse, confirm=confirm)
    if adopt and (rehearse or confirm is not None):
        raise UsageError(
            reason="--adopt changes nothing on the server, so there is nothing to rehearse",
            remedy="Leave out --rehearse and --confirm.",
        )

    def load() -> Work:
        from flows.audit_content import audit_content
        from tasks.flow_run import report_of

        return lambda name: report_of(
            audit_content,
            site=name,
            adopt=adopt,
            rehearse=rehearse,
            confirm=confirm,
            every_update=every_update,
            take_over=take_over,
        )

    return run_flow("audit", site, Side.DISCONNECTED, load)


def catalog_import(
    update_ids: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    site: SitePath = DEFAULT_SITE,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Staging side: import updates from the Microsoft Update Catalog into the server.

    Args:
        update_ids: UpdateIDs, copied from the details of updates in the Catalog.
        site: The site file.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """

    def load() -> Work:
        from flows.catalog_import import catalog_import as catalog_import_flow
        from tasks.flow_run import report_of

        return lambda name: report_of(
            catalog_import_flow, site=name, update_ids=update_ids, take_over=take_over
        )

    return run_flow("catalog-import", site, Side.STAGING, load)
