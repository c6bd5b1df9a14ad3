"""UpdateServicesPackages of the staging server: what is carried, who signed it, what stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tasks.approvals.capture import read_decisions
from tasks.errors import AirGapError, HostFileError
from tasks.exporting.local_packages_out import report_packages, with_local_packages
from tasks.hosts.host import FileHash
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.run.report import ReportDraft
from tests.content.test_cab_signature import OWN, cabinet, signed
from tests.exporting.staging_side import StagingSide
from tests.metadata.writing import guid
from tests.support.bundles import write_content
from tests.support.runs import site_with

FOLDER = "0a1b2c3d-1234-5678-9abc-def012345678"
SIGNED = cabinet(signed(OWN))


@pytest.fixture
def packages(side: StagingSide, tmp_path: Path) -> Path:
    """A folder of packages that the site file names, with one signed package."""
    folder = tmp_path / "UpdateServicesPackages"
    (folder / FOLDER).mkdir(parents=True)
    (folder / FOLDER / "a_1.cab").write_bytes(SIGNED)
    set_folder(side, folder)
    return folder


def set_folder(side: StagingSide, folder: Path) -> None:
    side.run.site = site_with(side.run.site, "server", packages_dir=str(folder))


def test_without_the_key_nothing_is_carried(side: StagingSide) -> None:
    decisions = side.look().decisions
    assert with_local_packages(side.run, decisions) is decisions


def test_each_file_is_named_with_its_signer_and_what_has_no_content_file_stays(
    side: StagingSide, packages: Path
) -> None:
    write_content(side.content_dir, SIGNED)
    (packages / FOLDER / "b_1.cab").write_bytes(b"not approved")
    (packages / FOLDER / "notes of an admin.txt").write_bytes(b"x")
    (packages / "lost+found").mkdir()
    (packages / "lost+found" / "x.cab").write_bytes(b"x")
    view = side.look()
    decisions = with_local_packages(side.run, view.decisions)
    carried = decisions.approval_set.packages
    assert [package.file for package in carried] == ["a_1.cab", "b_1.cab"]
    assert [package.signer for package in carried] == ["CN=WSUS Publishers Self-signed", ""]
    assert any("2 names" in line for line in side.run.report.lines)

    report = ReportDraft()
    report_packages(report, decisions, view.content)
    text = "\n".join(report.lines)
    assert "1 file of UpdateServicesPackages go" in text
    assert "Trusted Publishers" in text
    assert f"{FOLDER}/b_1.cab" in text
    assert not report.is_flagged


def test_a_file_that_has_not_changed_is_not_read_again(
    side: StagingSide, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = with_local_packages(side.run, side.look().decisions)
    monkeypatch.setattr(side.run.server, "hash_files", lambda _: pytest.fail("read again"))
    assert with_local_packages(side.run, side.look().decisions) == first
    assert packages.is_dir()


class Locked(LocalHost):
    """This machine, on which one file cannot be read until it is unlocked."""

    locked: str | None = "b_1.cab"

    def hash_files(
        self, paths: Sequence[HostPath]
    ) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
        for path in paths:
            if path.name == self.locked:
                yield path, HostFileError(operation="read", path=path, reason="it is locked")
            else:
                yield from super().hash_files([path])


def test_one_file_that_cannot_be_read_is_named_and_the_others_go_along(
    side: StagingSide, packages: Path
) -> None:
    for name in ("b_1.cab", "c_1.cab"):
        (packages / FOLDER / name).write_bytes(name.encode())
    side.run.server = server = Locked()
    carried = with_local_packages(side.run, side.look().decisions).approval_set.packages
    assert [package.file for package in carried] == ["a_1.cab", "c_1.cab"]
    (notice,) = side.run.report.notices
    assert "b_1.cab is not carried" in notice
    assert "it is locked" in notice
    assert side.run.report.is_flagged

    server.locked, side.run.report = None, ReportDraft()
    carried = with_local_packages(side.run, side.look().decisions).approval_set.packages
    assert [package.file for package in carried] == ["a_1.cab", "b_1.cab", "c_1.cab"]
    assert not side.run.report.is_flagged


def test_a_folder_that_is_not_there_is_named_and_the_export_goes_on(side: StagingSide) -> None:
    set_folder(side, side.content_dir.parent / "nowhere")
    decisions = with_local_packages(side.run, side.look().decisions)
    assert decisions.approval_set.packages == ()
    assert "nowhere" in side.run.report.notices[0]


def test_what_wsusutil_loses_of_published_updates_stands_in_the_report(side: StagingSide) -> None:
    update = {
        "update_id": guid(1), "revision": 1, "state": "Ready", "license_required": False,
        "license_accepted": False, "superseded": False, "expired": False, "latest": True,
    }  # fmt: skip
    lines = [{"kind": "update", **update, "local": is_local} for is_local in (True, False)]
    lines[1]["revision"] = 2
    report = ReportDraft()
    report_packages(report, read_decisions(lines), side.look().content)
    assert [line[:20] for line in report.lines] == ["1 approved update wa"]
