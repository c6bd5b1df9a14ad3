"""Workplaces of both sides, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.crossing.workplace import Workplace
from tests.support.places import lay_out_place, open_place


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Workplace]:
    with open_place(lay_out_place(tmp_path, side="staging")) as place:
        yield place


@pytest.fixture
def disconnected(tmp_path: Path) -> Iterator[Workplace]:
    with open_place(lay_out_place(tmp_path, side="disconnected")) as place:
        yield place
