"""The opening of a simulated server, with the due work of its content agent."""

from __future__ import annotations

from pathlib import Path

from deploy.lab.rules import content_agent
from deploy.lab.rules.server import Server
from deploy.lab.store import database


def open_server(side_folder: Path) -> Server:
    """Open the server of ``DIR/<side>`` and let its content agent do the due work."""
    server = Server(side_folder, database.opened(side_folder / "server"))
    content_agent.catch_up(server)
    return server
