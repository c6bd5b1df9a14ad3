"""Many small files: no task for each, and memory that does not grow with them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.trees import write_small_files
from tests.support.commands import MIB, measure
from tests.support.labs import make_lab

_FILES = 20_000
# What the process of a command may need at most, and how much of it may be for many files.
_LIMIT_BYTES = 350 * MIB
_GROWTH_BYTES = 100 * MIB

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="measured with getrusage"),
]


def test_twenty_thousand_files_cross_in_few_steps_and_little_memory(
    tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    small = make_lab(tmp_path / "small", api_url=shared_api, updates=40, content_bytes=400_000)
    large = make_lab(tmp_path / "large", api_url=shared_api, updates=40, content_bytes=400_000)
    write_small_files(large.content_dir("staging"), _FILES)
    commands = {"staging": ["export"], "disconnected": ["import", "../media/alpha-1"]}
    for side, words in commands.items():
        few, many = (measure(made, side, words, shared_api) for made in (small, large))
        assert many.document["files"] >= _FILES
        assert many.steps == few.steps
        assert set(many.steps.values()) == {1}
        print(f"{words[0]}: {few.peak_bytes // MIB} and {many.peak_bytes // MIB} MiB")
        assert many.peak_bytes < _LIMIT_BYTES
        assert many.peak_bytes - few.peak_bytes < _GROWTH_BYTES
    assert large.bytes_of("disconnected") == large.bytes_of("staging")
