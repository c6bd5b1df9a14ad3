"""What a bundle brings is told by update, from what it carries of each."""

from __future__ import annotations

from pathlib import Path

from tasks.metadata.bundle_contents import BroughtUpdate, describe_brought
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import index_package
from tasks.revision import RevisionId
from tests.metadata import writing
from tests.metadata.writing import File, Update, guid

UPDATES = (
    Update(10, kind="Category", title="Windows 11", deployable=False),
    Update(11, kind="Category", title="Security Updates", deployable=False),
    Update(
        1, 7, title="Bundle", kb="5000001", bundles=((2, 1),), supersedes=(8, 9),
        categories=(10,), classifications=(11,), files=(File("held.cab", 1),),
    ),
    Update(2, 1, deployable=False, files=(File("a.cab", 10), File("b.cab", 20))),
    Update(3, 1, title="Held already", severity="Unspecified", files=(File("held.cab", 1),)),
)  # fmt: skip


def test_only_updates_with_carried_files_are_told(tmp_path: Path) -> None:
    index_package(writing.write_package(tmp_path / "p", UPDATES), tmp_path / "i")
    carried = {File("a.cab").sha1, File("b.cab").sha1}

    with PackageIndex(tmp_path / "i") as index:
        brought = describe_brought(
            index,
            [RevisionId(guid(1), 7), RevisionId(guid(3), 1), RevisionId(guid(77), 1)],
            ContentChoice(languages=None, express=False),
            lambda digest: digest.raw in carried,
        )
        assert list(brought) == [
            BroughtUpdate(
                key=RevisionId(guid(1), 7),
                title="Bundle",
                kb="KB5000001",
                severity="Critical",
                classification="Security Updates",
                products="Windows 11",
                files=2,
                bytes=30,
            )
        ]
