"""The web application of Prefect's server, without the pages that call a host on the internet.

This module and ``tasks.prefect_api`` are the only ones with members that Prefect (3.8.8) does not
document. Here it is ``prefect.__ui_v2_static_path__``.
"""

from __future__ import annotations

from pathlib import Path

import prefect
from prefect.server.api.server import create_app
from starlette.types import ASGIApp


def make_application(home: Path, *, ui: bool) -> ASGIApp:
    """Make the application of a server that runs with the settings of the environment.

    Args:
        home: The server's home folder.
        ui: True to run the services that deployments need.
    """
    # A page of Prefect's second UI calls a host on the internet as soon as it opens, and no setting
    # prevents that. The server omits this UI if its folder does not exist.
    prefect.__ui_v2_static_path__ = home / "not-served"
    return create_app(final=True, ephemeral=not ui)
