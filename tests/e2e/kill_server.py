"""Kill the Prefect server of ``export`` and ``import`` alone, and count how the commands end.

    python -m tests.e2e.kill_server [--seed S] [--only export|import] [--keep FOLDER]

First once at the start of each step, while the report is written and at the last change of
state; then once more often than it is started again. ``kill_many`` kills it at drawn instants.
Prints one line a trial; 1 when any ended otherwise than it should.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.forked_commands import Command
from tests.e2e.kill_trials import Range, prepare, put_back
from tests.e2e.killing import Ended, observe

Point = str | float

KILLS_TOO_MANY = 4
# Points where the terminal says nothing: the report's folder is made, or its last file is there.
REPORT_BEGUN, REPORT_WRITTEN = "report begun", "report written"


@dataclass(frozen=True, slots=True)
class Trial:
    """One command whose server was killed."""

    point: str
    kills: int
    ended: Ended
    differences: tuple[str, ...]

    @property
    def problems(self) -> list[str]:
        """What is wrong with how it ended; empty when nothing is."""
        found = list(self.differences)
        if "Traceback" in self.ended.stderr or "--- Error" in self.ended.stderr:
            found.append(self.ended.stderr[-2_000:])
        return found


def server_of(command: int) -> psutil.Process | None:
    """The process of a command's embedded server, while there is one."""
    try:
        for child in psutil.Process(command).children():
            if "deploy.prefect_server.embedded_child" in child.cmdline():
                return child
    except psutil.Error:
        pass
    return None


def kill_server(command: Command, killed: set[int]) -> None:
    """Kill a command's server as soon as it has one that was not killed before."""
    while not command.is_over:
        server = server_of(command.pid)
        if server is not None and server.pid not in killed:
            killed.add(server.pid)
            server.kill()
            return
        time.sleep(0.02)


def run_killing(where: Range, points: Sequence[Point]) -> tuple[Ended, int]:
    """Run a stage's command and kill its server once at each point, in this order.

    Args:
        where: The stage.
        points: Each a step's name, as the terminal says it; REPORT_BEGUN or REPORT_WRITTEN; or
            seconds since the command began.

    Returns:
        How the command ended, and how many servers were killed.
    """
    reports = where.made.folder / where.words[0] / "state" / "reports"
    before = set(reports.glob("*"))
    running = Command.start(where.made, where.words)

    def is_reached(point: Point) -> bool:
        if isinstance(point, float):
            return time.monotonic() - running.began >= point
        if point in {REPORT_BEGUN, REPORT_WRITTEN}:
            made = set(reports.glob("*")) - before
            return any(point == REPORT_BEGUN or (path / "report.html").exists() for path in made)
        return any(line[10:].rstrip() == point for line in running.stderr)

    killed: set[int] = set()
    for point in points:
        while not is_reached(point) and not running.is_over:
            time.sleep(0.002)
        kill_server(running, killed)
    return running.finish(), len(killed)


def trial(where: Range, *points: Point) -> Trial:
    """Kill the server at each point, and compare the command's end with an undisturbed one."""
    put_back(where.copy, where.made.folder)
    ended, kills = run_killing(where, points)
    differences = []
    last = ended
    if kills >= KILLS_TOO_MANY:
        differences += _unlike_a_lost_server(ended)
        again = Command.start(where.made, where.words)
        last = again.finish()
    outcome = observe(where.made.folder, last, where.reference)
    differences += where.reference.differences(outcome)
    return Trial(", ".join(map(str, points)), kills, ended, tuple(differences))


def _unlike_a_lost_server(ended: Ended) -> list[str]:
    document = ended.document or {}
    kinds = [error["kind"] for error in document.get("errors", ())]
    if (ended.exit_code, kinds) == (1, ["prefect-server"]):
        return []
    return [f"ended with {ended.exit_code}, {kinds}: {ended.stderr[-2_000:]}"]


def trials(command: str, home: Path, *, seed: int) -> Iterator[Trial]:
    """All kills of one command."""
    draw = random.Random(f"{seed} {command}")
    (where,) = prepare(home, api_url=None, wanted={command})
    points = [*where.steps, REPORT_BEGUN, REPORT_WRITTEN]
    for point in points:
        yield trial(where, point)
    lasting: list[Point] = [0.0, draw.choice(points), REPORT_WRITTEN]
    for again_at in lasting:
        yield trial(where, *[again_at] * KILLS_TOO_MANY)


def main() -> int:
    """Kill and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["export", "import"])
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    home = options.keep or Path(tempfile.mkdtemp(prefix="kill-server-"))
    home.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, labs in {home}", flush=True)
    tried = wrong = killed = 0
    for command in [options.only] if options.only else ["export", "import"]:
        for made in trials(command, home, seed=options.seed):
            tried, killed = tried + 1, killed + made.kills
            wrong += bool(made.problems)
            print(
                f"{command}: server killed {made.kills} times at {made.point}, exit code "
                f"{made.ended.exit_code} after {made.ended.seconds:.1f} s",
                *made.problems,
                sep="\n    ",
                flush=True,
            )
    print(f"{tried} trials, {killed} servers killed, {wrong} ended otherwise than they should")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
