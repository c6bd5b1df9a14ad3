from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy import lab
from deploy.lab import pair
from deploy.lab.rules import configuration
from tests.lab.script_bench import Bench, count


def _export(bench: Bench, name: str) -> tuple[int, Path, Path]:
    package, log = bench.folder / f"{name}.xml.gz", bench.folder / f"{name}.log"
    return bench.wsusutil("staging", "export", package, log).returncode, package, log


def test_every_fault_has_a_name_and_a_line() -> None:
    names = [name for name, _ in lab.faults()]
    assert {
        "package-empty", "package-truncated", "log-error", "exit-code", "service-down",
        "file-rots", "file-vanishes", "disk-full", "host-key", "connection-drops", "wsusutil-hang",
    } <= set(names)  # fmt: skip
    assert all(line and "\n" not in line for _, line in lab.faults())


def test_unknown_faults_sides_and_labs_are_named(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(pair.LabError, match="no fault"):
        lab.set_fault(bench.folder, "staging", "gremlins", True)
    with pytest.raises(pair.LabError, match="no side"):
        lab.set_fault(bench.folder, "middle", "exit-code", True)
    with pytest.raises(pair.LabError, match="no lab"):
        lab.state(tmp_path / "nowhere", "staging")


def test_setting_and_clearing_twice_is_the_same_as_once(bench: Bench) -> None:
    before = bench.state("staging")
    for name, _ in lab.faults():
        for on in (True, True, False, False):
            bench.fault("staging", name, on=on)
    assert bench.state("staging") == before


def test_an_empty_and_a_truncated_package_end_like_good_ones(bench: Bench) -> None:
    bench.fault("staging", "package-empty", on=True)
    code, package, log = _export(bench, "empty")
    assert (code, package.stat().st_size) == (0, 0)
    assert ElementTree.parse(log).getroot().find("ExportError") is None
    bench.fault("staging", "package-empty", on=False)
    bench.fault("staging", "package-truncated", on=True)
    code, package, _ = _export(bench, "truncated")
    assert code == 0
    with gzip.open(package) as stream, pytest.raises(EOFError):
        stream.read()
    bench.fault("staging", "package-truncated", on=False)
    code, package, _ = _export(bench, "whole")
    assert code == 0
    assert gzip.decompress(package.read_bytes()).rstrip().endswith(b"</ExportPackage>")


def test_an_error_in_the_log_hides_behind_exit_code_0(bench: Bench) -> None:
    bench.fault("staging", "log-error", on=True)
    code, package, log = _export(bench, "export")
    assert code == 0
    assert ElementTree.parse(log).getroot().find("ExportError") is not None
    bench.fault("disconnected", "log-error", on=True)
    imported = bench.folder / "import.log"
    outcome = bench.wsusutil("disconnected", "import", package, imported)
    assert outcome.returncode == 0
    assert "successfully" in outcome.stdout
    assert ElementTree.parse(imported).getroot().find("ImportError") is not None
    there, here = bench.state("disconnected"), bench.state("staging")
    assert len(there["revisions"]) == len(here["revisions"]) - 1


def test_a_bad_exit_code_says_nothing_of_the_work(bench: Bench) -> None:
    bench.fault("staging", "exit-code", on=True)
    code, package, _ = _export(bench, "export")
    assert code == 1
    bench.fault("disconnected", "exit-code", on=True)
    assert bench.wsusutil("disconnected", "import", package).returncode == 1
    assert bench.state("disconnected")["revisions"] == bench.state("staging")["revisions"]


def test_a_service_that_is_down_stays_down_until_it_is_cleared(bench: Bench) -> None:
    bench.fault("disconnected", "service-down", on=True)
    with bench.server("disconnected") as server:
        assert configuration.start_service(server) is False
        assert configuration.service_status(server) == "Stopped"
    bench.fault("disconnected", "service-down", on=False)
    with bench.server("disconnected") as server:
        assert configuration.service_status(server) == "Running"


@pytest.mark.parametrize("name", ["file-rots", "file-vanishes", "file-replaced"])
def test_a_file_is_spoilt_and_made_good_again(bench: Bench, name: str) -> None:
    before = {f["name"]: f for f in bench.state("staging")["files"]}
    times = {n: bench.content("staging", n).stat().st_mtime_ns for n in before}
    bench.fault("staging", name, on=True)
    after = {f["name"]: f for f in bench.state("staging")["files"]}
    wrong = [n for n in before if n not in after or _sha1(bench, n) != n[:40]]
    assert len(wrong) == 1
    spoilt = wrong[0]
    assert before[spoilt]["state"] == "Ready"
    if name == "file-rots":
        assert after[spoilt] == before[spoilt]
        assert bench.content("staging", spoilt).stat().st_mtime_ns == times[spoilt]
    else:
        assert spoilt not in after or after[spoilt]["size_bytes"] != before[spoilt]["size_bytes"]
    bench.fault("staging", name, on=False)
    assert _sha1(bench, spoilt) == spoilt[:40]
    assert bench.state("staging")["files"] == list(before.values())


def _sha1(bench: Bench, name: str) -> str:
    return hashlib.sha1(bench.content("staging", name).read_bytes()).hexdigest().upper()


def test_no_content_file_is_there_to_rot_on_an_empty_server(bench: Bench) -> None:
    with pytest.raises(pair.LabError, match="no content file"):
        bench.fault("disconnected", "file-rots", on=True)


def test_a_full_disk_fails_wsusutil_with_the_sentence(bench: Bench) -> None:
    code, good, _ = _export(bench, "good")
    assert code == 0
    for side in pair.SIDES:
        bench.fault(side, "disk-full", on=True)
    code, _, log = _export(bench, "export")
    assert code == 1
    error = ElementTree.parse(log).getroot().find("ExportError")
    assert error is not None
    assert error.attrib["Message"] == "There is not enough space on the disk."
    assert bench.wsusutil("disconnected", "import", good).returncode == 1
    assert bench.state("disconnected")["revisions"] == []


def test_a_catalogue_that_changes_during_the_export_is_not_all_in_the_package(
    bench: Bench,
) -> None:
    bench.fault("staging", "catalogue-changes", on=True)
    _, package, _ = _export(bench, "export")
    held = gzip.decompress(package.read_bytes()).count(b"<Update ")
    with bench.server("staging") as server:
        assert held < count(server, "SELECT count(*) FROM revision")
