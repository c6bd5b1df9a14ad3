"""Kill commands, and what they work with, many times, and count how the runs after it end.

    python -m tests.e2e.kill_many [--times N] [--each N] [--seed S] [--home FOLDER]
                                  [--stage NAME…] [--way NAME…]

Instants are drawn evenly over the undisturbed run: within the step of a command that was hit least
until then, or, for a program that a step starts, over the whole run. At least so many kills are
counted, and so many within each step of each command. A kill before the first step, after the
last, or too late for its step does not count and is drawn again. What is done stands in FOLDER, one
line a trial: the same command goes on there. 1 when any run after a kill did not end as the
undisturbed one.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.prefect_server.embedded import EmbeddedServer
from deploy.prefect_server.settings import clean_environment
from tests.e2e.forked_servers import launcher
from tests.e2e.kill_trials import LASTING, STAGES, WAYS, Range, Way, command_of, prepare

Record = dict[str, Any]

# How the kills are shared out among what is killed; ``work`` takes what is over.
_SHARES: dict[Way, int] = {
    "server": 8, "tree": 4, "command": 6, "work": 24, "supervisor": 3, "wsusutil": 3, "script": 3,
}  # fmt: skip
_ALLOWED_MISSES = 20


def kill_many(
    home: Path,
    *,
    times: int,
    each: int,
    seed: int,
    api_url: str,
    stages: Sequence[str] = STAGES,
    shares: Mapping[Way, int] = _SHARES,
    forked: Path | None = None,
) -> list[Record]:
    """Kill so many times, spread over ways, commands and steps; gives one record a trial.

    Args:
        home: Holds the lab, its copies, and ``trials.jsonl``, of which nothing is tried again.
        times: How many kills count at least.
        each: How many of them are within each step of each command at least.
        seed: Of all that is drawn.
        api_url: A Prefect server for the commands that need none of their own.
        stages: Which stages to disturb.
        shares: What to kill, and how the kills are shared out among it.
        forked: The address of the process whose forks answer scripts, if none of them is killed.

    Raises:
        LookupError: Too many draws in all met nothing to kill.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home / "trials.jsonl"
    records = read_records(log)
    ranges = prepared(home, api_url, stages, forked=forked)
    misses = 0
    while len(records) < times or _wanting(records, ranges, each):
        draw = random.Random(f"{seed} {len(records)} {misses}")
        where, step, way = _choose(records, ranges, shares, each)
        try:
            trial = where.trial(draw, way, step)
        except LookupError as miss:
            misses += 1
            print(miss, flush=True)
            if misses > _ALLOWED_MISSES:
                raise
            continue
        when = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"number": len(records), "seed": seed, "at": when, **asdict(trial)}
        records.append(record)
        with log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")
        verdict = "DIFFERS" if trial.differences else "same"
        print(
            f"{len(records)} {trial.stage}: {way} in {trial.within} after {trial.seconds:.2f} s,"
            f" {trial.reruns} reruns: {verdict}",
            *trial.differences, sep="\n    ", flush=True,
        )  # fmt: skip
        if trial.differences:
            differing = home / f"differs-{record['number']}"
            shutil.copytree(where.made.folder, differing, symlinks=True, dirs_exist_ok=True)
    return records


def prepared(
    home: Path, api_url: str, stages: Sequence[str], *, forked: Path | None = None
) -> list[Range]:
    """Disturb what an earlier call with this folder prepared, or prepare it now."""
    undisturbed = home / "undisturbed.pickle"
    if undisturbed.exists():
        ranges: list[Range] = pickle.loads(undisturbed.read_bytes())  # noqa: S301  our own
        for where in ranges:
            where.api_url = api_url
        return [where for where in ranges if where.stage in stages]
    ranges = prepare(home, api_url=api_url, wanted=set(stages), forked=forked)
    undisturbed.write_bytes(pickle.dumps(ranges))
    return ranges


def read_records(log: Path) -> list[Record]:
    """The trials of a log; none when there is no log yet."""
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def _cell(record: Record) -> tuple[str, str]:
    return command_of(record["stage"]), record["within"]


def _wanting(records: Sequence[Record], ranges: Sequence[Range], each: int) -> bool:
    counts = Counter(map(_cell, records))
    return any(
        counts[command_of(where.stage), step] < each for where in ranges for step in where.steps
    )


def _choose(
    records: Sequence[Record], ranges: Sequence[Range], shares: Mapping[Way, int], each: int
) -> tuple[Range, str | None, Way]:
    """Choose the way that is most behind its share, and the step that was hit least."""
    by_way = Counter(record["way"] for record in records)
    possible = [way for way in shares if any(way in where.ways for where in ranges)]
    way = min(possible, key=lambda way: (by_way[way] / shares[way], WAYS.index(way)))
    by_stage = Counter(record["stage"] for record in records if record["way"] == way)
    able = [where for where in ranges if way in where.ways]
    if way not in LASTING:
        return min(able, key=lambda where: by_stage[where.stage]), None, way
    # A step of the same name in another command counts too, until there are enough by name.
    by_name = Counter(record["within"] for record in records)
    by_cell = Counter(map(_cell, records))
    where, step = min(
        ((where, step) for where in able for step in where.steps),
        key=lambda slot: (
            min(by_name[slot[1]], each),
            by_cell[command_of(slot[0].stage), slot[1]],
            by_stage[slot[0].stage],
        ),
    )
    return where, step, way


def table(records: Sequence[Record]) -> str:
    """Say how many kills of each kind, in each step, ended as an undisturbed run."""
    ways = [way for way in WAYS if any(record["way"] == way for record in records)]
    counts = Counter((*_cell(record), record["way"]) for record in records)
    cells = sorted({(command, step) for command, step, _ in counts})
    lines = [f"| {' | '.join(['command', 'step', *ways, 'all'])} |", "|---" * (len(ways) + 3) + "|"]
    for command, step in cells:
        row = [counts[command, step, way] for way in ways]
        lines.append(f"| {' | '.join([command, step, *map(str, row), str(sum(row))])} |")
    totals = [sum(record["way"] == way for record in records) for way in ways]
    lines.append(f"| {' | '.join(['all', '', *map(str, totals), str(len(records))])} |")
    differ = [record["number"] for record in records if record["differences"]]
    lines.append(f"{len(records)} kills, {len(records) - len(differ)} as undisturbed")
    return "\n".join([*lines, *(f"trial {number} differs" for number in differ)])


def main() -> int:
    """Kill and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--each", type=int, default=10, help="kills within each step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--stage", nargs="*", choices=STAGES, default=STAGES)
    parser.add_argument("--way", nargs="*", choices=WAYS, default=WAYS)
    options = parser.parse_args()
    os.environ.setdefault("WSUS_LAB_POWERSHELL", "stand-in")
    home = (options.home or Path(tempfile.mkdtemp(prefix="kill-many-"))).absolute()
    print(f"seed {options.seed}, {options.times} kills, in {home}", flush=True)
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= clean_environment(home / "commands", os.environ)
    with launcher(home), EmbeddedServer(home / "prefect", auth=False) as server:
        server.wait_ready()
        records = kill_many(
            home, times=options.times, each=options.each, seed=options.seed,
            api_url=server.api_url, stages=options.stage,
            shares={way: _SHARES[way] for way in options.way},
        )  # fmt: skip
    print(table(records))
    return 1 if any(record["differences"] for record in records) else 0


if __name__ == "__main__":
    sys.exit(main())
