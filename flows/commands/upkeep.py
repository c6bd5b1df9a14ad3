"""Commands for the upkeep of a side over years: tidy, backup, restore."""

from __future__ import annotations

from pathlib import Path

from flows.commands.options import DEFAULT_SITE, Answer, Flag, Json, SitePath, TakeOver
from flows.commands.site_work import Work, at_site, run_flow, utc_now
from tasks.quantities import size
from tasks.reports.model import CommandReport
from tasks.site.settings import Site


def tidy(
    *,
    site: SitePath = DEFAULT_SITE,
    rehearse: Flag = False,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Either side: remove what is older than `[retention]` allows, and only what is ours.

    Args:
        site: The site file.
        rehearse: Only list what would be removed.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """

    def load() -> Work:
        from flows.tidy_state import tidy_state
        from tasks.flow_run import report_of

        return lambda name: report_of(tidy_state, site=name, rehearse=rehearse, take_over=take_over)

    return run_flow("tidy", site, None, load)


def backup(file: Path, /, *, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """Either side: save the state of this side in one file; runs may go on meanwhile.

    Args:
        file: The file to write; it is never overwritten. It holds no private key and no secret.
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.upkeep.backup import write_backup

    def work(checked: Site) -> CommandReport:
        record = write_backup(checked, file.absolute(), now=utc_now())
        return CommandReport(
            command="backup",
            site=checked.name,
            files=len(record.files),
            bytes=file.stat().st_size,
            lines=(f"{file.absolute()}: {len(record.files)} files, {size(file.stat().st_size)}",),
            next_step="Keep it on another machine; private keys and secrets are NOT in it, so keep "
            "copies of those in a safe of their own.",
        )

    return at_site("backup", site, None, work)


def restore(file: Path, /, *, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """Either side: bring back the state of this side, into a state folder that is empty.

    Args:
        file: The file that `backup` wrote.
        site: The site file; if it is not there, it is written as it was.
        json: Print one JSON document.
    """
    from tasks.upkeep.restore import restore_backup

    path = site.absolute()
    restored = restore_backup(file.absolute(), path, now=utc_now())
    record = restored.record
    made = f"{record.created:%Y-%m-%d %H:%M} UTC"
    lines = [f"{restored.state_dir}: {len(record.files) - 1} files, as they were at {made}"]
    if restored.wrote_site_file:
        lines.append(f"{path}: written as it was")
    return CommandReport(
        command="restore",
        site=record.site,
        files=len(record.files) - 1,
        lines=tuple(lines),
        next_step=f"Put the keys back, which no backup holds, then run `wsus-airgap site check "
        f"--site {path}` and `wsus-airgap status --site {path}`. If a bundle was sealed or "
        f"imported after that time, first `wsus-airgap site recover BUNDLE --site {path}`.",
    )
