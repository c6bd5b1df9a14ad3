"""Runs that are measured in turns against a peer, and what is printed and recorded of them.

A machine's speed changes from minute to minute, so only ratios of runs that took turns are worth
anything. Each round runs every case once, in an order that rotates. Printed are the ratio of the
medians and of the minima of the wall-clock times, and the ratio of the medians of processor time
(user and system, of this process and of the programs that it started and waited for).
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


class WrongOutputError(AssertionError):
    """A case did not do its work, so that its time says nothing."""


def require(condition: object, text: str) -> None:
    """Require that a case has done its work.

    Raises:
        WrongOutputError: It has not.
    """
    if not condition:
        raise WrongOutputError(text)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    Attributes:
        name: Its name in the output.
        run: The work; its time is measured.
        prepare: Brings the files into the state before a run; not measured.
        check: Requires that the output of a run is right; not measured.
        unmeasured: Seconds of the last run that are not its own, for example the lab's programs.
    """

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    check: Callable[[], object] = lambda: None
    unmeasured: Callable[[], float] = lambda: 0.0


@dataclass(slots=True)
class Timing:
    """Seconds of all rounds of one case."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Median and minimum of the wall-clock time, and the median of processor time."""
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return f"{wall:.2f} s ({min(self.wall):.2f}), CPU {cpu:.2f}"


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the results page.

    Attributes:
        name: Name of the bench.
        work: The work, with its size.
        against: The peer, and how it is called.
        limit: Greatest ratio of medians that meets the goal; None: a figure for orientation.
    """

    name: str
    work: str
    against: str
    limit: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """Ratios of one row, and the times behind them."""

    goal: Goal
    medians: float
    minima: float
    cpu: float
    ours: str
    peer: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the results page."""
        limit = "-" if self.goal.limit is None else f"{self.goal.limit:.2f}"
        ratios = (f"{self.medians:.2f}", f"{self.minima:.2f}", f"{self.cpu:.2f}")
        return (self.goal.name, self.goal.work, self.goal.against, limit, *ratios)


@dataclass(frozen=True, slots=True)
class Options:
    """What a person chose: how many rounds, how much of the full size, and where."""

    rounds: int
    scale: float
    folder: Path

    def files(self, full: int) -> int:
        """Return the number of files to use of a row's full number."""
        return max(16, round(full * self.scale))


Bench = Callable[[Options], Iterator[Result]]


def take_turns(cases: Sequence[Case], rounds: int) -> dict[str, Timing]:
    """Run all cases once unmeasured and then in rotating order; return their times by name."""
    timings = {case.name: Timing() for case in cases}
    for number in range(rounds + 1):
        turn = number % len(cases)
        for case in (*cases[turn:], *cases[:turn]):
            case.prepare()
            wall, cpu = time.perf_counter(), _cpu_seconds()
            case.run()
            wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
            case.check()
            if number:  # the first round warms the page cache
                timings[case.name].wall.append(wall - case.unmeasured())
                timings[case.name].cpu.append(cpu)
    return timings


def compare(goal: Goal, ours: Case, peer: Case, options: Options) -> Result:
    """Measure one case against its peer."""
    timings = take_turns([ours, peer], options.rounds)
    return ratio(goal, timings[ours.name], timings[peer.name])


def ratio(goal: Goal, ours: Timing, peer: Timing) -> Result:
    """Return the ratios of two timings."""
    return Result(
        goal,
        statistics.median(ours.wall) / statistics.median(peer.wall),
        min(ours.wall) / min(peer.wall),
        statistics.median(ours.cpu) / max(statistics.median(peer.cpu), 1e-6),
        ours.text,
        peer.text,
    )


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# --- command line ---------------------------------------------------------------------------------


def main(bench: Bench, *, scale: float) -> int:
    """Run one bench from the command line; ``scale`` is the share of the full size by default.

    Returns:
        0 whatever the ratios are: only a wrong output is a failure, by its exception.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (5)")
    parser.add_argument("--scale", type=float, default=scale, help=f"share of full size ({scale})")
    parser.add_argument("--folder", type=Path, help="an existing folder for the files")
    parser.add_argument("--record", action="store_true", help=f"write into {RESULTS.name}")
    chosen = parser.parse_args()
    with _work_folder(chosen.folder) as folder:
        for result in bench(Options(chosen.rounds, chosen.scale, folder)):
            _print(result)
            if chosen.record:
                record(RESULTS, result)
    return 0


@contextmanager
def _work_folder(parent: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wsus-airgap-bench-", dir=parent) as folder:
        yield Path(folder)


def _print(result: Result) -> None:
    goal = result.goal
    limit = "" if goal.limit is None else f", goal {goal.limit:.2f}"
    print(
        f"{goal.name}: {goal.work}, against {goal.against}: medians {result.medians:.2f}, "
        f"minima {result.minima:.2f}, CPU {result.cpu:.2f}{limit}\n"
        f"    ours {result.ours}\n    peer {result.peer}",
        flush=True,
    )


_HEAD = (
    "| bench | work | against | goal | medians | minima | CPU | ours: median (minimum) | "
    "peer: median (minimum) | machine, date |"
)


def record(page: Path, result: Result) -> None:
    """Write a row into the results page; it replaces the row of the same bench, work and peer."""
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {platform.release()}"
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    row = f"| {' | '.join((*result.cells, result.ours, result.peer, f'{machine}, {today}'))} |"
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    if _HEAD not in lines:
        lines += [_HEAD, "|" + " --- |" * 10]
    start = f"| {' | '.join(result.cells[:3])} |"
    rows = [number for number, line in enumerate(lines) if line.startswith(start)]
    if rows:
        lines[rows[0]] = row
    else:
        lines.append(row)
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
