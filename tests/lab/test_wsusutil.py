from __future__ import annotations

import base64
import gzip
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

from deploy import lab
from deploy.lab.rules import configuration
from tests.lab.lab_pair import LabPair, count, package_root

_UPDATE = "{http://schemas.microsoft.com/msus/2002/12/Update}"


def _exported(lab_pair: LabPair, name: str = "export") -> tuple[Path, Path]:
    package, log = lab_pair.folder / f"{name}.xml.gz", lab_pair.folder / f"{name}.log"
    outcome = lab_pair.wsusutil("staging", "export", package, log)
    assert outcome.returncode == 0, outcome.stdout
    return package, log


def test_a_package_is_written_in_the_vocabulary_of_wsus(lab_pair: LabPair) -> None:
    package, _ = _exported(lab_pair)
    root = package_root(package)
    assert root.tag == "ExportPackage"
    assert set(root.attrib) == {"ServerID", "CreationTime", "FormatVersion", "ProtocolVersion"}
    assert [child.tag for child in root] == ["Languages", "Files", "Updates"]
    assert {tuple(sorted(e.attrib)) for e in root.iterfind("Languages/*")} == {
        ("Enabled", "Id", "LongName", "ShortName")
    }
    enabled = {e.attrib["ShortName"] for e in root.iterfind("Languages/*[@Enabled='1']")}
    assert enabled == {"de", "en", "ja"}
    mapped = {e.attrib["Digest"] for e in root.iterfind("Files/File")}
    assert any("DecryptionKey" in e.attrib for e in root.iterfind("Files/File"))
    assert all(len(base64.b64decode(digest)) == 20 for digest in mapped)
    for update in root.iterfind("Updates/Update"):
        assert {e.attrib["Digest"] for e in update.iterfind("Files/File")} <= mapped
        metadata = ElementTree.fromstring(update.findtext("MetaData") or "")
        identity = metadata.find(f"{_UPDATE}UpdateIdentity")
        assert identity is not None
        assert identity.attrib["UpdateID"].lower() == update.attrib["UpdateId"]
        assert identity.attrib["RevisionNumber"] == update.attrib["RevisionNumber"]


def test_the_package_holds_every_revision_declined_and_unapproved_ones_too(
    lab_pair: LabPair,
) -> None:
    package, _ = _exported(lab_pair)
    packed = {
        (e.attrib["UpdateId"], int(e.attrib["RevisionNumber"]))
        for e in package_root(package).iterfind("Updates/Update")
    }
    state = lab_pair.state("staging")
    stored = {(r["update_id"], r["revision"]) for r in state["revisions"]}
    assert stored <= packed
    with lab_pair.server("staging") as server:
        assert len(packed) == count(server, "SELECT count(*) FROM revision")


def test_the_export_log_names_each_update_with_the_paths_of_its_files(lab_pair: LabPair) -> None:
    _, log = _exported(lab_pair)
    root = ElementTree.parse(log).getroot()
    assert root.tag == "ExportLog"
    assert "Time" in root.attrib
    paths = [e.attrib["Path"] for e in root.iterfind("Update/Files/File")]
    for file in lab_pair.state("staging")["files"]:
        assert str(lab_pair.content("staging", file["name"])) in paths
    with lab_pair.server("staging") as server:
        titles = [row[0] for row in server.connection.execute("SELECT title FROM revision")]
    assert sorted(e.attrib["Title"] for e in root.iterfind("Update")) == sorted(titles)


def test_names_that_exist_and_wrong_words_are_refused(lab_pair: LabPair) -> None:
    package, log = _exported(lab_pair)
    for words in (
        ("export", package, lab_pair.folder / "new.log"),
        ("export", lab_pair.folder / "new.xml.gz", log),
        ("import", package, log),
        ("import", lab_pair.folder / "nowhere.xml.gz"),
        ("export", lab_pair.folder / "new.xml.gz"),
        ("explode",),
        (),
    ):
        assert lab_pair.wsusutil("staging", *words).returncode == 1, words
    assert not (lab_pair.folder / "new.xml.gz").exists()


def test_an_import_brings_all_revisions_and_a_second_one_finds_them_there(
    lab_pair: LabPair,
) -> None:
    package, _ = _exported(lab_pair)
    for name, existing in (("first", "False"), ("second", "True")):
        log = lab_pair.folder / f"{name}.log"
        outcome = lab_pair.wsusutil("disconnected", "import", package, log)
        assert outcome.returncode == 0
        assert "service was stopped" in outcome.stdout
        inserted = ElementTree.parse(log).getroot()
        assert inserted.tag == "ImportLog"
        entries = inserted.findall("UpdateInserted")
        states = {
            e.attrib["ExistingUpdate"] for e in entries if e.attrib["RevisionNumber"] != "100"
        }
        assert states == {existing}
    assert lab_pair.state("disconnected")["revisions"] == lab_pair.state("staging")["revisions"]
    with lab_pair.server("disconnected") as server:
        assert server.setting("service_status") == "Running"


