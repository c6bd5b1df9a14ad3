"""The command ``up``: a machine's own Prefect, for all sites of its side."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.commands.options import Answer, Flag, Json
from tasks.errors import UsageError
from tasks.reports.model import CommandReport

_OPEN = "Open it in a browser of this machine; whoever has this address can start runs."
_NEXT = "Start it again with the same command; port, secret, schedules and history stay."


def up(
    *,
    sites: Annotated[Path | None, Parameter(name="--sites")] = None,
    site: Annotated[Path | None, Parameter(name="--site")] = None,
    home: Annotated[Path | None, Parameter(name="--home", env_var="WSUS_AIRGAP_HOME")] = None,
    print_address: Flag = False,
    json: Json = False,
) -> Answer:
    """Run Prefect's server, a worker and the deployments of all sites until Ctrl-C.

    Args:
        sites: The folder of site files, each called after its site (alpha.toml). Without either
            option: WSUS_AIRGAP_SITES, else WSUS_AIRGAP_SITE.
        site: One site file, whatever it is called.
        home: The folder for port, secret and database; left out: `up` beside the site files.
        print_address: Print the address that logs a browser in, and end.
        json: Print one JSON document at the end.
    """
    from deploy.prefect_server import up as service
    from deploy.prefect_server.machine import open_home
    from tasks.reports.terminal import show_steps

    if sites is None and site is None:
        sites, site = _named_by_variables()
    if (sites is None) == (site is None) and not (print_address and home):
        raise UsageError(
            reason="`up` needs either --sites FOLDER or --site FILE",
            remedy="Name the folder of the site files, or one site file.",
        )
    beside = sites if sites is not None else (site or Path()).parent
    folder = (home or beside / "up").absolute()
    if print_address:
        line = service.pages_of(open_home(folder))
        return CommandReport(command="up", site=None, lines=(line,), next_step=_OPEN)
    read = service.read_served_sites(sites) if sites is not None else None
    served = read or service.read_served_site(site or Path())
    opened = open_home(folder)
    show_steps()
    with contextlib.suppress(KeyboardInterrupt):
        service.serve(served, opened, out=sys.stderr if json else sys.stdout)
    return CommandReport(command="up", site=None, lines=("up: ended",), next_step=_NEXT)


def _named_by_variables() -> tuple[Path | None, Path | None]:
    """Folder of site files, or one site file; an option takes the place of both variables."""
    if folder := os.environ.get("WSUS_AIRGAP_SITES"):
        return Path(folder), None
    file = os.environ.get("WSUS_AIRGAP_SITE")
    return None, Path(file) if file else None
