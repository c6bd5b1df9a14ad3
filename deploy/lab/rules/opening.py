"""Open a simulated server: its database, and the content agent's work that is due."""

from __future__ import annotations

from pathlib import Path

from deploy.lab.rules import agent
from deploy.lab.rules.server import Server
from deploy.lab.store import database


def open_server(side_folder: Path) -> Server:
    """Open the server of ``DIR/<side>`` and let the content agent do what is due."""
    server = Server(side_folder, database.opened(side_folder / "server"))
    agent.catch_up(server)
    return server
