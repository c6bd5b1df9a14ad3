"""What a bundle brings, and what will be missing over there, said before the trip."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace

import pytest

from tasks.approvals.model import Action, Approval
from tasks.bundle.manifest import read_entries
from tasks.exporting import export_bundle
from tasks.exporting.draft import Draft
from tasks.exporting.export_summary import describe_bundle, predict_missing
from tasks.hosts.host import Space
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.metadata.audit import MissingReason
from tests.approvals.building import SERVERS
from tests.exporting.staging_side import StagingSide
from tests.metadata.writing import File, Update, guid
from tests.support.bad_disk import BadDisk, failing

A, B, ROTTEN, LACKING = (File(f"{name}.cab", size=5) for name in "abrl")
SHARED = File("s.cab", size=5)


def install(number: int) -> Approval:
    return Approval(update_id=guid(number), revision=1, group=SERVERS, action=Action.INSTALL)


@pytest.fixture
def catalogue(side: StagingSide) -> StagingSide:
    """Updates with a file in place, a rotten one, one that never came, and none; one unapproved."""
    side.updates = [
        Update(1, title="whole", files=(A, SHARED)),
        Update(2, title="rotten", files=(ROTTEN, SHARED)),
        Update(3, title="lacking", files=(LACKING,)),
        Update(4, title="no files"),
        Update(5, title="unapproved", files=(B,)),
    ]
    side.decided = [install(number) for number in (1, 2, 3, 4)]
    for file in (A, B, SHARED):
        side.write_file(file)
    path = side.write_file(ROTTEN)
    path.write_bytes(b"rot!!")
    os.utime(path, (1, 1))
    return side


def test_what_approved_updates_lack_is_named_with_its_reason_before_the_trip(
    catalogue: StagingSide,
) -> None:
    draft = catalogue.seal()
    missing = predict_missing(
        catalogue.run.report, draft, catalogue.look(), catalogue.run.look_up_in(draft.manifest)
    )
    assert [(each.title, each.file, each.reason) for each in missing] == [
        ("rotten", ROTTEN.content_name, MissingReason.WRONG_DIGEST),
        ("lacking", LACKING.content_name, MissingReason.NEVER_DOWNLOADED),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="names descriptors by /proc")
@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.EACCES, MissingReason.READ_FAILED), (errno.EIO, MissingReason.READ_FAILED)],
)
def test_a_file_that_is_locked_or_unreadable_while_it_is_packed_is_named_so(
    catalogue: StagingSide, code: int, reason: MissingReason
) -> None:
    locked = catalogue.content_dir / A.content_name[38:40] / A.content_name
    with failing(BadDisk(locked, "open", 1, code, is_gone=False)):
        draft = catalogue.seal()
    assert _missing(catalogue, draft)["whole"] == reason
    assert len(list(read_entries(draft.manifest))) == 3, "the others were not carried"


def test_a_file_that_vanishes_while_a_bundle_is_packed_is_named_so(catalogue: StagingSide) -> None:
    draft = catalogue.open()
    listed = catalogue.look()
    (catalogue.content_dir / A.content_name[38:40] / A.content_name).unlink()
    catalogue.look = lambda: listed  # type: ignore[method-assign]  # as the scan before saw it
    export_bundle.seal(catalogue.run, draft, catalogue.pack(draft), catalogue.facts)
    assert _missing(catalogue, draft)["whole"] == MissingReason.VANISHED


def _missing(side: StagingSide, draft: Draft) -> dict[str, MissingReason]:
    missing = predict_missing(
        side.run.report, draft, side.look(), side.run.look_up_in(draft.manifest)
    )
    return {each.title: each.reason for each in missing}


class Sizeless(LocalHost):
    """A medium whose file system does not report its free space."""

    def space(self, path: HostPath) -> Space:
        return replace(super().space(path), free_bytes=None)


def test_a_medium_that_reports_no_size_is_tried_and_that_is_said(catalogue: StagingSide) -> None:
    catalogue.run.media = Sizeless()
    draft = catalogue.seal()
    assert catalogue.header_of(draft).is_file()
    (notice,) = (text for text in catalogue.run.report.notices if "free space" in text)
    assert "does not report its free space; the export is tried" in notice


def test_a_bundle_is_described_by_the_approved_updates_whose_files_it_carries(
    catalogue: StagingSide,
) -> None:
    draft = catalogue.seal()
    describe_bundle(catalogue.run.report, draft, catalogue.run.look_up_in(draft.manifest))
    (section,) = catalogue.run.report.sections
    assert {row[0]: row[6:8] for row in section.rows} == {
        "whole": (2, 10), "rotten": (1, 5), "lacking": (0, 0), "no files": (0, 0),
    }  # fmt: skip
    notes = catalogue.run.report.notes
    # All that staging holds is carried, approved or not, but the rotten file.
    assert (notes["files"], notes["bytes"]) == (4, 20)


def test_what_the_base_has_is_not_brought_again_and_nothing_of_it_is_missing(
    catalogue: StagingSide,
) -> None:
    first = catalogue.seal()
    catalogue.run.exports.accept(first.sequence, receipt=None, now=catalogue.now)
    catalogue.updates.append(Update(6, title="new", files=(File("n.cab", size=5),)))
    catalogue.decided.append(install(6))
    catalogue.write_file(File("n.cab"))

    draft = catalogue.seal()
    describe_bundle(catalogue.run.report, draft, catalogue.run.look_up_in(draft.manifest))

    assert draft.base == 1
    (section,) = catalogue.run.report.sections
    assert [row[0] for row in section.rows] == ["new"]
    titles = {
        each.title
        for each in predict_missing(
            catalogue.run.report, draft, catalogue.look(), catalogue.run.look_up_in(draft.manifest)
        )
    }
    assert titles == {"rotten", "lacking"}