def test_what_was_imported_exports_as_it_came(lab_pair: LabPair) -> None:
    first, _ = _exported(lab_pair)
    lab_pair.wsusutil("disconnected", "import", first)
    second = lab_pair.folder / "again.xml.gz"
    lab_pair.wsusutil("disconnected", "export", second, lab_pair.folder / "again.log")
    before, after = package_root(first), package_root(second)
    for path in ("Files/File", "Updates/Update"):
        texts = [
            sorted(ElementTree.tostring(element) for element in root.iterfind(path))
            for root in (before, after)
        ]
        assert texts[0] == texts[1]


def test_a_truncated_package_leaves_half_an_import_and_the_whole_one_mends_it(
    lab_pair: LabPair,
) -> None:
    package, _ = _exported(lab_pair)
    broken = lab_pair.folder / "broken.xml.gz"
    broken.write_bytes(package.read_bytes()[: package.stat().st_size // 2])
    log = lab_pair.folder / "broken.log"
    outcome = lab_pair.wsusutil("disconnected", "import", broken, log)
    assert outcome.returncode == 1
    assert ElementTree.parse(log).getroot().find("ImportError") is not None
    total = len(lab_pair.state("staging")["revisions"])
    assert 0 < len(lab_pair.state("disconnected")["revisions"]) < total
    assert lab_pair.wsusutil("disconnected", "import", package).returncode == 0
    assert len(lab_pair.state("disconnected")["revisions"]) == total


def test_broken_compression_fails_an_import_in_words_and_the_service_comes_back(
    lab_pair: LabPair,
) -> None:
    package, log = lab_pair.folder / "broken.xml.gz", lab_pair.folder / "broken.log"
    package.write_bytes(gzip.compress(b"")[:10] + b"\xff" * 50)
    told = lab_pair.wsusutil("disconnected", "import", package, log)
    assert (told.returncode, told.stderr) == (1, "")
    assert "<ImportError" in log.read_text(encoding="utf-8")
    with lab_pair.server("disconnected") as server:
        assert configuration.service_status(server) == "Running"


def test_a_replica_and_another_protocol_refuse_an_import(lab_pair: LabPair) -> None:
    package, _ = _exported(lab_pair)
    lab.tune(lab_pair.folder, "disconnected", "protocol_version", "1.8")
    outcome = lab_pair.wsusutil("disconnected", "import", package, lab_pair.folder / "version.log")
    assert outcome.returncode == 1
    assert "different version" in outcome.stdout
    lab.tune(lab_pair.folder, "disconnected", "protocol_version", "1.20")
    lab.tune(lab_pair.folder, "disconnected", "IsReplicaServer", True)
    outcome = lab_pair.wsusutil("disconnected", "import", package)
    assert outcome.returncode == 1
    assert "centrally managed" in outcome.stdout
    assert lab_pair.state("disconnected")["revisions"] == []


def test_another_format_version_is_refused_with_its_sentence(lab_pair: LabPair) -> None:
    package, _ = _exported(lab_pair)
    other = lab_pair.folder / "other.xml.gz"
    text = gzip.decompress(package.read_bytes()).decode()
    other.write_bytes(
        gzip.compress(text.replace('FormatVersion="1.0"', 'FormatVersion="2.0"').encode())
    )
    log = lab_pair.folder / "other.log"
    assert lab_pair.wsusutil("disconnected", "import", other, log).returncode == 1
    error = ElementTree.parse(log).getroot().find("ImportError")
    assert error is not None
    assert "Expected export package version of 1.0" in error.attrib["Message"]


def test_an_import_that_is_killed_leaves_the_service_stopped(lab_pair: LabPair) -> None:
    package, _ = _exported(lab_pair)
    lab_pair.fault("disconnected", "wsusutil-hang", on=True)
    process = subprocess.Popen(
        [lab_pair.folder / "disconnected" / "wsusutil", "import", package], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with lab_pair.server("disconnected") as server:
        assert server.setting("service_status") == "Stopped"
    lab_pair.fault("disconnected", "wsusutil-hang", on=False)
    assert lab_pair.wsusutil("disconnected", "import", package).returncode == 0
    with lab_pair.server("disconnected") as server:
        assert server.setting("service_status") == "Running"


def test_it_takes_as_long_as_told(lab_pair: LabPair) -> None:
    lab.tune(lab_pair.folder, "staging", "wsusutil_seconds", 1.0)
    began = time.monotonic()
    _exported(lab_pair)
    assert time.monotonic() - began >= 1.0


def test_health_and_inactive_approvals_answer(lab_pair: LabPair) -> None:
    healthy = lab_pair.wsusutil("staging", "CheckHealth")
    assert healthy.returncode == 0
    assert "Windows Server Update Services" in healthy.stdout
    assert lab_pair.wsusutil("staging", "listinactiveapprovals").returncode == 0
    lab_pair.fault("staging", "wsusutil-fails", on=True)
    for verb in ("listinactiveapprovals", "checkhealth"):
        assert lab_pair.wsusutil("staging", verb).returncode == 1
    lab_pair.fault("staging", "wsusutil-fails", on=False)
    lab_pair.fault("staging", "service-down", on=True)
    assert lab_pair.wsusutil("staging", "checkhealth").returncode == 1
