"""Prove a bundle's content, page cache warm, against b3sum of the same files.

The flipped byte of a last run must be found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.frame import Case, Goal, Options, Result, compare, main, require
from tests.bench.trees import files_below, need, run, write_realistic_files
from tests.support.bundles import Workshop

_FILES = 4_000
_BYTES = 2_500_000_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the step "Prove bundle" on a bundle of realistic files."""
    workshop = Workshop(options.folder)
    files = options.files(_FILES)
    write_realistic_files(workshop.content, files, total_bytes=round(_BYTES * options.scale))
    workshop.export()
    carried = files_below(workshop.volume() / "content")
    peer = Case("b3sum", lambda: run(need("b3sum"), *carried))
    goal = Goal("verify_warm", f"{files} files, {_BYTES * options.scale / 1e9:.2f} GB", "b3sum", 1)
    yield compare(goal, Case("verify", workshop.require_whole), peer, options)
    _flip_byte(Path(carried[len(carried) // 2]))
    require(workshop.verify().faults.counts == {"digest": 1}, "a flipped byte was not found")


def _flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.2))
