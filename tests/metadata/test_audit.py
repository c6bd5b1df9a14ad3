"""What misses is named with its reason, and each reason has its case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.content.content_listing import PresentFile
from tasks.content.names import ContentDigest
from tasks.metadata.audit import (
    REASON_TEXTS,
    ContentView,
    MissingFile,
    MissingReason,
    Provenance,
    RevisionContent,
    audit_revisions,
    find_missing,
    without_trace,
)
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import index_package
from tasks.revision import RevisionId
from tests.metadata import writing
from tests.metadata.writing import File, Update, guid

ALL = ContentChoice(languages=None, express=True)
ENGLISH = ContentChoice(languages=frozenset({"en"}), express=False)
UPDATES = (
    Update(1, 3, title="Bundle", kb="5001000", bundles=((2, 1),)),
    Update(2, 1, deployable=False, files=(File("a.cab", 10), File("b.cab", 20))),
    Update(
        3, 1, title="Terms", license_id="x",
        files=(File("t_de.txt", 5, language="de", is_license=True), File("x.psf", 6)),
    ),
    Update(4, 1, title="No files"),
    Update(5, 1, title="Without a size", files=(File("c.cab", None),)),
)  # fmt: skip
A, B = File("a.cab"), File("b.cab")


@pytest.fixture
def index(tmp_path: Path) -> PackageIndex:
    index_package(writing.write_package(tmp_path / "p", UPDATES), tmp_path / "i")
    return PackageIndex(tmp_path / "i")


def holding(**sizes: int | PresentFile) -> Callable[[ContentDigest], PresentFile | None]:
    held = {
        ContentDigest(File(name.replace("_", ".")).sha1): (
            size if isinstance(size, PresentFile) else PresentFile(size)
        )
        for name, size in sizes.items()
    }
    return held.get


def reasons(missing: list[MissingFile]) -> list[tuple[str | None, MissingReason]]:
    return [(one.file, one.reason) for one in missing]


def test_a_revision_whose_files_all_lie_there_is_complete(index: PackageIndex) -> None:
    view = ContentView(choice=ALL, find=holding(a_cab=10, b_cab=20), provenance=without_trace)

    with index:
        found = list(audit_revisions(index, [RevisionId(guid(1), 3), RevisionId(guid(4), 1)], view))

    assert found == [
        RevisionContent(key=(guid(1), 3), files=2, bytes=30, missing=()),  # type: ignore[arg-type]
        RevisionContent(key=(guid(4), 1), files=0, bytes=0, missing=()),  # type: ignore[arg-type]
    ]
    assert all(one.is_complete for one in found)


def test_a_file_of_a_child_is_named_for_the_update_that_was_approved(index: PackageIndex) -> None:
    view = ContentView(choice=ALL, find=holding(a_cab=10), provenance=without_trace)

    with index:
        (missing,) = find_missing(index, [RevisionId(guid(1), 3)], view)

    assert missing == MissingFile(
        update_id=guid(1),
        revision=3,
        title="Bundle",
        kb="KB5001000",
        file=B.content_name,
        size_bytes=20,
        reason=MissingReason.NEVER_DOWNLOADED,
        reason_text=REASON_TEXTS[MissingReason.NEVER_DOWNLOADED],
    )


@pytest.mark.parametrize(
    ("provenance", "reason"),
    [
        (Provenance.NEVER_HELD, MissingReason.NEVER_DOWNLOADED),
        (Provenance.HELD_BY_STAGING, MissingReason.NOT_CARRIED),
        (Provenance.IN_LOST_BUNDLE, MissingReason.LOST_BUNDLE),
        (Provenance.PLACED, MissingReason.VANISHED),
        (Provenance.REJECTED, MissingReason.REJECTED_BY_WSUS),
    ],
)
def test_the_reason_follows_from_where_the_file_was_last_seen(
    provenance: Provenance, reason: MissingReason, index: PackageIndex
) -> None:
    view = ContentView(choice=ALL, find=holding(b_cab=20), provenance=lambda _: provenance)

    with index:
        missing = list(find_missing(index, [RevisionId(guid(1), 3)], view))

    assert reasons(missing) == [(A.content_name, reason)]


@pytest.mark.parametrize(
    ("held", "is_good"),
    [
        (PresentFile(10), True),
        (PresentFile(11), False),
        (PresentFile(0), False),
        (PresentFile(10, is_valid=False), False),
        (PresentFile(10, is_valid=True), True),
        (PresentFile(11, is_valid=True), True),
    ],
)
def test_a_file_counts_when_its_bytes_are_right(
    held: PresentFile, is_good: bool, index: PackageIndex
) -> None:
    view = ContentView(choice=ALL, find=holding(a_cab=held, b_cab=20), provenance=without_trace)

    with index:
        missing = list(find_missing(index, [RevisionId(guid(1), 3)], view))

    assert reasons(missing) == ([] if is_good else [(A.content_name, MissingReason.WRONG_DIGEST)])


def test_a_file_that_cannot_be_read_is_no_wrong_one(index: PackageIndex) -> None:
    locked = PresentFile(10, is_valid=False, is_readable=False)
    view = ContentView(choice=ALL, find=holding(a_cab=locked, b_cab=20), provenance=without_trace)

    with index:
        missing = list(find_missing(index, [RevisionId(guid(1), 3)], view))

    assert reasons(missing) == [(A.content_name, MissingReason.READ_FAILED)]


def test_a_child_in_a_language_that_staging_does_not_keep_is_told_apart(tmp_path: Path) -> None:
    updates = (
        Update(1, bundles=((2, 1), (3, 1))),
        Update(2, deployable=False, languages=("fr",), files=(File("fr.cab"),)),
        Update(3, deployable=False, files=(File("all.cab"),)),
    )
    index_package(writing.write_package(tmp_path / "p", updates), tmp_path / "i")
    view = ContentView(ALL, holding(), without_trace, staging=ENGLISH)

    with PackageIndex(tmp_path / "i") as index:
        found = {one.file: one.reason for one in find_missing(index, [updates[0].key], view)}

    assert found == {
        File("fr.cab").content_name: MissingReason.LANGUAGE_EXCLUDED,
        File("all.cab").content_name: MissingReason.NEVER_DOWNLOADED,
    }


def test_a_size_that_nobody_knows_condemns_nothing(index: PackageIndex) -> None:
    with index:
        view = ContentView(choice=ALL, find=holding(c_cab=123), provenance=without_trace)
        assert list(find_missing(index, [RevisionId(guid(5), 1)], view)) == []
        nothing = ContentView(ALL, holding(), without_trace)
        (missing,) = find_missing(index, [RevisionId(guid(5), 1)], nothing)
    assert missing.size_bytes is None


def test_settings_that_differ_are_the_reason_when_staging_never_held_it(
    index: PackageIndex,
) -> None:
    view = ContentView(ALL, holding(), without_trace, staging=ENGLISH)

    with index:
        found = {
            one.file: one.reason for one in find_missing(index, [RevisionId(guid(3), 1)], view)
        }

    assert found == {
        File("t_de.txt").content_name: MissingReason.LANGUAGE_EXCLUDED,
        File("x.psf").content_name: MissingReason.EXPRESS_EXCLUDED,
    }


def test_a_revision_without_metadata_is_named_without_a_file(index: PackageIndex) -> None:
    with index:
        (missing,) = find_missing(
            index, [RevisionId(guid(88), 1)], ContentView(ALL, holding(), without_trace)
        )

    assert (missing.file, missing.size_bytes, missing.title) == (None, None, "")
    assert missing.reason is MissingReason.NOT_IN_PACKAGE


def test_every_reason_has_a_sentence_that_says_what_to_do() -> None:
    assert set(REASON_TEXTS) == set(MissingReason)
    assert all(text.endswith(".") and ":" in text for text in REASON_TEXTS.values())


def test_what_is_not_approved_is_counted_by_the_same_rules(index: PackageIndex) -> None:
    with index:
        others = index.approvable(leaving_out=[RevisionId(guid(1), 3)])
        found = list(audit_revisions(index, others, ContentView(ALL, holding(), without_trace)))

    assert [(one.key, one.is_complete) for one in found] == [
        ((guid(3), 1), False),
        ((guid(4), 1), True),
        ((guid(5), 1), False),
    ]


def test_5000_revisions_are_audited_in_one_go(tmp_path: Path) -> None:
    updates = [Update(n, files=(File(f"{n}.cab"), File("common.cab"))) for n in range(1, 5_001)]
    index_package(writing.write_package(tmp_path / "p", updates), tmp_path / "i")
    view = ContentView(choice=ALL, find=holding(common_cab=100), provenance=without_trace)

    with PackageIndex(tmp_path / "i") as index:
        missing = list(find_missing(index, (update.key for update in updates), view))

    assert [one.update_id for one in missing] == [guid(n) for n in range(1, 5_001)]
