"""Many small files: no task for each, and memory that does not grow with them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import ROOT, Lab, make_lab
from tests.support.prefect_api import newest_run, steps

_FILES = 20_000
_MIB = 1_048_576
# What the process of a command may need at most, and how much of it may be for many files.
_LIMIT_BYTES = 350 * _MIB
_GROWTH_BYTES = 100 * _MIB

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="measured with getrusage"),
]


@dataclass(frozen=True, slots=True)
class Measured:
    """One command: what it said, the most memory it had, and the steps that Prefect recorded."""

    document: dict[str, Any]
    peak_bytes: int
    steps: Counter[str]


def test_twenty_thousand_files_cross_in_few_steps_and_little_memory(
    tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    small = make_lab(tmp_path / "small", api_url=shared_api, updates=40, content_bytes=400_000)
    large = make_lab(tmp_path / "large", api_url=shared_api, updates=40, content_bytes=400_000)
    add_files(large, _FILES)
    commands = {"staging": ["export"], "disconnected": ["import", "../media/alpha-1"]}
    for side, words in commands.items():
        few, many = (measure(made, side, words, shared_api) for made in (small, large))
        assert many.document["files"] >= _FILES
        assert many.steps == few.steps
        assert set(many.steps.values()) == {1}
        print(f"{words[0]}: {few.peak_bytes // _MIB} and {many.peak_bytes // _MIB} MiB")
        assert many.peak_bytes < _LIMIT_BYTES
        assert many.peak_bytes - few.peak_bytes < _GROWTH_BYTES
    assert large.bytes_of("disconnected") == large.bytes_of("staging")


def add_files(made: Lab, count: int) -> None:
    """Put small content files into staging's WsusContent, each under its real name."""
    for number in range(count):
        content = f"content file {number}\n".encode() * (1 + number % 40)
        name = f"{hashlib.sha1(content).hexdigest().upper()}.cab"
        path = made.content("staging", name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


_PROGRAM = """
import json, resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([ended.returncode, ended.stdout, peak]))
"""


def measure(made: Lab, side: str, words: list[str], api_url: str) -> Measured:
    """Run a command as a process of its own and see what it needed."""
    command = [sys.executable, "-m", "flows.command_line", *words, "--json"]
    answer = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *command],
        cwd=made.folder / side,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    exit_code, stdout, peak = json.loads(answer.stdout)
    document = json.loads(stdout)
    assert exit_code in {0, 2}, document["errors"]
    scale = 1 if sys.platform == "darwin" else 1_024
    return Measured(document, peak * scale, steps(api_url, newest_run(api_url).id))
