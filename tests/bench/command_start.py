"""A command on the embedded server, from its start to its first step: absolute, for orientation.

The first command of a site makes the server's database; later ones find it. Measured is ``verify``
until its first step has begun.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator

from tests.bench.frame import Goal, Options, Result, Timing, main, ratio, require
from tests.support.labs import STAND_IN, Lab, make_lab

_PREPARED_SECONDS, _FIRST_SECONDS = 4.5, 6.0


def bench(options: Options) -> Iterator[Result]:
    """Measure the first command of a site, and later ones; each is held against its limit."""
    made = make_lab(options.folder / "lab", content_bytes=400_000)
    result = made.run_command("staging", "export", variables=STAND_IN)
    require(result.exit_code == 0, result.explain())
    first, later = Timing(), Timing()
    for _ in range(options.rounds):
        shutil.rmtree(made.folder / "disconnected" / "state", ignore_errors=True)
        for timing in (first, later):
            timing.wall.append(_seconds_to_first_step(made))
            timing.cpu.append(0.0)
    for work, timing, limit in (
        ("the first command of a site", first, _FIRST_SECONDS),
        ("a later command", later, _PREPARED_SECONDS),
    ):
        goal = Goal("command_start", f"{work}, to its first step", f"{limit} s", 1.0)
        yield ratio(goal, timing, Timing([limit], [0.0]))


def _seconds_to_first_step(made: Lab) -> float:
    began = time.perf_counter()
    with made.start("disconnected", "verify", made.bundle(1), variables=STAND_IN) as process:
        require(process.stderr is not None, "no messages")
        for line in process.stderr or ():
            if "Open bundle" in line:
                break
        seconds = time.perf_counter() - began
        process.communicate(timeout=120)
    require(process.returncode == 0, "verify failed")
    return seconds


if __name__ == "__main__":
    sys.exit(main(bench, scale=1.0))
