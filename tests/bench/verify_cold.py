"""Prove a bundle's content that is not in the page cache, against cat of the same files."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.frame import Case, Goal, Options, Result, compare, main
from tests.bench.trees import drop_cache, files_below, need, run, write_realistic_files
from tests.support.bundles import Workshop

_FILES = 4_000
_BYTES = 2_500_000_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the step "Prove bundle" on a bundle that must come from the disk."""
    workshop = Workshop(options.folder)
    files = options.files(_FILES)
    write_realistic_files(workshop.content, files, total_bytes=round(_BYTES * options.scale))
    workshop.export()
    carried = files_below(workshop.volume() / "content")
    goal = Goal("verify_cold", f"{files} files, {_BYTES * options.scale / 1e9:.2f} GB", "cat", 1)
    yield compare(
        goal,
        Case("verify", workshop.require_whole, lambda: drop_cache(carried)),
        Case("cat", lambda: run(need("cat"), *carried), lambda: drop_cache(carried)),
        options,
    )


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.2))
