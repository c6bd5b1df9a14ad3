"""Read a metadata package of real statistics and index it, against ``gzip -dc`` to nothing.

The first package has the statistics of Windows 11 on a real server: 5,253 revisions, 1.18 GB of
XML, one update of 47 MB. The second has the shape of Defender: many small updates in 38 languages.
Measured are the product's reader, and the step of export and import that makes the index. The
counts of the index must be those of the package, a flipped byte must be refused, and a process that
makes the index must not take more than 80 MB above one that has only imported it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import PackageError
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import index_package
from tasks.metadata.model import PackageEnd
from tasks.metadata.package import read_package
from tests.bench.frame import Case, Goal, Options, Result, main, ratio, require, take_turns
from tests.bench.real_package import Shape, Written, write
from tests.bench.trees import need

_SHAPES: tuple[Shape, ...] = ("windows-11", "defender")
_SCAN_GOAL, _INDEX_GOAL = 0.8, 2.5
MOST_MIB = 80.0

_PEAK = """
import sys
from pathlib import Path
from tasks.metadata.index import index_package
from tests.support.memory import peak_mib
before = peak_mib()
index_package(Path(sys.argv[1]), Path(sys.argv[2]))
print(peak_mib() - before)
"""


def bench(options: Options) -> Iterator[Result]:
    """Measure both packages."""
    for shape in _SHAPES:
        package = options.folder / f"{shape}.xml.gz"
        written = write(package, shape, scale=options.scale)
        yield from _measure(package, written, options)
        _require_refusal(package, options.folder / "flipped.xml.gz")
        package.unlink()


def _measure(package: Path, written: Written, options: Options) -> Iterator[Result]:
    index = options.folder / "index.sqlite"
    peak_mib = reader_peak_mib(package, index)
    require(peak_mib <= MOST_MIB, f"the index takes {peak_mib:.0f} MiB of memory")
    cases = [
        Case("read", lambda: require(_read(package) == written.xml_bytes, "bytes are missing")),
        Case(
            "index",
            lambda: index_package(package, index),
            check=lambda: _check(index, written),
        ),
        Case("gzip", lambda: _decompress(package)),
    ]
    timings = take_turns(cases, options.rounds)
    packed = written.xml_bytes / package.stat().st_size
    work = (
        f"{package.name}: {written.revisions} revisions, {written.xml_bytes / 1e6:.0f} MB of XML,"
        f" packed {packed:.0f}:1, largest update {written.largest / 1e6:.1f} MB"
    )
    scan = Goal("read_package", f"read {work}", "gzip -dc", _SCAN_GOAL)
    whole = Goal("read_package", f"index {work}; {peak_mib:.0f} MiB", "gzip -dc", _INDEX_GOAL)
    yield ratio(scan, timings["read"], timings["gzip"])
    yield ratio(whole, timings["index"], timings["gzip"])


def _read(package: Path) -> int:
    """Read a package to its end and return its bytes of XML."""
    return sum(item.xml_bytes for item in read_package(package) if isinstance(item, PackageEnd))


def _check(index: Path, written: Written) -> None:
    """Compare the index with the package that was written."""
    with PackageIndex(index) as opened:
        require(opened.summary.revisions == written.revisions, "revisions are missing")
        counts = {
            "needs": written.files,
            "bundle": written.children,
            "relation WHERE kind = 'supersedes'": written.superseded,
        }
        for table, expected in counts.items():
            query = f"SELECT count(*) FROM {table}"  # noqa: S608 # constants of this module
            (count,) = opened.connection.execute(query).fetchone()
            require(count == expected, f"{table}: {count} rows instead of {expected}")


def _decompress(package: Path) -> None:
    command = [need("gzip"), "-dc", str(package)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def reader_peak_mib(package: Path, index: Path) -> float:
    """Return the memory that making an index takes in a process of its own, in MiB."""
    command = [sys.executable, "-c", _PEAK, str(package), str(index)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _require_refusal(package: Path, copy: Path) -> None:
    raw = bytearray(package.read_bytes())
    raw[len(raw) // 2] ^= 1
    copy.write_bytes(raw)
    try:
        _read(copy)
    except PackageError:
        return
    finally:
        copy.unlink()
    require(condition=False, text="a flipped byte was not noticed")


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.05))
