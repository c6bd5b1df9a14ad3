"""``wsus-airgap up``: server, work pool, worker and deployments of all sites of one machine.

The order of a start: the server answers; deployments, schedules and the automation are brought up
to date; the worker begins. A stop goes the other way, so that runs that are interrupted can still
tell the server how they ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from deploy.prefect_server.connection import calling, read_secret
from deploy.prefect_server.embedded import EmbeddedServer, entrance
from deploy.prefect_server.machine import Home, note_home
from deploy.prefect_server.settings import worker_settings
from deploy.prefect_server.worker import Worker
from tasks.errors import PathMissingError, UsageError
from tasks.site.reading import SITE_VARIABLE, SITES_VARIABLE, read_site
from tasks.site.settings import Site

_ROUND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ServedSites:
    """The sites of one machine and side.

    Attributes:
        sites: The sites, at least one.
        variables: Variables by which a worker finds them by name.
        ignored: Site files that are not called after their site.
    """

    sites: tuple[Site, ...]
    variables: dict[str, str]
    ignored: tuple[Path, ...] = ()

    @property
    def api_url(self) -> str | None:
        """The API that the site files name; None: a server of our own."""
        return self.sites[0].prefect.api_url


def read_served_site(file: Path) -> ServedSites:
    """Read one site file.

    Raises:
        PathMissingError: It is not there.
        SiteFileError: It is wrong.
    """
    site = read_site(file)
    return ServedSites((site,), {SITE_VARIABLE: str(site.path)})


def read_served_sites(folder: Path) -> ServedSites:
    """Read the site files of a folder that are called after their sites.

    Raises:
        PathMissingError: There is no such folder.
        SiteFileError: One of the files is wrong.
        UsageError: No file bears the name of its site, or they do not go together.
    """
    if not folder.is_dir():
        raise PathMissingError(what="the folder of site files", path=folder)
    read = [read_site(path) for path in sorted(folder.glob("*.toml"))]
    sites = tuple(site for site in read if site.path.stem == site.name)
    if not sites:
        raise UsageError(reason=f"no file in {folder} is called <name of its site>.toml")
    if len({site.side for site in sites}) > 1:
        raise UsageError(
            reason=f"{folder} has site files of both sides",
            remedy="Start `up` for each side with a folder of its own.",
        )
    if len({site.prefect.api_url for site in sites}) > 1:
        raise UsageError(reason="the site files name different values for prefect.api_url")
    variables = {SITES_VARIABLE: str(folder.absolute())}
    return ServedSites(sites, variables, tuple(s.path for s in read if s not in sites))


def serve(
    served: ServedSites,
    home: Home,
    *,
    stop: threading.Event | None = None,
    out: TextIO = sys.stdout,
) -> None:
    """Serve until the event is set, or a signal raises in this thread; greet on ``out``.

    Raises:
        PrefectServerError: The server did not start, or was lost.
        UsageError: The home lies in a site's state folder.
        HostFileError: The home or a state folder cannot be written.
    """
    ended = stop or threading.Event()
    with _server(served, home) as (api_url, auth_string):
        # Imported only now, because Prefect reads at its import which server to use.
        from prefect import get_client

        from deploy.prefect_server.deployments import deploy
        from deploy.prefect_server.heartbeat import require_automation
        from deploy.prefect_server.saved_filters import require_saved_filters
        from tasks.announcements.notify import announce_lateness
        from tasks.lost_runs import close_what_is_lost

        for site in served.sites:
            close_what_is_lost(site)
        deploy(served.sites, home.machine.pool)
        asyncio.run(require_automation())
        with get_client(sync_client=True) as client:
            require_saved_filters(client)
        settings = worker_settings(home.folder, api_url, auth_string)
        with Worker(
            home.folder,
            settings | served.variables,
            runs_at_once=home.machine.runs_at_once,
            pool=home.machine.pool,
        ):
            for line in _greeting(served, home, api_url):
                print(line, file=out, flush=True)
            while not ended.wait(_ROUND_SECONDS):
                for site in served.sites:
                    close_what_is_lost(site)
                    announce_lateness(site, now=datetime.now(UTC))


@contextlib.contextmanager
def _server(served: ServedSites, home: Home) -> Iterator[tuple[str, str | None]]:
    """Start our server unless the site files name another; yield the API's address and secret."""
    if served.api_url is not None:
        with calling(home.folder, served.api_url, secret := read_secret(), server=None):
            yield served.api_url, secret
        return
    for site in served.sites:
        note_home(site.state_dir, home.folder)
    # One database for all sites, so that it keeps what the most careful one wants to see.
    runs_days = max(site.retention.prefect_days for site in served.sites)
    listening = replace(home.listening, runs_days=runs_days)
    with (
        EmbeddedServer(home.folder, ui=True, listening=listening) as server,
        calling(home.folder, server.api_url, server.auth_string, server=server),
    ):
        yield server.api_url, server.auth_string


def _greeting(served: ServedSites, home: Home, api_url: str) -> Sequence[str]:
    """Say what is served, and where; the secret is shown on a terminal only."""
    names = ", ".join(site.name for site in served.sites)
    lines = [f"Serving the {served.sites[0].side.value} side of: {names}"]
    lines += [f"Not served: {path} (its name is not its site's)" for path in served.ignored]
    if served.api_url is not None:
        return [*lines, f"on Prefect's server at {api_url}, which the site files name"]
    if sys.stdout.isatty():
        lines.append(f"Prefect's pages: {pages_of(home)}")
        lines.append("  This address logs a browser in, and whoever has it can start runs.")
    else:
        lines.append(f"Prefect's pages: {home.machine.public_address or home.address}")
        lines.append(f"  To log in: wsus-airgap up --home {home.folder} --print-address")
    return [*lines, f"  Port, secret and database lie in {home.folder}. Ctrl-C ends it."]


def pages_of(home: Home) -> str:
    """Return the address that logs a browser in; it contains the secret."""
    return entrance(home.machine.public_address or home.address, home.secret)
