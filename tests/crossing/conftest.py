"""Workplaces of both sides, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.run.context import RunContext
from tests.support.runs import open_test_run, write_site_file


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[RunContext]:
    with open_test_run(write_site_file(tmp_path, side="staging")) as run:
        yield run


@pytest.fixture
def disconnected(tmp_path: Path) -> Iterator[RunContext]:
    with open_test_run(write_site_file(tmp_path, side="disconnected")) as run:
        yield run
