"""What Prefect adds to a whole export: the command against the same functions called directly.

The command runs on a running Prefect server; the lab's own programs are taken off. It also starts
Python, loads Prefect and asks the server for facts, which the functions alone do not, so the
figure is an upper limit. The second row is the mean time between the end of a step and the start
of the next.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.bench.frame import Case, Goal, Options, Result, Timing, main, ratio, require, take_turns
from tests.bench.trees import write_realistic_files
from tests.bench.whole_commands import TimedLab, prefect_server
from tests.exporting.staging_side import StagingSide
from tests.support.prefect_api import newest_run, task_runs
from tests.support.runs import open_test_run, write_site_file

_FILES = 10_000
_BYTES = 1_000_000_000
_FIXED_SECONDS, _STEP_SECONDS = 4.0, 0.02


def bench(options: Options) -> Iterator[Result]:
    """Measure both rows."""
    files = options.files(_FILES)
    between = Timing()
    with prefect_server(options.folder / "prefect") as api_url:
        made = TimedLab(options.folder / "lab", api_url)
        made.lab.configure("staging", "media", read_back=False)
        write_realistic_files(
            made.lab.content_dir("staging"), files, total_bytes=round(_BYTES * options.scale)
        )
        direct = _Direct(options.folder / "direct", made.lab.content_dir("staging"))

        def clean() -> None:
            for folder in (made.lab.folder / "media", made.lab.folder / "staging/state"):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
            shutil.rmtree(made.lab.work("staging"), ignore_errors=True)

        def export() -> None:
            document = made.run("staging", "export")
            require(int(str(document["files"])) >= files, "files were left out")

        def note_steps() -> None:
            between.wall.append(_seconds_between_steps(api_url))
            between.cpu.append(0.0)

        command = Case("command", export, clean, note_steps, made.program_seconds)
        timings = take_turns([command, Case("direct", direct.export, direct.clean)], options.rounds)
    added = [
        ours - theirs
        for ours, theirs in zip(timings["command"].wall, timings["direct"].wall, strict=True)
    ]
    work = f"export of {files} files, {_BYTES * options.scale / 1e9:.2f} GB"
    for name, timing, limit in (
        ("added in all", Timing(added, [0.0]), _FIXED_SECONDS),
        ("between two steps", between, _STEP_SECONDS),
    ):
        goal = Goal("prefect_cost", f"{work}: {name}", f"{limit} s", 1.0)
        yield ratio(goal, timing, Timing([limit], [0.0]))


def _seconds_between_steps(api_url: str) -> float:
    runs = [run for run in task_runs(api_url, newest_run(api_url).id) if run.start_time]
    gaps = [
        (later.start_time - earlier.end_time).total_seconds()
        for earlier, later in pairwise(runs)
        if earlier.end_time and later.start_time
    ]
    return statistics.mean(gaps)


class _Direct:
    """The functions of an export on the same content, without flows, steps and a server."""

    def __init__(self, folder: Path, content: Path) -> None:
        self._folder = folder
        self._content = content

    def clean(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()

    def export(self) -> None:
        site = write_site_file(self._folder, side="staging")
        with open_test_run(site) as opened:
            side = StagingSide(opened, self._folder / "WsusContent")
            side.content_dir = self._content
            side.seal()


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.2))
