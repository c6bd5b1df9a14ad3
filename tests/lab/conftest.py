"""Labs to test."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import lab
from deploy.lab import pair
from tests.lab.lab_pair import LabPair


@pytest.fixture
def lab_pair(tmp_path: Path) -> LabPair:
    """A fresh lab with the usual catalogue and small files, whose content agent is quick."""
    lab.create(tmp_path / "lab", content_bytes=500_000)
    for side in pair.SIDES:
        lab.tune(tmp_path / "lab", side, "agent_seconds", 0.05)
    return LabPair(tmp_path / "lab")
