"""Labs to test."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import lab
from deploy.lab import pair
from tests.lab.script_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A fresh lab with the usual catalogue and small files, whose content agent is quick."""
    lab.create(tmp_path / "lab", content_bytes=500_000)
    for side in pair.SIDES:
        lab.tune(tmp_path / "lab", side, "agent_seconds", 0.05)
    return Bench(tmp_path / "lab")
