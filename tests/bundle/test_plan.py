"""What a bundle carries and in which volume."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.bundle.manifest import Entry
from tasks.bundle.plan import (
    MediaLimits,
    PlannedFile,
    assign_volumes,
    largest_file,
    read_carry,
)
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.content.digest import digest_chunks
from tasks.content.names import Blake3, ContentDigest
from tasks.refusals import SafetyError
from tests.support.bundles import Workshop, fill_content, write_content

GIB = 1 << 30


def _file(number: int, size_bytes: int) -> PlannedFile:
    return PlannedFile(
        sha1=ContentDigest(number.to_bytes(20, "big")),
        extension="cab",
        size_bytes=size_bytes,
        mtime_ns=0,
        file_id="",
        blake3=None,
    )


@given(
    st.lists(st.integers(0, 3_000_000), max_size=30),
    st.none() | st.integers(200_000, 2_000_000),
    st.integers(50_000, 1_500_000),
)
def test_every_byte_is_carried_once_and_no_volume_or_piece_exceeds_its_limit(
    sizes: list[int], volume_bytes: int | None, max_file_bytes: int
) -> None:
    limits = MediaLimits(volume_bytes, max_file_bytes)
    files = [_file(number, size) for number, size in enumerate(sizes)]

    planned = list(assign_volumes(files, limits, 100_000))

    assert [file.model_copy(update={"pieces": ()}) for file in planned] == files
    used: dict[int, int] = {}
    last = 1
    for file in planned:
        assert sum(piece.size_bytes for piece in file.pieces) == file.size_bytes
        assert all(piece.size_bytes <= max_file_bytes for piece in file.pieces)
        for piece in file.pieces:
            assert last <= piece.volume <= last + 1  # one unbroken stretch of the manifest
            last = piece.volume
            used[last] = used.get(last, 0) + piece.size_bytes
    if volume_bytes is not None:
        assert all(size + HEADER_LIMIT_BYTES <= volume_bytes for size in used.values())
    assert planned == list(assign_volumes(files, limits, 100_000))


def test_media_that_are_too_small_are_refused_by_name() -> None:
    with pytest.raises(SafetyError, match="the bundle's own documents"):
        list(assign_volumes([_file(1, 1)], MediaLimits(100_000, GIB), 90_000))
    files = [_file(number, 150_000) for number in range(300)]
    with pytest.raises(SafetyError, match="more than 100 volumes"):
        list(assign_volumes(files, MediaLimits(250_000, GIB), 0))
    with pytest.raises(SafetyError, match="more than 380 parts"):
        list(assign_volumes([_file(1, 10_000_000)], MediaLimits(None, 10_000), 0))


def test_a_fat_medium_bounds_the_largest_file() -> None:
    assert largest_file(10 * GIB, "vfat") == 4 * GIB - 1
    assert largest_file(10 * GIB, "exfat") == 10 * GIB
    assert largest_file(GIB, "vfat") == GIB


def _entry(content: bytes, blake3: Blake3 | None = None) -> Entry:
    digests = digest_chunks([content])
    return Entry(
        sha1=digests.sha1,
        extension="cab",
        size_bytes=len(content),
        blake3=blake3 or digests.blake3,
        volume=None,
    )


def test_only_what_the_baseline_lacks_is_carried(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    for content in (b"held", b"new", b"other size now"):
        write_content(workshop.content, content)
    size_differs = _entry(b"other size now").model_copy(update={"size_bytes": 3})
    baseline = [_entry(b"held"), _entry(b"gone"), size_differs]
    baseline.sort(key=lambda entry: entry.order)

    plan = workshop.plan(baseline=baseline)

    assert (plan.files, plan.carried_files, plan.files_in_base, plan.gone_files) == (3, 2, 1, 1)
    carried = {file.sha1 for file in read_carry(workshop.folder(1))}
    assert carried == {_entry(b"new").sha1, size_differs.sha1}


def test_a_file_whose_known_bytes_are_not_the_baselines_is_carried(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    write_content(workshop.content, b"same name")
    workshop.export()

    plan = workshop.plan(2, baseline=[_entry(b"same name", Blake3(bytes(32)))])

    assert plan.carried_files == 1


def test_media_bytes_are_never_less_than_what_is_written(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, limits=MediaLimits(180_000, 60_000))
    fill_content(workshop.content, 40, most_bytes=20_000)
    write_content(workshop.content, bytes(200_000), "esd")

    plan = workshop.plan()
    workshop.export()

    volumes = list(workshop.bundle().iterdir())
    sizes = [sum(f.stat().st_size for f in v.rglob("*") if f.is_file()) for v in volumes]
    assert len(sizes) == plan.volumes > 2
    assert sum(sizes) <= plan.media_bytes
    assert all(size <= 180_000 for size in sizes)
