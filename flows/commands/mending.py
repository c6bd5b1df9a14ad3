"""Commands that put something right, under lock and with a person's word. They start no Prefect."""

from __future__ import annotations

from pathlib import Path

from flows.commands.options import DEFAULT_SITE, Answer, Confirm, Json, SitePath, TakeOver
from flows.commands.site_work import at_site, utc_now
from tasks.names import Side
from tasks.reports.model import CommandReport
from tasks.reports.terminal import TerminalProgress, show_steps
from tasks.site.settings import Site


def restore_deleted(
    bundle: str,
    /,
    *,
    site: SitePath = DEFAULT_SITE,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Disconnected side: give back from the trash what the import of a bundle deleted.

    Args:
        bundle: Name or number of the bundle whose import deleted content.
        site: The site file.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """
    from tasks.importing.restore_deleted import restore_deleted as restore

    show_steps()
    return at_site(
        "restore-deleted",
        site,
        Side.DISCONNECTED,
        lambda checked: restore(
            checked.name, bundle, clock=utc_now, progress=TerminalProgress(), take_over=take_over
        ),
    )


def site_recover(
    bundle: Path | None = None,
    /,
    *,
    digest: str | None = None,
    confirm: Confirm = None,
    site: SitePath = DEFAULT_SITE,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Re-join the chain after this side has lost its state, once you confirm what it shows.

    Args:
        bundle: Folder of the bundle that was imported here, or sealed here, last.
        digest: Its header digest, if the bundle is not at hand.
        confirm: Digest of what the first call has shown, and you agree to.
        site: The site file.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """
    folder = None if bundle is None else str(bundle.absolute())

    def work(checked: Site) -> CommandReport:
        from tasks.exporting.recover import recover_export_chain
        from tasks.importing.recover import recover_import_chain
        from tasks.run.context import open_run_context
        from tasks.run.ending import record_run

        is_staging = checked.side is Side.STAGING
        recover = recover_export_chain if is_staging else recover_import_chain
        with open_run_context(
            checked.name, command="site recover", side=None, clock=utc_now, take_over=take_over
        ) as run:
            return record_run(
                run, lambda: recover(run, bundle=folder, digest=digest, confirm=confirm)
            )

    show_steps()
    return at_site("site recover", site, None, work)
