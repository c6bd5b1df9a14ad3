from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy import lab
from deploy.lab import pair
from deploy.lab.rules import configuration
from tests.lab.lab_pair import LabPair, count


def _export(lab_pair: LabPair, name: str) -> tuple[int, Path, Path]:
    package, log = lab_pair.folder / f"{name}.xml.gz", lab_pair.folder / f"{name}.log"
    return lab_pair.wsusutil("staging", "export", package, log).returncode, package, log


def test_every_fault_has_a_name_and_a_line() -> None:
    names = [name for name, _ in lab.faults()]
    assert {
        "package-empty", "package-truncated", "log-error", "exit-code", "service-down",
        "file-rots", "file-vanishes", "disk-full", "host-key", "connection-drops", "wsusutil-hang",
    } <= set(names)  # fmt: skip
    assert all(line and "\n" not in line for _, line in lab.faults())


def test_unknown_faults_sides_and_labs_are_named(lab_pair: LabPair, tmp_path: Path) -> None:
    with pytest.raises(pair.LabError, match="no fault"):
        lab.set_fault(lab_pair.folder, "staging", "gremlins", True)
    with pytest.raises(pair.LabError, match="no side"):
        lab.set_fault(lab_pair.folder, "middle", "exit-code", True)
    with pytest.raises(pair.LabError, match="no lab"):
        lab.state(tmp_path / "nowhere", "staging")


def test_setting_and_clearing_twice_is_the_same_as_once(lab_pair: LabPair) -> None:
    before = lab_pair.state("staging")
    for name, _ in lab.faults():
        for on in (True, True, False, False):
            lab_pair.fault("staging", name, on=on)
    assert lab_pair.state("staging") == before


def test_an_empty_and_a_truncated_package_end_like_good_ones(lab_pair: LabPair) -> None:
    lab_pair.fault("staging", "package-empty", on=True)
    code, package, log = _export(lab_pair, "empty")
    assert (code, package.stat().st_size) == (0, 0)
    assert ElementTree.parse(log).getroot().find("ExportError") is None
    lab_pair.fault("staging", "package-empty", on=False)
    lab_pair.fault("staging", "package-truncated", on=True)
    code, package, _ = _export(lab_pair, "truncated")
    assert code == 0
    with gzip.open(package) as stream, pytest.raises(EOFError):
        stream.read()
    lab_pair.fault("staging", "package-truncated", on=False)
    code, package, _ = _export(lab_pair, "whole")
    assert code == 0
    assert gzip.decompress(package.read_bytes()).rstrip().endswith(b"</ExportPackage>")


def test_an_error_in_the_log_hides_behind_exit_code_0(lab_pair: LabPair) -> None:
    lab_pair.fault("staging", "log-error", on=True)
    code, package, log = _export(lab_pair, "export")
    assert code == 0
    assert ElementTree.parse(log).getroot().find("ExportError") is not None
    lab_pair.fault("disconnected", "log-error", on=True)
    imported = lab_pair.folder / "import.log"
    outcome = lab_pair.wsusutil("disconnected", "import", package, imported)
    assert outcome.returncode == 0
    assert "successfully" in outcome.stdout
    assert ElementTree.parse(imported).getroot().find("ImportError") is not None
    disconnected, staging = lab_pair.state("disconnected"), lab_pair.state("staging")
    assert len(disconnected["revisions"]) == len(staging["revisions"]) - 1


def test_a_bad_exit_code_says_nothing_of_the_work(lab_pair: LabPair) -> None:
    lab_pair.fault("staging", "exit-code", on=True)
    code, package, _ = _export(lab_pair, "export")
    assert code == 1
    lab_pair.fault("disconnected", "exit-code", on=True)
    assert lab_pair.wsusutil("disconnected", "import", package).returncode == 1
    assert lab_pair.state("disconnected")["revisions"] == lab_pair.state("staging")["revisions"]


def test_a_service_that_is_down_stays_down_until_it_is_cleared(lab_pair: LabPair) -> None:
    lab_pair.fault("disconnected", "service-down", on=True)
    with lab_pair.server("disconnected") as server:
        assert configuration.start_service(server) is False
        assert configuration.service_status(server) == "Stopped"
    lab_pair.fault("disconnected", "service-down", on=False)
    with lab_pair.server("disconnected") as server:
        assert configuration.service_status(server) == "Running"


@pytest.mark.parametrize("name", ["file-rots", "file-vanishes", "file-replaced"])
def test_a_file_is_spoilt_and_made_good_again(lab_pair: LabPair, name: str) -> None:
    before = {f["name"]: f for f in lab_pair.state("staging")["files"]}
    times = {n: lab_pair.content("staging", n).stat().st_mtime_ns for n in before}
    lab_pair.fault("staging", name, on=True)
    after = {f["name"]: f for f in lab_pair.state("staging")["files"]}
    wrong = [n for n in before if n not in after or _sha1(lab_pair, n) != n[:40]]
    assert len(wrong) == 1
    spoilt = wrong[0]
    assert before[spoilt]["state"] == "Ready"
    if name == "file-rots":
        assert after[spoilt] == before[spoilt]
        assert lab_pair.content("staging", spoilt).stat().st_mtime_ns == times[spoilt]
    else:
        assert spoilt not in after or after[spoilt]["size_bytes"] != before[spoilt]["size_bytes"]
    lab_pair.fault("staging", name, on=False)
    assert _sha1(lab_pair, spoilt) == spoilt[:40]
    assert lab_pair.state("staging")["files"] == list(before.values())


def _sha1(lab_pair: LabPair, name: str) -> str:
    return hashlib.sha1(lab_pair.content("staging", name).read_bytes()).hexdigest().upper()


def test_no_content_file_is_there_to_rot_on_an_empty_server(lab_pair: LabPair) -> None:
    with pytest.raises(pair.LabError, match="no content file"):
        lab_pair.fault("disconnected", "file-rots", on=True)


def test_a_full_disk_fails_wsusutil_with_the_sentence(lab_pair: LabPair) -> None:
    code, good, _ = _export(lab_pair, "good")
    assert code == 0
    for side in pair.SIDES:
        lab_pair.fault(side, "disk-full", on=True)
    code, _, log = _export(lab_pair, "export")
    assert code == 1
    error = ElementTree.parse(log).getroot().find("ExportError")
    assert error is not None
    assert error.attrib["Message"] == "There is not enough space on the disk."
    assert lab_pair.wsusutil("disconnected", "import", good).returncode == 1
    assert lab_pair.state("disconnected")["revisions"] == []


def test_a_catalogue_that_changes_during_the_export_is_not_all_in_the_package(
    lab_pair: LabPair,
) -> None:
    lab_pair.fault("staging", "catalogue-changes", on=True)
    _, package, _ = _export(lab_pair, "export")
    packed = gzip.decompress(package.read_bytes()).count(b"<Update ")
    with lab_pair.server("staging") as server:
        assert packed < count(server, "SELECT count(*) FROM revision")
