"""The work of a command at its site: a flow with a server of Prefect, or anything else."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tasks.errors import AirGapError, PathMissingError, StoppedError, UsageError
from tasks.logs import log
from tasks.names import Side
from tasks.reports.model import CommandReport, failure_report
from tasks.reports.terminal import show_steps
from tasks.site.reading import register_site, require_side
from tasks.site.settings import Site

Work = Callable[[str], CommandReport]
"""Runs a flow for the name of a site."""


def run_flow(
    command: str,
    path: Path,
    side: Side | None,
    load: Callable[[], Work],
    *,
    bundles: Sequence[Path] = (),
    require: Callable[[], None] = lambda: None,
) -> CommandReport:
    """Run one flow in this process, on the site's API, on the server of ``up``, or on an own one.

    Args:
        command: Name of the command, for a refusal.
        path: The site file.
        side: The side that the command belongs to; None: either.
        load: Imports the flow, and Prefect with it, and returns the work. It is called when the
            settings that name the server are in force, while an own server starts.
        bundles: Folders that have to exist before a server is started.
        require: Requires what else has to be there before.
    """

    def work_at(site: Site) -> CommandReport:
        from deploy.prefect_server.connection import prefect_for
        from deploy.prefect_server.machine import find_server

        for bundle in bundles:
            _require_folder(bundle)
        require()
        api_url = site.prefect.api_url
        up, sentence = (None, None) if api_url else find_server(site.state_dir)
        runs_days = site.retention.prefect_days
        with prefect_for(
            site.state_dir, api_url=api_url, up=up, runs_days=runs_days, meanwhile=load
        ):
            show_steps()
            if sentence is not None:
                log.info("%s", sentence)
            from tasks.announcements.notify import announce_lateness
            from tasks.lost_runs import close_what_is_lost

            close_what_is_lost(site)
            report = load()(site.name)
            announce_lateness(site, now=utc_now())  # unless this run ended it
            return report

    return at_site(command, path, side, work_at)


def at_site(
    command: str, path: Path, side: Side | None, work: Callable[[Site], CommandReport]
) -> CommandReport:
    """Do a command's work with its site; a refusal names the site if its file could be read."""
    site = register_site(path)
    try:
        if side is not None:
            require_side(site, side, command)
        return work(site)
    except KeyboardInterrupt:
        return failure_report(command, StoppedError(command=command), site=site.name)
    except (AirGapError, OSError) as error:
        return failure_report(command, error, site=site.name)


def _require_folder(bundle: Path) -> None:
    try:
        mode = bundle.stat().st_mode  # is_dir would call a broken disk a missing folder
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if not stat.S_ISDIR(mode):
        # Not resolve(): that looks at the disk, which may be broken.
        raise PathMissingError(what="the bundle's folder", path=os.path.abspath(bundle))


def absolute_paths(bundles: Sequence[Path] | None) -> list[str] | None:
    """Make paths absolute, without a look at the disk; None if none was given."""
    return [str(bundle.absolute()) for bundle in bundles] if bundles else None


def require_one(*, rehearse: bool, confirm: str | None) -> None:
    """Require that a command rehearses or carries out, and not both.

    Raises:
        UsageError: It is asked for both.
    """
    if rehearse and confirm is not None:
        raise UsageError(
            reason="--rehearse changes nothing, and --confirm carries a plan out",
            remedy="Leave out one of the two.",
        )


def utc_now() -> datetime:
    """Return the time now, UTC."""
    return datetime.now(UTC)
