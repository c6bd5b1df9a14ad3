"""The web application of Prefect's server, without the pages that call a host on the internet.

This module and ``tasks.prefect_api`` are the only ones with members that Prefect (3.8.8) does not
document. Here they are ``prefect.__ui_v2_static_path__``,
``prefect.server.api.server.API_ROUTERS`` and ``prefect.settings.Settings.hash_key``.
"""

from __future__ import annotations

from pathlib import Path

import prefect
from prefect.server.api import server
from prefect.settings import Settings
from starlette.types import ASGIApp

# FastAPI completes the routes of a router when a request first comes to it, in their order. These
# are all that a run calls; the other twenty routers would take the first request half a second.
_FIRST = ("/csrf-token", "/admin", "/flow_runs", "/flows", "/logs", "/artifacts", "/events")


def make_application(home: Path, *, ui: bool) -> ASGIApp:
    """Make the application of a server that runs with the settings of the environment.

    Args:
        home: The server's home folder.
        ui: True to run the services that deployments need.
    """
    # A page of Prefect's second UI calls a host on the internet as soon as it opens, and no setting
    # prevents that. The server omits this UI if its folder does not exist.
    prefect.__ui_v2_static_path__ = home / "not-served"
    # Only to find it again if it is made twice, Prefect takes a digest of all settings, also twice.
    Settings.hash_key = lambda self: str(id(self))  # type: ignore[method-assign]
    routers = sorted(server.API_ROUTERS, key=lambda router: router.prefix not in _FIRST)
    server.API_ROUTERS = tuple(routers)  # type: ignore[assignment]  # its type names each
    return server.create_app(ephemeral=not ui)
