"""Runs of both sides without a server, and a disconnected side that takes in bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.run.context import RunContext
from tests.importing.disconnected_side import DisconnectedSide, PackageWorkshop
from tests.support.runs import disconnected, staging

__all__ = ["disconnected", "side", "staging"]


@pytest.fixture
def side(disconnected: RunContext, tmp_path: Path) -> DisconnectedSide:
    """A disconnected side on which nothing was imported yet."""
    return DisconnectedSide(disconnected, PackageWorkshop(tmp_path / "workshop"))
