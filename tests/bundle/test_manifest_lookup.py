"""What a manifest names, found by digest: held by staging, and carried by this bundle or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.bundle.manifest import Entry
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.names import Blake3, ContentDigest


def digest(number: int) -> ContentDigest:
    return ContentDigest(number.to_bytes(20, "big"))


def entry(number: int, *, volume: int | None, size_bytes: int = 10) -> Entry:
    return Entry.model_validate(
        {
            "sha1": digest(number).hex,
            "blake3": Blake3(bytes(32)).hex,
            "extension": "cab",
            "size_bytes": size_bytes,
            "volume": volume,
        }
    )


@pytest.fixture
def lookup(tmp_path: Path) -> ManifestLookup:
    """A manifest of two files that the bundle carries and one that staging holds besides."""
    entries = [
        entry(1, volume=1, size_bytes=100),
        entry(2, volume=2, size_bytes=0),
        entry(3, volume=None, size_bytes=7),
    ]
    return ManifestLookup(tmp_path / "folder" / "lookup.sqlite").fill(entries)


@pytest.mark.parametrize(
    ("number", "is_named", "carried_bytes"),
    [(1, True, 100), (2, True, 0), (3, True, None), (4, False, None)],
)
def test_a_file_is_named_and_carried_or_named_alone_or_unknown(
    lookup: ManifestLookup, number: int, is_named: bool, carried_bytes: int | None
) -> None:
    assert lookup.has(digest(number)) == is_named
    assert lookup.carried_bytes(digest(number)) == carried_bytes


def test_only_what_is_carried_is_counted(lookup: ManifestLookup) -> None:
    assert lookup.carried() == (2, 100)


def test_a_look_up_that_is_filled_again_holds_the_new_manifest_alone(
    lookup: ManifestLookup,
) -> None:
    lookup.fill([entry(4, volume=1)])
    assert lookup.carried() == (1, 10)
    assert not lookup.has(digest(1))
    assert lookup.fill([]).carried() == (0, 0)
    lookup.close()
