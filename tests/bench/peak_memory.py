"""Peak memory of every command with many files, against the same command with few.

The figures are MiB, not seconds: the goals are that no command needs more than 350 MiB, and
none more than 100 MiB for its files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.frame import Goal, Options, Result, main, require
from tests.bench.trees import write_small_files
from tests.bench.whole_commands import prefect_server
from tests.support.commands import MIB, measure
from tests.support.labs import make_lab

_FILES = 500_000
_FEW = 10_000
_COMMANDS = {
    "export": ("staging", ["export"]),
    "verify": ("disconnected", ["verify", "../media/alpha-1"]),
    "import": ("disconnected", ["import", "../media/alpha-1"]),
    "audit": ("disconnected", ["audit"]),
    "export again": ("staging", ["export"]),
}


def bench(options: Options) -> Iterator[Result]:
    """Measure each command once; memory does not depend on what else the machine does."""
    files = options.files(_FILES)
    with prefect_server(options.folder / "prefect") as api_url:
        few, many = (
            make_lab(options.folder / name, api_url=api_url, content_bytes=400_000)
            for name in ("few", "many")
        )
        write_small_files(few.content_dir("staging"), min(_FEW, files // 10))
        write_small_files(many.content_dir("staging"), files)
        for name, (side, words) in _COMMANDS.items():
            less, more = (measure(made, side, words, api_url).peak_bytes for made in (few, many))
            require(more < 350 * MIB, f"{name} needs {more // MIB} MiB")
            require(more - less < 100 * MIB, f"{name} needs {(more - less) // MIB} MiB for files")
            against = f"{min(_FEW, files // 10)} files"
            yield Result(
                Goal("peak_memory", f"{name}, {files} files", against, None),
                more / less, more / less, 0, f"{more // MIB} MiB", f"{less // MIB} MiB",
            )  # fmt: skip
    require(
        few.bytes_of("disconnected") == few.bytes_of("staging"), "the import placed other bytes"
    )


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.05))
