"""What a manifest names, found by digest: held by staging, and carried by this bundle or not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.bundle.manifest import Entry, Part, write_manifest
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.names import Blake3, ContentDigest


def digest(number: int) -> ContentDigest:
    return ContentDigest(number.to_bytes(20, "big"))


def entry(
    number: int, *, volume: int | None = None, size_bytes: int = 10, extension: str = "cab"
) -> Entry:
    return Entry(
        sha1=digest(number),
        blake3=Blake3(bytes(32)),
        extension=extension,
        size_bytes=size_bytes,
        volume=volume,
    )


def look_up(folder: Path, entries: Iterable[Entry]) -> ManifestLookup:
    write_manifest(folder / "manifest.jsonl", sorted(entries, key=lambda each: each.order))
    return ManifestLookup(folder / "manifest.jsonl")


def in_parts(number: int) -> Entry:
    """A file whose parts have digests of their own, which must not be taken for the file's."""
    parts = tuple(
        Part(volume=1, size_bytes=3, sha1=digest(other), blake3=Blake3(bytes(32)))
        for other in (1, (1 << 160) - 1)
    )
    return entry(number, volume=1, size_bytes=6).model_copy(update={"parts": parts})


@pytest.fixture
def lookup(tmp_path: Path) -> ManifestLookup:
    """A manifest of three files that the bundle carries and one that staging holds besides."""
    entries = [
        entry(1, volume=1, size_bytes=100),
        entry(2, volume=2, size_bytes=0),
        entry(3, volume=None, size_bytes=7),
        in_parts(5),
    ]
    return look_up(tmp_path, entries)


@pytest.mark.parametrize(
    ("number", "is_named", "carried_bytes"),
    [(1, True, 100), (2, True, 0), (3, True, None), (4, False, None), (5, True, 6)],
)
def test_a_file_is_named_and_carried_or_named_alone_or_unknown(
    lookup: ManifestLookup, number: int, is_named: bool, carried_bytes: int | None
) -> None:
    assert lookup.has(digest(number)) == is_named
    assert lookup.carried_bytes(digest(number)) == carried_bytes


def test_only_what_is_carried_is_counted(lookup: ManifestLookup) -> None:
    assert lookup.carried() == (3, 106)


def test_an_empty_manifest_names_nothing(tmp_path: Path) -> None:
    empty = look_up(tmp_path, [])
    assert not empty.has(digest(1))
    assert empty.carried() == (0, 0)
    empty.close()


def test_of_files_that_differ_in_extension_only_the_carried_one_counts(tmp_path: Path) -> None:
    lookup = look_up(tmp_path, [entry(1, extension="cab"), entry(1, volume=1, extension="exe")])
    assert lookup.carried_bytes(digest(1)) == 10
    lookup.close()


NUMBERS = st.sets(st.integers(0, 1 << 160) | st.integers(0, 600), max_size=30)


@given(named=NUMBERS, asked=NUMBERS)
def test_exactly_the_files_of_the_manifest_are_found(named: set[int], asked: set[int]) -> None:
    named, asked = ({number for number in each if number < 1 << 160} for each in (named, asked))
    with tempfile.TemporaryDirectory() as folder:
        lookup = look_up(Path(folder), [entry(number) for number in named])
        assert {number for number in named | asked if lookup.has(digest(number))} == named
        lookup.close()
