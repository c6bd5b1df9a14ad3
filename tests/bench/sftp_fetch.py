"""Fetch content from a server over SSH, hashed and durable, against OpenSSH's sftp.

Measured is the copying of "Pack volumes" with a new connection, once on loopback and once on a
line with delay. The server shares the processors with us, as it does with sftp.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.hosts.local import LocalHost
from tests.bench.frame import Case, Goal, Options, Result, compare, main, require
from tests.bench.sftp_line import (
    Cargo,
    Line,
    line,
    remove_tree,
    require_one_refused,
    spoilt_cargo,
    write_large_file,
    write_small_files,
)

_LARGE_BYTES = 512 * 1_048_576
_DELAYED_LARGE_BYTES = 256 * 1_048_576
_SMALL_FILES = 4_000


def bench(options: Options) -> Iterator[Result]:
    """Measure one large file and many small ones."""
    folder = options.folder
    write_large_file(folder / "large", round(_LARGE_BYTES * options.scale))
    write_large_file(folder / "delayed", round(_DELAYED_LARGE_BYTES * options.scale))
    write_small_files(folder / "small", options.files(_SMALL_FILES))
    for name, round_trip_ms, limit in (
        ("large", 0, 1.0),
        ("small", 0, 0.45),
        ("small", 10, 0.05),
        ("delayed", 40, 0.30),
    ):
        cargo = Cargo.of(folder / name)
        sshd = folder / f"sshd-{name}-{round_trip_ms}"
        work = f"{cargo.text}, {round_trip_ms} ms round trip"
        with line(sshd, round_trip_ms=round_trip_ms) as reached:
            yield _fetch(options, Goal("sftp_fetch", work, "sftp get -r", limit), cargo, reached)
            _require_refusal(reached, folder / "flipped")


def _fetch(options: Options, goal: Goal, cargo: Cargo, reached: Line) -> Result:
    ours, theirs = options.folder / "ours", options.folder / "theirs"

    def fetch() -> None:
        host = reached.open()
        for result in cargo.copy(host, LocalHost(), ours):
            require(result.is_ok, f"failed: {result.error}")
        host.close()

    def fetch_by_sftp() -> None:
        reached.sftp(f"get -r {cargo.folder} {theirs}")

    return compare(
        goal,
        Case("ours", fetch, lambda: remove_tree(ours), lambda: cargo.require_in(ours)),
        Case("sftp", fetch_by_sftp, lambda: remove_tree(theirs), lambda: cargo.require_in(theirs)),
        options,
    )


def _require_refusal(reached: Line, folder: Path) -> None:
    """Require that a file with one other byte fails alone, and gets no final name."""
    cargo = spoilt_cargo(folder / "from")
    host = reached.open()
    results = cargo.copy(host, LocalHost(), folder / "to")
    host.close()
    require_one_refused(results, folder / "to")
    remove_tree(folder)


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.25))
