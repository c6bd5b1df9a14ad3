"""Twenty thousand small files, and manifests that are longer than memory should be."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.bundle.manifest import Entry, compare_sorted, read_entries, write_manifest
from tasks.content.names import Blake3, ContentDigest
from tests.support.bundles import Workshop, fill_content
from tests.support.crossing_program import finish

MEBIBYTE = 1_048_576


@pytest.mark.timeout(600)
def test_twenty_thousand_small_files_cross_in_flat_memory(tmp_path: Path) -> None:
    """Processor time, not wall-clock time: the machine that runs this may be busy."""
    workshop = Workshop(tmp_path)
    names = fill_content(workshop.content, 20_000, most_bytes=4_000)

    packed, unpacked = finish(tmp_path, "pack"), finish(tmp_path, "unpack")

    crossed = [path for path in (tmp_path / "intake").rglob("*") if path.is_file()]
    assert len(crossed) == len(set(names))
    assert max(packed["grown_bytes"], unpacked["grown_bytes"]) < 32 * MEBIBYTE
    assert packed["cpu_seconds"] + unpacked["cpu_seconds"] < 60


def _entries(count: int, *, gap: int = 0) -> Iterator[Entry]:
    for number in range(count):
        if gap and number % gap == 0:
            continue
        # The last byte, which is the folder, ascends slowest.
        folder, rest = number * 256 // count, number
        raw = rest.to_bytes(19, "big") + bytes([folder])
        yield Entry(
            sha1=ContentDigest(raw),
            extension="cab",
            size_bytes=number,
            blake3=Blake3(hashlib.sha256(raw).digest()),
            volume=1,
        )


def test_a_long_manifest_is_written_read_and_compared_in_flat_memory(tmp_path: Path) -> None:
    count = 20_000
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    tracemalloc.start()
    try:
        write_manifest(one, _entries(count))
        write_manifest(other, _entries(count, gap=500))
        pairs = compare_sorted(
            read_entries(one),
            read_entries(other),
            first_order=lambda entry: entry.order,
            second_order=lambda entry: entry.order,
        )
        found = Counter((pair.first is not None, pair.second is not None) for pair in pairs)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found == {(True, False): 40, (True, True): count - 40}
    assert peak < 3 * MEBIBYTE
