"""Answer an export of an unchanged site with many files, against rsync's no-op.

Measured is the whole command on a running Prefect server, less the same command for a site of few
files; the lab's own programs are taken off both.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator

from tests.bench.frame import Case, Goal, Options, Result, Timing, main, ratio, require, take_turns
from tests.bench.trees import need, run, write_small_files
from tests.bench.whole_commands import TimedLab, prefect_server

_FILES = 59_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the command "export" where nothing has changed."""
    files = options.files(_FILES)
    with prefect_server(options.folder / "prefect") as api_url:
        many, few = (TimedLab(options.folder / name, api_url) for name in ("many", "few"))
        content, mirror = many.lab.content_dir("staging"), options.folder / "mirror"
        write_small_files(content, files)
        for made in (many, few):
            made.run("staging", "export")
        run(need("rsync"), "-a", f"{content}/", f"{mirror}/")
        cases = [
            Case("many", lambda: _answer(many), unmeasured=many.program_seconds),
            Case("few", lambda: _answer(few), unmeasured=few.program_seconds),
            Case("rsync", lambda: run("rsync", "-a", f"{content}/", f"{mirror}/")),
        ]
        timings = take_turns(cases, options.rounds)
    yield ratio(
        Goal("export_again", f"{files} files, less a site of 40", "rsync -a (no-op)", 2.5),
        _difference(timings["many"], timings["few"]), timings["rsync"],
    )  # fmt: skip
    yield ratio(
        Goal("export_again", f"{files} files, the whole command", "a site of 40 files", None),
        timings["many"], timings["few"],
    )  # fmt: skip


def _answer(made: TimedLab) -> None:
    document = made.run("staging", "export")
    require(document["sequence"] == 1, "another bundle was made")


def _difference(many: Timing, few: Timing) -> Timing:
    """Take the few files' times off: medians of medians, the minimum of the minimum."""
    wall = max(0.0, statistics.median(many.wall) - statistics.median(few.wall))
    least = max(0.0, min(many.wall) - min(few.wall))
    cpu = max(0.0, statistics.median(many.cpu) - statistics.median(few.cpu))
    return Timing([min(least, wall), wall, wall], [cpu])


if __name__ == "__main__":
    sys.exit(main(bench, scale=1.0))
