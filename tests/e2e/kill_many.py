"""Kill commands, and what they work with, many times, and count how the runs after it end.

    python -m tests.e2e.kill_many [--times N] [--seed S] [--jobs J] [--home FOLDER] [--shared]
                                  [--stage NAME…] [--way NAME…]

Instants are drawn evenly over the undisturbed run of each stage, as many as asked for, and at least
ten within each step where so many are asked for; a third more are of what lives shortly. A kill
before the first step or after the last does not count and is drawn again. What is known stands in
FOLDER, one line a trial: the same command goes on there. 1 when any run after a kill did not end as
the undisturbed one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy.prefect_server.embedded import EmbeddedServer
from tests.e2e.kill_trials import STAGES, Range, Trial, Way, prepare, ways_of

_WITHIN_EACH_STEP = 10
_DRAWS = 5


def kill_many(
    home: Path,
    *,
    times: int,
    seed: int,
    api_url: str | None = None,
    stages: Sequence[str] = STAGES,
    ways: Sequence[str] = (),
    share: tuple[int, int] = (0, 1),
) -> list[dict[str, Any]]:
    """Kill so many times, spread over stages, steps and ways; gives one record a trial.

    Args:
        home: Holds the lab, its copies, and ``trials.jsonl``, of which nothing is tried again.
        times: How many kills count.
        seed: Of all that is drawn.
        api_url: A Prefect server for all commands; None lets each have its own.
        stages: Which stages to disturb.
        ways: What to kill; all that there is when left out.
        share: Which trials are this process's: number modulo count.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home / "trials.jsonl"
    known = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {record["number"] for record in known}
    ranges = prepare(home, api_url=api_url, wanted=set(stages))
    plan = list(_plan(ranges, times, embedded=api_url is None, ways=ways))
    for number, (where, step, way) in enumerate(plan):
        if number in done or number % share[1] != share[0]:
            continue
        for trial in _tries(where, step, way, random.Random(f"{seed} {number}")):
            record = {"number": number, **asdict(trial)}
            known.append(record)
            with log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
            verdict = "DIFFERS" if trial.differences else "same"
            print(
                f"{number + 1}/{len(plan)} {trial.stage}: {way} in {trial.within}"
                f" ({trial.instant.step} + {trial.instant.delay_seconds:.2f} s),"
                f" {trial.reruns} reruns: {verdict}",
                *trial.differences, sep="\n    ", flush=True,
            )  # fmt: skip
            if trial.differences:
                kept = home / f"differs-{number}"
                shutil.copytree(where.made.folder, kept, symlinks=True, dirs_exist_ok=True)
    return known


def _plan(
    ranges: list[Range], times: int, *, embedded: bool, ways: Sequence[str]
) -> Iterator[tuple[Range, str | None, Way]]:
    """Plan kills within each step, of what lives in all of them; then any, at any instant."""
    lasting = {"command", "tree", "server"} & set(ways or ("command", "tree", "server"))
    within = [(where, step) for where in ranges for step, _ in where.steps]
    each = min(_WITHIN_EACH_STEP, times // len({step for _, step in within})) * bool(lasting)
    slots: list[tuple[Range, str | None]] = []
    counts: Counter[str] = Counter()
    while any(counts[step] < each for _, step in within):
        for where, step in within:
            if counts[step] < each:
                counts[step] += 1
                slots.append((where, step))
    anywhere = max(times - len(slots), times // 3)
    slots += [(ranges[number % len(ranges)], None) for number in range(anywhere)]
    turns: Counter[str] = Counter()
    for where, chosen in slots:
        possible = [
            way
            for way in ways_of(where.stage, embedded=embedded)
            if (not ways or way in ways) and (chosen is None or way in lasting)
        ]
        yield where, chosen, possible[turns[where.stage] % len(possible)]
        turns[where.stage] += 1


def _tries(where: Range, step: str | None, way: Way, draw: random.Random) -> Iterator[Trial]:
    """Kill until a kill was within the step; one that met nothing to kill does not count.

    Raises:
        LookupError: None of many draws met such a process.
    """
    for _ in range(_DRAWS):
        trial = where.trial(where.draw(draw, step), way)
        if trial.within is not None:
            yield trial
            if step in {None, trial.within}:
                return
    if trial.within is None:
        raise LookupError(f"no {way} was met in {where.stage}")


def table(records: Sequence[dict[str, Any]]) -> str:
    """Say how many kills of each kind, in each stage, ended as an undisturbed run."""
    lines = [f"{'stage':<16}{'killed':<12}{'kills':>6}{'same':>6}{'differ':>8}"]
    counts = Counter((r["stage"], r["way"], not r["differences"]) for r in records)
    for stage, way in sorted({(stage, way) for stage, way, _ in counts}):
        same, differ = counts[stage, way, True], counts[stage, way, False]
        lines.append(f"{stage:<16}{way:<12}{same + differ:>6}{same:>6}{differ:>8}")
    steps = Counter(record["within"] for record in records)
    lines.append("within each step: " + ", ".join(f"{n} {step}" for step, n in steps.items()))
    differ = sum(bool(record["differences"]) for record in records)
    lines.append(f"{len(records)} kills, {len(records) - differ} as undisturbed, {differ} differ")
    return "\n".join(lines)


def main() -> int:
    """Kill and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--shared", action="store_true", help="one Prefect server for all commands")
    parser.add_argument("--stage", nargs="*", choices=STAGES, default=STAGES)
    parser.add_argument("--way", nargs="*", default=())
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("WSUS_LAB_POWERSHELL", "stand-in")
    home = (options.home or Path(tempfile.mkdtemp(prefix="kill-many-"))).absolute()
    homes = [home / f"job-{number}" for number in range(options.jobs)]
    print(f"seed {options.seed}, {options.times} kills, in {home}", flush=True)
    if options.share is None and options.jobs > 1:
        words = [sys.executable, "-m", "tests.e2e.kill_many", *sys.argv[1:], "--home", str(home)]
        jobs = [
            subprocess.Popen([*words, "--share", str(number)]) for number in range(options.jobs)
        ]
        for job in jobs:
            job.wait()
    else:
        number = options.share or 0
        with ExitStack() as stack:
            api_url = None
            if options.shared:
                server = stack.enter_context(EmbeddedServer(home / f"prefect-{number}", auth=False))
                server.wait_ready()
                api_url = server.api_url
            kill_many(
                homes[number], times=options.times, seed=options.seed, api_url=api_url,
                stages=options.stage, ways=options.way, share=(number, options.jobs),
            )  # fmt: skip
        if options.share is not None:
            return 0
    records = [
        json.loads(line)
        for folder in homes
        if (folder / "trials.jsonl").exists()
        for line in (folder / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    print(table(records))
    is_whole = len({record["number"] for record in records}) >= options.times
    return 0 if is_whole and not any(record["differences"] for record in records) else 1


if __name__ == "__main__":
    sys.exit(main())
