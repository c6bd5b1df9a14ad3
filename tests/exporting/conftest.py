"""Runs of both sides without a server, and a staging side that makes bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.run.context import RunContext
from tests.approvals.building import approval
from tests.exporting.staging_side import StagingSide
from tests.metadata.writing import File
from tests.support.runs import disconnected, staging

__all__ = ["disconnected", "side", "staging"]


@pytest.fixture
def side(staging: RunContext, tmp_path: Path) -> StagingSide:
    """A staging side with three content files and one approval."""
    made = StagingSide(staging, tmp_path / "WsusContent", decided=[approval(1)])
    for name in ("a.cab", "b.cab", "c.psf"):
        made.write_file(File(name))
    return made
