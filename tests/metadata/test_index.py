"""The index answers as the package says, and is there whole or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.content.names import ContentDigest, ContentName
from tasks.errors import DiskFullError, HostFileError, PackageError
from tasks.metadata import schema
from tasks.metadata.catalogue import PackageIndex, RevisionRecord
from tasks.metadata.index import PackageSummary, extension_of, index_package
from tasks.revision import RevisionId
from tests.metadata import writing
from tests.metadata.writing import File, Update, guid

SHARED = File("shared.cab", 10)
UPDATES = (
    Update(10, kind="Category", title="Windows 11", deployable=False),
    Update(11, kind="Category", title="Security Updates", deployable=False),
    Update(12, kind="Detectoid", title="x64", deployable=False),
    Update(2, 1, title="Child", deployable=False, files=(SHARED, File("a.msu", 4))),
    Update(3, 1, title="Child that can stand alone", files=(SHARED,)),
    Update(1, 100, title="Old", supersedes=(4,)),
    Update(
        1, 101, title="New", kb="5000001", bundles=((2, 1), (3, 1)), supersedes=(4, 5),
        categories=(10,), classifications=(11,), requires=(12,),
    ),
    Update(4, 1, title="Superseded", listed_only=(File("b.esd", has_key=True),)),
)  # fmt: skip


@pytest.fixture
def index(tmp_path: Path) -> PackageIndex:
    package = writing.write_package(tmp_path / "p.xml.gz", UPDATES)
    index_package(package, tmp_path / "state" / "index.sqlite")
    return PackageIndex(tmp_path / "state" / "index.sqlite")


def test_the_summary_counts_and_is_kept(index: PackageIndex, tmp_path: Path) -> None:
    with index:
        summary = index.summary

    assert (summary.revisions, summary.updates, summary.files) == (8, 7, 3)
    assert summary.unmapped_files == 0
    assert summary.languages == ("de", "en")
    assert summary.server_id == writing.SERVER_ID
    assert summary.package_bytes == (tmp_path / "p.xml.gz").stat().st_size
    assert PackageSummary.model_validate_json(summary.model_dump_json()) == summary


def test_a_revision_is_found_by_its_key(index: PackageIndex) -> None:
    with index:
        assert index.revision(guid(1), 101) == RevisionRecord(
            update_id=guid(1),
            revision=101,
            title="New",
            kb="KB5000001",
            update_type="Software",
            severity="Critical",
            publication="Published",
            created="2026-01-02T03:04:05Z",
            license_id="",
            is_category=False,
            is_hidden=False,
        )
        assert index.revision(guid(1), 102) is None
        assert index.revision(guid(77), 1) is None


def test_the_latest_revision_is_the_highest(index: PackageIndex) -> None:
    with index:
        latest = index.latest(guid(1))
        assert latest is not None
        assert latest.key == RevisionId(guid(1), 101)
        assert index.latest(guid(99)) is None


def test_only_children_that_cannot_stand_alone_are_hidden(index: PackageIndex) -> None:
    with index:
        hidden = {record.title for record in index.revisions() if record.is_hidden}

    assert hidden == {"Child"}


def test_approvable_are_latest_revisions_of_what_people_see(index: PackageIndex) -> None:
    with index:
        everything = list(index.approvable())
        rest = list(
            index.approvable(leaving_out=[RevisionId(guid(1), 100), RevisionId(guid(3), 1)])
        )

    assert everything == [(guid(1), 101), (guid(3), 1), (guid(4), 1)]
    assert rest == [(guid(4), 1)]


def test_what_supersedes_an_update_is_known(index: PackageIndex) -> None:
    with index:
        assert [r.revision for r in index.superseders(guid(4))] == [100, 101]
        assert [r.revision for r in index.superseders(guid(5))] == [101]
        assert index.superseders(guid(1)) == ()


def test_product_and_classification_have_titles(index: PackageIndex) -> None:
    with index:
        assert index.titles_of(guid(1), 101, "category") == ("Windows 11",)
        assert index.titles_of(guid(1), 101, "classification") == ("Security Updates",)
        assert index.titles_of(guid(4), 1, "category") == ()


def test_files_come_by_sha1_each_once(index: PackageIndex) -> None:
    with index:
        files = list(index.files())
        shared = index.file(ContentDigest(SHARED.sha1))
        nothing = index.file(ContentDigest(bytes(20)))

    assert [f.name.digest.raw for f in files] == sorted(f.name.digest.raw for f in files)
    assert {f.name.text: (f.size_bytes, f.has_decryption_key) for f in files} == {
        SHARED.content_name: (10, False),
        File("a.msu").content_name: (4, False),
        File("b.esd").content_name: (None, True),
    }
    assert shared is not None
    assert shared.name == ContentName(ContentDigest(SHARED.sha1), "cab")
    assert nothing is None


def test_sizes_that_contradict_each_other_are_worth_nothing(tmp_path: Path) -> None:
    liar = [Update(1, files=(File("x.cab", 5),)), Update(2, files=(File("x.cab", 6),))]
    index_package(writing.write_package(tmp_path / "p", liar), tmp_path / "i")

    with PackageIndex(tmp_path / "i") as index:
        assert [file.size_bytes for file in index.files()] == [None]


def test_files_that_the_map_lacks_are_counted(tmp_path: Path) -> None:
    update = Update(1, files=(File("x.cab"), File("y.cab", is_mapped=False)))
    summary = index_package(writing.write_package(tmp_path / "p", [update]), tmp_path / "i")

    assert (summary.files, summary.unmapped_files) == (2, 1)


def test_the_same_revision_twice_is_refused(tmp_path: Path) -> None:
    package = writing.write_package(tmp_path / "p", [Update(1), Update(1)])

    with pytest.raises(PackageError, match="same revision of an update twice"):
        index_package(package, tmp_path / "i")

    assert not list(tmp_path.glob("i*"))


def test_a_bad_package_leaves_the_older_index_alone(index: PackageIndex, tmp_path: Path) -> None:
    database = tmp_path / "state" / "index.sqlite"
    before = database.read_bytes()
    bad = writing.write(tmp_path / "bad", writing.package_xml(UPDATES)[:-30])
    index.close()

    with pytest.raises(PackageError):
        index_package(bad, database)

    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == ["index.sqlite"]


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "i.partial").write_bytes(b"half a database")

    index_package(writing.write_package(tmp_path / "p", UPDATES), tmp_path / "i")

    with PackageIndex(tmp_path / "i") as index:
        assert index.summary.revisions == 8
    assert not (tmp_path / "i.partial").exists()


def test_a_full_disk_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = schema.WRITING + "PRAGMA max_page_count = 8;"
    monkeypatch.setattr(schema, "WRITING", small)
    updates = [Update(n, title=f"{n}" * 200) for n in range(600)]

    with pytest.raises(DiskFullError):
        index_package(writing.write_package(tmp_path / "p", updates), tmp_path / "i")

    assert not list(tmp_path.glob("i*"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HostFileError, match="file"):
        index_package(
            writing.write_package(tmp_path / "p", UPDATES), tmp_path / "file" / "index.sqlite"
        )


@pytest.mark.parametrize("content", [None, b"", b"no database", "other"])
def test_what_is_no_index_is_refused(content: bytes | str | None, tmp_path: Path) -> None:
    path = tmp_path / "i"
    if content == "other":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE package (summary TEXT)")
        connection.close()
    elif isinstance(content, bytes):
        path.write_bytes(content)

    with pytest.raises(PackageError, match="index cannot be read"):
        PackageIndex(path)


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.cab", "cab"),
        ("A.CAB", "CAB"),
        ("windows10.0-kb5.x64.msu", "msu"),
        ("noextension", ""),
        ("a.muchtoolongextension", ""),
        ("a.msixbundle", "msixbundle"),
        ("a.cab-1", "cab-1"),
        ("a.c/b", ""),
        ("a.exe ", ""),
        ("../../x.txt", "txt"),
        ("a.", ""),
        ("a.cab\n", ""),
        ("", ""),
    ],
)
def test_an_extension_is_short_and_plain(name: str, extension: str) -> None:
    assert extension_of(name) == extension


KEYS = st.tuples(st.integers(1, 6), st.integers(1, 3))


@given(
    updates=st.dictionaries(
        KEYS,
        st.tuples(st.text("ab <&'\"日", max_size=6), st.sets(st.integers(1, 6), max_size=3)),
        max_size=12,
    )
)
@settings(max_examples=40)
def test_revisions_and_supersedence_equal_a_model(
    updates: dict[tuple[int, int], tuple[str, set[int]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("model")
    package = writing.write_package(
        folder / "p",
        [
            Update(number, revision, title=title, supersedes=tuple(older))
            for (number, revision), (title, older) in updates.items()
        ],
    )

    index_package(package, folder / "i")

    with PackageIndex(folder / "i") as index:
        assert {r.key: r.title for r in index.revisions()} == {
            (guid(number), revision): " ".join(title.split())
            for (number, revision), (title, _) in updates.items()
        }
        for older in range(1, 7):
            assert [r.key for r in index.superseders(guid(older))] == sorted(
                (guid(number), revision)
                for (number, revision), (_, replaced) in updates.items()
                if older in replaced
            )
