"""A volume that was lost is made again alone: the same bytes, under the same seal."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tasks.errors import FailedError
from tasks.exporting import export_bundle
from tests.exporting.staging_side import StagingSide
from tests.metadata.writing import File
from tests.support.bundles import write_content
from tests.support.runs import site_with


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def three_volumes(side: StagingSide) -> StagingSide:
    """A staging side whose next bundle has several volumes."""
    side.run.site = site_with(side.run.site, "media", volume_bytes=145_000)
    draw = random.Random(1)
    for _ in range(8):
        write_content(side.content_dir, draw.randbytes(30_000))
    return side


def test_a_lost_volume_is_made_again_with_the_same_bytes_and_number(
    three_volumes: StagingSide,
) -> None:
    side = three_volumes
    made = side.seal()
    before = bytes_below(made.bundle)
    assert len(list(made.bundle.iterdir())) >= 3
    others = {path: path.stat().st_ino for path in (made.bundle / "volume-001").rglob("*.cab")}
    shutil.rmtree(made.bundle / "volume-002")

    draft = side.open()
    assert (draft.sequence, draft.is_committed, draft.is_sealed) == (made.sequence, True, False)
    assert "volume 2 of alpha-1" in side.run.report.lines[-1]
    export_bundle.seal(side.run, draft, side.pack(draft), side.facts)

    assert bytes_below(made.bundle) == before
    assert {path: path.stat().st_ino for path in others} == others  # only the lost one was written
    assert side.status_of(made) == "sealed"
    assert side.open().is_sealed


def test_a_volume_that_cannot_be_made_again_leaves_the_bundle_sealed(
    three_volumes: StagingSide,
) -> None:
    side = three_volumes
    made = side.seal()
    shutil.rmtree(made.bundle / "volume-002")
    draft = side.open()
    for path in side.content_dir.rglob("*.cab"):
        path.unlink()
    with pytest.raises(FailedError, match="can no longer be made as they were"):
        export_bundle.seal(side.run, draft, side.pack(draft), side.facts)
    assert side.status_of(made) == "sealed"

    # What changed since makes another bundle, as ever.
    side.write_file(File("new.cab"))
    assert side.open().sequence == made.sequence + 1
