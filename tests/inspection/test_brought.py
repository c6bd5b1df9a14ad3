"""What a bundle brings is told by update; a list that says otherwise is found out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.bundle.brings import BroughtUpdate
from tasks.content.names import ContentDigest
from tasks.inspection.brought import describe_brought, differences, largest_bytes
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import index_package
from tasks.revision import RevisionId
from tests.metadata import writing
from tests.metadata.writing import File, Update, guid

UPDATES = (
    Update(10, kind="Category", title="Windows 11", deployable=False),
    Update(11, kind="Category", title="Security Updates", deployable=False),
    Update(
        1, 7, title="Bundle", kb="5000001", bundles=((2, 1),), supersedes=(8, 9),
        categories=(10,), classifications=(11,), files=(File("in-place.cab", 1),),
    ),
    Update(2, 1, deployable=False, files=(File("a.cab", 10), File("b.cab", 20))),
    Update(3, 1, title="In place", severity="Unspecified", files=(File("in-place.cab", 1),)),
)  # fmt: skip
APPROVED = [RevisionId(guid(1), 7), RevisionId(guid(3), 1), RevisionId(guid(77), 1)]
CARRIED = {File("a.cab").sha1, File("b.cab").sha1}


def is_carried(digest: ContentDigest) -> bool:
    return digest.raw in CARRIED


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    index_package(writing.write_package(tmp_path / "p", UPDATES), tmp_path / "i")
    with PackageIndex(tmp_path / "i") as opened:
        yield opened


def test_an_update_is_brought_with_its_files_or_because_it_is_new(index: PackageIndex) -> None:
    first = list(describe_brought(index, APPROVED, is_carried))
    later = list(describe_brought(index, APPROVED, is_carried, in_base=APPROVED))

    assert [update.key for update in first] == APPROVED
    assert all(update.is_new for update in first)
    (update,) = later
    assert (update.key, update.is_new) == (APPROVED[0], False)
    assert (update.files, update.size_bytes) == (2, 30)
    assert (update.kb, update.severity) == ("KB5000001", "Critical")
    assert (update.classification, update.products) == ("Security Updates", ("Windows 11",))
    assert update.supersedes == (guid(8), guid(9))


def test_what_is_not_shown_to_be_microsofts_stands_apart(index: PackageIndex) -> None:
    local = {APPROVED[1]}
    origins = [u.origin for u in describe_brought(index, APPROVED, is_carried, local=local)]

    assert origins[1] == "locally-published"


def test_the_room_that_is_kept_for_the_list_is_enough(index: PackageIndex) -> None:
    lines = [
        len(update.model_dump_json()) for update in describe_brought(index, APPROVED, is_carried)
    ]

    assert largest_bytes(index, APPROVED) > sum(lines)


def _altered(update: BroughtUpdate, **values: object) -> BroughtUpdate:
    return update.model_copy(update=values)


def test_a_true_list_has_no_differences_and_each_lie_is_named(index: PackageIndex) -> None:
    true = list(describe_brought(index, APPROVED, is_carried))
    lies = {
        "listed with another severity": [_altered(true[0], severity="Low"), *true[1:]],
        "listed with another files": [_altered(true[0], files=1), *true[1:]],
        "brought and not listed": true[1:],
        "listed and not brought": [*true, _altered(true[2], update_id=guid(99))],
    }

    assert list(differences(true, true, knows_base=True)) == []
    for sentence, written in lies.items():
        (found,) = differences(written, true, knows_base=True)
        assert found.endswith(sentence), found


def test_without_the_bases_decisions_an_update_without_files_may_be_left_out(
    index: PackageIndex,
) -> None:
    true = list(describe_brought(index, APPROVED, is_carried))

    assert list(differences(true[:1], true, knows_base=False)) == []
