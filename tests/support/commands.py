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
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds = used.ru_utime + used.ru_stime
print(json.dumps([ended.returncode, ended.stdout, used.ru_maxrss, seconds]))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One command: what it said, what it needed, and the steps that Prefect recorded.

    Attributes:
        peak_bytes: The most memory that it had.
        cpu_seconds: Its processor time, with that of the programs that it waited for.
    """

    document: dict[str, Any]
    peak_bytes: int
    cpu_seconds: float
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
    exit_code, stdout, peak, seconds = json.loads(answer.stdout)
    document = json.loads(stdout)
    assert exit_code in {0, 2}, document["errors"]
    scale = 1 if sys.platform == "darwin" else 1_024
    begun = steps(api_url, newest_run(api_url).id)
    return Measured(document, peak * scale, seconds, begun)
