"""One command of a lab as a process of its own, with the most memory that it had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.labs import ROOT, STAND_IN, Lab
from tests.support.prefect_api import newest_run, steps

MIB = 1_048_576

_PROGRAM = """
import json, resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([ended.returncode, ended.stdout, peak]))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One command: what it said, the most memory it had, and the steps that Prefect recorded."""

    document: dict[str, Any]
    peak_bytes: int
    steps: Counter[str]


def measure(made: Lab, side: str, words: Sequence[str], api_url: str) -> Measured:
    """Run a command as a process of its own and see what it needed."""
    command = [sys.executable, "-m", "flows.command_line", *words, "--json"]
    answer = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *command],
        cwd=made.folder / side,
        env={**os.environ, **STAND_IN, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    exit_code, stdout, peak = json.loads(answer.stdout)
    document = json.loads(stdout)
    assert exit_code in {0, 2}, document["errors"]
    scale = 1 if sys.platform == "darwin" else 1_024
    return Measured(document, peak * scale, steps(api_url, newest_run(api_url).id))
