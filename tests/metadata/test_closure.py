"""A revision needs its own files, its children's, and what of languages the server keeps."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from itertools import starmap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import Closure, ContentChoice, read_closures
from tasks.metadata.index import index_package
from tasks.revision import RevisionId
from tests.metadata import writing
from tests.metadata.writing import File, Update, guid

EVERYTHING = ContentChoice(languages=None, express=True)
ENGLISH = ContentChoice(languages=frozenset({"en"}), express=False)


def close_over(
    folder: Path, updates: Iterable[Update], wanted: list[tuple[str, int]], choice: ContentChoice
) -> list[Closure]:
    index_package(writing.write_package(folder / "p", updates), folder / "i")
    with PackageIndex(folder / "i") as index:
        return list(read_closures(index, starmap(RevisionId, wanted), choice))


def names(closure: Closure) -> set[str]:
    return {needed.name.text for needed in closure.files}


def content_names(*names: str) -> set[str]:
    return {File(name).content_name for name in names}


BUNDLE = (
    Update(1, 9, title="Bundle", bundles=((2, 1), (3, 1))),
    Update(2, 1, deployable=False, files=(File("a.cab"),), bundles=((4, 5),)),
    Update(3, 1, deployable=False, files=(File("b.cab"), File("shared.cab"))),
    Update(4, 5, deployable=False, files=(File("deep.cab"), File("shared.cab"))),
    Update(4, 6, deployable=False, files=(File("newer.cab"),)),
    Update(5, 1, files=(File("apart.cab"),)),
)


def test_children_are_followed_to_any_depth(tmp_path: Path) -> None:
    (found,) = close_over(tmp_path, BUNDLE, [(guid(1), 9)], EVERYTHING)

    assert names(found) == content_names("a.cab", "b.cab", "shared.cab", "deep.cab")
    assert found.unknown == ()


def test_a_file_is_needed_once_and_files_come_by_sha1(tmp_path: Path) -> None:
    (found,) = close_over(tmp_path, BUNDLE, [(guid(1), 9)], EVERYTHING)

    digests = [needed.name.digest for needed in found.files]
    assert digests == sorted(set(digests))


def test_every_wanted_revision_is_answered_in_order(tmp_path: Path) -> None:
    wanted = [(guid(5), 1), (guid(1), 9), (guid(77), 3), (guid(3), 1)]

    found = close_over(tmp_path, BUNDLE, wanted, EVERYTHING)

    assert [closure.key for closure in found] == wanted
    assert [len(closure.files) for closure in found] == [1, 4, 0, 2]
    assert found[2].unknown == ((guid(77), 3),)


def test_ids_are_taken_in_any_usual_form(tmp_path: Path) -> None:
    (found,) = close_over(tmp_path, BUNDLE, [("{" + guid(5).upper() + "}", 1)], EVERYTHING)

    assert found.key == (guid(5), 1)
    assert names(found) == content_names("apart.cab")


def test_children_that_the_package_lacks_are_named(tmp_path: Path) -> None:
    updates = [Update(1, bundles=((2, 1), (8, 3), (9, None))), Update(2, 1, bundles=((7, 1),))]

    (found,) = close_over(tmp_path, updates, [(guid(1), 1)], EVERYTHING)

    assert found.unknown == ((guid(7), 1), (guid(8), 3), (guid(9), 0))


def test_a_child_without_a_number_is_its_latest_revision(tmp_path: Path) -> None:
    updates = [*BUNDLE, Update(6, bundles=((4, None),))]

    (found,) = close_over(tmp_path, updates, [(guid(6), 1)], EVERYTHING)

    assert names(found) == content_names("newer.cab")


def test_bundles_that_hold_each_other_end(tmp_path: Path) -> None:
    updates = [
        Update(1, bundles=((2, 1),), files=(File("a.cab"),)),
        Update(2, bundles=((1, 1), (2, 1)), files=(File("b.cab"),)),
    ]

    (found,) = close_over(tmp_path, updates, [(guid(1), 1)], EVERYTHING)

    assert names(found) == content_names("a.cab", "b.cab")


LANGUAGES = (
    Update(
        1,
        license_id="x",
        languages=("en", "de", "ja"),
        bundles=((2, 1), (3, 1), (4, 1)),
        files=(
            File("terms_en.txt", language="en", is_license=True),
            File("terms_de.txt", language="de", is_license=True),
            File("terms.txt", language="all", is_license=True),
        ),
    ),
    Update(2, deployable=False, languages=("de",), files=(File("de.cab"),)),
    Update(3, deployable=False, languages=("EN", "fr"), files=(File("en.cab"),)),
    Update(4, deployable=False, files=(File("any.cab"), File("ja.cab", language="ja"))),
)


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (
            None,
            {"terms_en.txt", "terms_de.txt", "terms.txt", "de.cab", "en.cab", "any.cab", "ja.cab"},
        ),
        ({"en"}, {"terms_en.txt", "terms.txt", "en.cab", "any.cab"}),
        ({"DE", "ja"}, {"terms_de.txt", "terms.txt", "de.cab", "any.cab", "ja.cab"}),
        (set(), {"terms.txt", "any.cab"}),
    ],
)
def test_only_enabled_languages_are_needed(
    languages: set[str] | None, expected: set[str], tmp_path: Path
) -> None:
    choice = ContentChoice(languages if languages is None else frozenset(languages), express=False)

    (found,) = close_over(tmp_path, LANGUAGES, [(guid(1), 1)], choice)

    assert names(found) == content_names(*expected)


def test_a_wanted_revision_in_another_language_still_needs_its_files(tmp_path: Path) -> None:
    (found,) = close_over(tmp_path, LANGUAGES, [(guid(2), 1)], ENGLISH)

    assert names(found) == content_names("de.cab")


def test_express_files_are_needed_only_where_they_are_used(tmp_path: Path) -> None:
    update = Update(
        1,
        files=(
            File("full.cab", patching="SelfContained"),
            File("named.cab", patching="Express"),
            File("guessed.psf"),
            File("kept.psf", patching="SelfContained"),
        ),
        listed_only=(File("listed.psf"), File("listed.cab")),
    )

    (without,) = close_over(tmp_path, [update], [(guid(1), 1)], ENGLISH)
    (with_express,) = close_over(tmp_path, [update], [(guid(1), 1)], EVERYTHING)

    assert names(without) == content_names("full.cab", "kept.psf", "listed.cab")
    assert len(with_express.files) == 6


def test_listed_text_of_an_update_with_licence_terms_is_a_licence(tmp_path: Path) -> None:
    update = Update(1, license_id="x", listed_only=(File("eula.txt"), File("a.cab")))
    other = Update(2, listed_only=(File("readme.txt"),))

    first, second = close_over(tmp_path, [update, other], [(guid(1), 1), (guid(2), 1)], EVERYTHING)

    assert {f.name.extension: f.kind for f in first.files} == {"txt": "license", "cab": "payload"}
    assert [f.kind for f in second.files] == ["payload"]


def test_one_licence_text_for_two_languages_is_needed_by_either(tmp_path: Path) -> None:
    same = [File("t.txt", language=code, is_license=True) for code in ("de", "fr")]

    (found,) = close_over(tmp_path, [Update(1, files=tuple(same))], [(guid(1), 1)], ENGLISH)

    assert names(found) == content_names("t.txt")


def test_several_questions_at_once_do_not_mix(tmp_path: Path) -> None:
    index_package(writing.write_package(tmp_path / "p", BUNDLE), tmp_path / "i")
    with PackageIndex(tmp_path / "i") as index:
        first = read_closures(index, [RevisionId(guid(1), 9), RevisionId(guid(5), 1)], EVERYTHING)
        second = read_closures(index, [RevisionId(guid(3), 1)], ENGLISH)
        begun = next(first)
        assert [c.key for c in second] == [(guid(3), 1)]
        assert [begun.key, *(c.key for c in first)] == [(guid(1), 9), (guid(5), 1)]
        (left,) = index.connection.execute("SELECT count(*) FROM wanted").fetchone()
        assert left == 0


def test_a_question_left_open_does_not_outlive_its_index(tmp_path: Path) -> None:
    index_package(writing.write_package(tmp_path / "p", BUNDLE), tmp_path / "i")
    with closing(PackageIndex(tmp_path / "i")) as index:
        unfinished = read_closures(
            index, [RevisionId(guid(1), 9), RevisionId(guid(5), 1)], EVERYTHING
        )
        next(unfinished)
    unfinished.close()  # type: ignore[attr-defined]


def _model(bundles: dict[int, set[int]], start: int) -> set[int]:
    seen, waiting = set[int](), [start]
    while waiting:
        number = waiting.pop()
        if number not in seen and number in bundles:
            seen.add(number)
            waiting += bundles[number]
    return seen


@given(
    bundles=st.dictionaries(
        st.integers(1, 8), st.sets(st.integers(1, 9), max_size=4), min_size=1, max_size=8
    )
)
@settings(max_examples=40)
def test_the_closure_equals_a_walk_over_the_graph(
    bundles: dict[int, set[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    updates = [
        Update(n, files=(File(f"{n}.cab"),), bundles=tuple((child, 1) for child in children))
        for n, children in bundles.items()
    ]

    found = close_over(
        tmp_path_factory.mktemp("graph"), updates, [(guid(n), 1) for n in bundles], EVERYTHING
    )

    for closure, start in zip(found, bundles, strict=True):
        reached = _model(bundles, start)
        assert names(closure) == content_names(*(f"{n}.cab" for n in reached))
        lacking = {child for n in reached for child in bundles[n]} - bundles.keys()
        assert set(closure.unknown) == {(guid(n), 1) for n in lacking}
