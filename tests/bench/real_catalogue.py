"""Cross a lab whose catalogue has the statistics of a real product, and see the memory it takes.

5,253 revisions, 1.18 GB of XML, one update of 47 MB (``lab create --catalogue real``) are
exported, imported and audited by the whole commands. The goals are the memory of each command,
350 MiB, and that of the reader alone on the lab's own package, 80 MiB above a process that has
imported it. The time in the table is compared with that of the lab's own wsusutil, which writes the
package, and has no goal. The catalogue has one size whatever ``--scale`` says; the content grows
with it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from tests.bench.frame import Goal, Options, Result, main, require
from tests.bench.read_package import MOST_MIB, reader_peak_mib
from tests.bench.whole_commands import prefect_server
from tests.support.commands import MIB, measure
from tests.support.labs import make_lab

_CONTENT_BYTES = 200_000_000
_MOST_BYTES = 350 * MIB
_COMMANDS = {
    "export": ("staging", ["export"]),
    "import": ("disconnected", ["import", "../media/alpha-1"]),
    "audit": ("disconnected", ["audit"]),
}


def bench(options: Options) -> Iterator[Result]:
    """Run each command once, and the reader on the package that the bundle carries."""
    with prefect_server(options.folder / "prefect") as api_url:
        made = make_lab(
            options.folder / "lab",
            api_url=api_url,
            catalogue="real",
            content_bytes=max(1_000_000, round(_CONTENT_BYTES * options.scale)),
        )
        for name, (side, words) in _COMMANDS.items():
            began = time.perf_counter()
            measured = measure(made, side, words, api_url)
            seconds = time.perf_counter() - began
            peak = measured.peak_bytes
            require(peak < _MOST_BYTES, f"{name} needs {peak // MIB} MiB")
            share = peak / _MOST_BYTES
            yield Result(
                Goal("real_catalogue", f"{name}: memory of 350 MiB; {seconds:.0f} s", "350 MiB", 1),
                share, share, 0, f"{peak // MIB} MiB", "350 MiB",
            )  # fmt: skip
    (package,) = made.bundle(1).rglob("*.xml.gz")
    peak_mib = reader_peak_mib(package, options.folder / "index.sqlite")
    require(peak_mib <= MOST_MIB, f"the reader takes {peak_mib:.0f} MiB")
    share = peak_mib / MOST_MIB
    yield Result(
        Goal("real_catalogue", "the reader's own share of it", "80 MiB", 1),
        share, share, 0, f"{peak_mib:.0f} MiB", "80 MiB",
    )  # fmt: skip
    same = made.state("disconnected")["revisions"] == made.state("staging")["revisions"]
    require(same, "the import left revisions out")


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.1))
