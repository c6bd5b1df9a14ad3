"""Put content on a server over SSH, read back and hashed there, durable, against OpenSSH's sftp.

Measured is the copying of "Unpack bundle" into an intake with a new connection. The script that
hashes on the server is the one of the tests, in Python: PowerShell's own time is not in it.
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
_SMALL_FILES = 4_000


def bench(options: Options) -> Iterator[Result]:
    """Measure one large file and many small ones."""
    folder = options.folder
    write_large_file(folder / "large", round(_LARGE_BYTES * options.scale))
    write_small_files(folder / "small", options.files(_SMALL_FILES))
    with line(folder / "sshd") as reached:
        for name, limit in (("large", 1.1), ("small", 0.5)):
            cargo = Cargo.of(folder / name)
            yield _put(options, Goal("sftp_put", cargo.text, "sftp put -r", limit), cargo, reached)
        _require_refusal(reached, folder / "flipped")


def _put(options: Options, goal: Goal, cargo: Cargo, reached: Line) -> Result:
    ours, theirs = options.folder / "ours", options.folder / "theirs"

    def put() -> None:
        host = reached.open()
        for result in cargo.copy(LocalHost(), host, ours):
            require(result.is_ok, f"failed: {result.error}")
        host.close()

    def put_by_sftp() -> None:
        reached.sftp(f"put -r {cargo.folder} {theirs}")

    return compare(
        goal,
        Case("ours", put, lambda: remove_tree(ours), lambda: cargo.require_in(ours)),
        Case("sftp", put_by_sftp, lambda: remove_tree(theirs), lambda: cargo.require_in(theirs)),
        options,
    )


def _require_refusal(reached: Line, folder: Path) -> None:
    """Require that a file with one other byte fails alone, and gets no final name."""
    cargo = spoilt_cargo(folder / "from")
    host = reached.open()
    results = cargo.copy(LocalHost(), host, folder / "to")
    host.close()
    require_one_refused(results, folder / "to")
    remove_tree(folder)


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.25))
