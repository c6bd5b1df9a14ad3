"""Kill ``export`` and ``import`` many times each, and count how the runs after it end.

    python -m tests.e2e.kill_many [--times N] [--seed S] [--only export|import] [--keep FOLDER]

Instants are spread over the whole run: one at random in each of N equal parts of it, every other
one killing the whole process group. Prints one line a trial and the counts; 1 when any differed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.prefect_server.embedded import EmbeddedServer
from tests.e2e.killing import Range, Trial, Way


def kill_many(command: str, home: Path, api_url: str, *, times: int, seed: int) -> list[Trial]:
    """Kill a command so many times, spread over its run."""
    draw = random.Random(f"{seed} {command}")
    where = Range.prepare(command, home, api_url)
    print(f"{command}: undisturbed {where.seconds:.1f} s", flush=True)
    trials = []
    for number in range(times):
        seconds = where.seconds * (number + draw.random()) / times
        way: Way = "group" if number % 2 else "process"
        trial = where.trial(seconds, way)
        while not trial.was_killed and not trial.differences:
            seconds *= draw.uniform(0.6, 1)  # it was quicker this time, and had ended
            trial = where.trial(seconds, way)
        trials.append(trial)
        print(
            f"{command} {number + 1}/{times}: {trial.way} at {seconds:.2f} s"
            f", run again {trial.rerun_seconds:.1f} s: "
            f"{'the same' if not trial.differences else 'DIFFERS'}",
            flush=True,
        )
        for difference in trial.differences:
            print(f"    {difference}", flush=True)
        if trial.differences:
            kept = home / f"{command}-{number + 1}-differs"
            shutil.copytree(where.folder, kept, symlinks=True)
    return trials


def main() -> int:
    """Kill and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["export", "import"])
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    home = options.keep or Path(tempfile.mkdtemp(prefix="kill-many-"))
    home.mkdir(parents=True, exist_ok=True)
    counts = {}
    with EmbeddedServer(home / "prefect", auth=False) as server:
        server.wait_ready()
        for command in [options.only] if options.only else ["export", "import"]:
            trials = kill_many(
                command, home, server.api_url, times=options.times, seed=options.seed
            )
            same = sum(not trial.differences for trial in trials)
            counts[command] = (len(trials), sum(trial.was_killed for trial in trials), same)
    for command, (tried, killed, same) in counts.items():
        print(f"{command}: {tried} trials, {killed} killed, {same} ended as undisturbed")
    print(f"labs: {home}")
    return 0 if all(tried == same for tried, _, same in counts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
