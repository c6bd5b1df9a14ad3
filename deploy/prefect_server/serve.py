"""Deployments of all sites of one machine, so that Prefect's pages can start and retry runs.

    WSUS_AIRGAP_SITES=FOLDER python -m deploy.prefect_server.serve

FOLDER holds one site file for each site, ``<name of the site>.toml``; other files are ignored.
Each site gets a deployment of every flow of its side. A run names the site, never a file. The
deployments use the API that the site files name (``[prefect] api_url``, the same in all files),
or else a server of our own with its pages, whose address is printed first. The program stays in
the foreground until it is told to end; runs that it started end with it.

One run is carried out at a time. Prefect's limit queues the others; the guard against two runs
on one server are our own locks.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from deploy.prefect_server.embedded import prefect_for
from tasks.errors import AirGapError, PathMissingError, UsageError
from tasks.names import Side
from tasks.site.reading import read_site
from tasks.site.settings import Site

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment

# The modules of flows/, each with one flow of the same name.
FLOWS = {
    Side.STAGING: ("check_server", "export_bundle", "verify_bundle", "accept_receipt"),
    Side.DISCONNECTED: ("check_server", "verify_bundle", "import_bundle", "audit_content"),
}


def main() -> int:
    """Serve until a signal ends the program; gives the exit code."""
    try:
        sites = read_sites(os.environ.get("WSUS_AIRGAP_SITES"))
        with prefect_for(sites[0].state_dir, api_url=_common_api(sites), ui=True) as server:
            if server is not None:
                print(server.ui_url, flush=True)
            _serve(sites)
    except AirGapError as error:
        return _fail(error)
    except Exception as error:
        # Prefect's runner wraps the errors of its calls.
        fault = import_module("tasks.prefect_api").server_fault(error)
        if fault is None:
            raise
        return _fail(fault)
    return 0


def _fail(error: AirGapError) -> int:
    print(f"{error.message}\n{error.next_step}", file=sys.stderr)
    return error.exit_code


def read_sites(folder: str | None) -> list[Site]:
    """Read the site files of a folder that bear the names of their sites.

    Raises:
        PathMissingError: There is no such folder.
        SiteFileError: One of the files is wrong.
        UsageError: No file bears the name of its site.
    """
    if not folder or not Path(folder).is_dir():
        what = "the folder of site files (WSUS_AIRGAP_SITES)"
        raise PathMissingError(what=what, path=folder or "(unset)")
    site_files = [read_site(path) for path in sorted(Path(folder).glob("*.toml"))]
    sites = [site for site in site_files if site.path.stem == site.name]
    if not sites:
        raise UsageError(reason=f"no file in {folder} is called <name of its site>.toml")
    return sites


def _common_api(sites: list[Site]) -> str | None:
    addresses = {site.prefect.api_url for site in sites}
    if len(addresses) > 1:
        raise UsageError(reason="the site files name different values for prefect.api_url")
    return addresses.pop()


def _serve(sites: list[Site]) -> None:
    # Imported only now, because Prefect reads at its import which server to use.
    from prefect import serve

    deployments = [_deploy(site, name) for site in sites for name in FLOWS[site.side]]
    serve(*deployments, limit=1, pause_on_shutdown=False, print_starting_message=False)


def _deploy(site: Site, name: str) -> RunnerDeployment:
    from prefect.types.entrypoint import EntrypointType

    flow: Flow[..., object] = getattr(import_module(f"flows.{name}"), name)
    made = flow.to_deployment(
        name=site.name,
        parameters={"site": site.name},
        tags=[site.name, site.side.value],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast("RunnerDeployment", made)  # awaitable only where an event loop runs


if __name__ == "__main__":
    sys.exit(main())
