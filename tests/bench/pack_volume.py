"""Copy content onto a medium, hashed, durable and under atomic names, against cp and rsync.

Measured are the whole step (with plan's files, manifest, lists and sweep) and the copying alone.
What lies on the medium at the end is proved by its seal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tasks.bundle.carry import carry_content
from tasks.bundle.layout import CONTENT, volume_folder
from tests.bench.frame import Case, Goal, Options, Result, main, ratio, require, take_turns
from tests.bench.packing import Packing
from tests.bench.trees import need, run, write_realistic_files
from tests.support.bundles import NOW, Workshop

_FILES = 4_000
_BYTES = 2_500_000_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the step "Pack volumes" on realistic files."""
    workshop = Workshop(options.folder)
    files = options.files(_FILES)
    write_realistic_files(workshop.content, files, total_bytes=round(_BYTES * options.scale))
    size = f"{files} files, {_BYTES * options.scale / 1e9:.2f} GB"
    packing = Packing(workshop, options.folder / "copy")
    cases = [
        packing.pack(),
        Case("copy", lambda: _copy(workshop), packing.clean),
        packing.cp(),
        Case(
            "rsync",
            lambda: run(need("rsync"), "-a", "--fsync", workshop.content, packing.copy),
            packing.clean,
        ),
    ]
    timings = take_turns(cases, options.rounds)
    for name, text in (("copy", "the copying alone"), ("pack", "the whole step")):
        work = f"{size}: {text}"
        yield ratio(
            Goal("pack_volume", work, "cp -r && sync -f", 1.05), timings[name], timings["cp"]
        )
        yield ratio(
            Goal("pack_volume", work, "rsync -a --fsync", 0.45), timings[name], timings["rsync"]
        )
    packing.clean()
    workshop.export()
    workshop.require_whole()
    require(workshop.trusted().header.counts.carried_files == files, "files were left out")


def _copy(workshop: Workshop) -> None:
    job = workshop.job()
    for number in range(1, 2):
        workshop.media.make_folder(volume_folder(job.bundle, number).joined(CONTENT))
    with workshop.memory() as memory:
        require(not carry_content(job, memory, now=NOW), "files were left out")


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.2))
