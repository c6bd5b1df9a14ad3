"""What one scan found, looked up and walked along: order, proof, and what reading it changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.content.content_listing import ContentListing, PresentFile
from tasks.content.names import Blake3, ContentDigest, ContentName, FileDigests
from tasks.content.scan import ContentFile
from tasks.hosts.paths import HostPath, Platform

CONTENT_DIR = HostPath("/srv/WsusContent", Platform.POSIX)
PROOF = Blake3(bytes(range(32)))


def digest(number: int) -> ContentDigest:
    return ContentDigest(number.to_bytes(20, "big"))


def file(
    number: int,
    extension: str = "cab",
    *,
    size_bytes: int = 10,
    proof: ContentDigest | None = None,
    mtime_ns: int = 1,
) -> ContentFile:
    """A file; ``proof`` is the SHA-1 that its bytes were found to have."""
    name = ContentName(digest(number), extension)
    digests = None if proof is None else FileDigests(proof, PROOF, size_bytes)
    path = CONTENT_DIR.joined(name.folder, name.text)
    return ContentFile(name, path, size_bytes, mtime_ns, f"id-{number}", digests)


def listing(folder: Path, files: Iterable[ContentFile]) -> ContentListing:
    return ContentListing(folder / "listing.sqlite", CONTENT_DIR).fill(files)


@pytest.mark.parametrize(
    ("proof", "is_valid"), [(None, None), (digest(1), True), (digest(2), False)]
)
def test_a_remembered_digest_is_proof_for_or_against_a_file(
    tmp_path: Path, proof: ContentDigest | None, is_valid: bool | None
) -> None:
    made = listing(tmp_path, [file(1, proof=proof)])
    assert made.look_up(file(1).name) == PresentFile(10, is_valid)
    assert made.find(digest(1)) == PresentFile(10, is_valid)
    assert [each.name for each in made.unproved()] == ([] if proof else [file(1).name])


@pytest.mark.parametrize(
    ("read", "is_valid"), [(None, False), (digest(1), True), (digest(2), False)]
)
@pytest.mark.parametrize("before", [None, digest(1), digest(2)])
def test_what_reading_found_replaces_what_was_remembered(
    tmp_path: Path,
    before: ContentDigest | None,
    read: ContentDigest | None,
    is_valid: bool,
) -> None:
    made = listing(tmp_path, [file(1, proof=before), file(2)])
    digests = None if read is None else FileDigests(read, PROOF, 10)
    made.record_digests([(file(1), digests)])
    readable = read is not None
    assert made.look_up(file(1).name) == PresentFile(10, is_valid, is_readable=readable)
    assert made.look_up(file(2).name) == PresentFile(10, None)
    assert [each.name for each in made.unproved()] == [file(2).name]


def test_a_file_is_looked_up_by_name_and_found_by_digest_whatever_its_extension(
    tmp_path: Path,
) -> None:
    made = listing(tmp_path, [file(1, "cab", proof=digest(9)), file(1, "exe", size_bytes=20)])
    assert made.look_up(file(1, "CAB").name) == PresentFile(10, is_valid=False)
    assert made.look_up(file(1, "psf").name) is None
    assert made.look_up(file(2).name) is None
    assert made.find(digest(2)) is None

    made.record_digests([(file(1, "exe"), FileDigests(digest(1), PROOF, 20))])
    assert made.find(digest(1)) == PresentFile(20, is_valid=True)


NUMBERS = st.sets(st.integers(1, 1 << 159), max_size=40)


@given(numbers=NUMBERS)
def test_files_come_in_the_order_of_scans_whatever_order_they_went_in(numbers: set[int]) -> None:
    made = ContentListing(Path(":memory:"), CONTENT_DIR).fill(file(number) for number in numbers)
    names = [each.name for each in made]
    made.close()
    assert names == sorted((file(number).name for number in numbers), key=lambda name: name.order)


def test_a_walk_goes_on_when_what_it_yields_is_settled_meanwhile(tmp_path: Path) -> None:
    count = 5_001  # one more than is read at once
    made = listing(tmp_path, (file(number) for number in range(1, count + 1)))
    walked = 0
    for each in made.unproved():
        made.record_digests([(each, FileDigests(each.name.digest, PROOF, 10))])
        walked += 1
    assert walked == count
    assert list(made.unproved()) == []
    assert made.totals() == (count, 10 * count)


@pytest.mark.parametrize(
    ("after", "is_same"),
    [
        ([file(2), file(1)], True),
        ([file(1, proof=digest(1)), file(2)], True),
        ([file(1)], False),
        ([file(1), file(2), file(3)], False),
        ([file(1), file(2, size_bytes=11)], False),
        ([file(1), file(2, mtime_ns=2)], False),
        ([file(1), file(2, "exe")], False),
    ],
)
def test_the_digest_of_a_listing_changes_with_names_sizes_and_times_alone(
    tmp_path: Path, after: list[ContentFile], is_same: bool
) -> None:
    before = listing(tmp_path, [file(1), file(2)]).digest()
    assert (listing(tmp_path / "after", after).digest() == before) == is_same


def test_a_listing_that_is_filled_again_holds_the_new_scan_alone(tmp_path: Path) -> None:
    made = listing(tmp_path, [file(1)])
    made.fill([file(2)])
    assert [each.name for each in made] == [file(2).name]
    (found,) = made
    assert found == file(2)
    made.close()
