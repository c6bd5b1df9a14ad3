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
from tests.lab.script_bench import Bench, count, package_root

_UPDATE = "{http://schemas.microsoft.com/msus/2002/12/Update}"


def _exported(bench: Bench, name: str = "export") -> tuple[Path, Path]:
    package, log = bench.folder / f"{name}.xml.gz", bench.folder / f"{name}.log"
    outcome = bench.wsusutil("staging", "export", package, log)
    assert outcome.returncode == 0, outcome.stdout
    return package, log


def test_a_package_is_written_in_the_vocabulary_of_wsus(bench: Bench) -> None:
    package, _ = _exported(bench)
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
        held = ElementTree.fromstring(update.findtext("MetaData") or "")
        identity = held.find(f"{_UPDATE}UpdateIdentity")
        assert identity is not None
        assert identity.attrib == {
            "UpdateID": update.attrib["UpdateId"],
            "RevisionNumber": update.attrib["RevisionNumber"],
        }


def test_the_package_holds_every_revision_declined_and_unapproved_ones_too(bench: Bench) -> None:
    package, _ = _exported(bench)
    held = {
        (e.attrib["UpdateId"], int(e.attrib["RevisionNumber"]))
        for e in package_root(package).iterfind("Updates/Update")
    }
    state = bench.state("staging")
    known = {(r["update_id"], r["revision"]) for r in state["revisions"]}
    assert known <= held
    with bench.server("staging") as server:
        assert len(held) == count(server, "SELECT count(*) FROM revision")


def test_the_export_log_names_each_update_with_the_paths_of_its_files(bench: Bench) -> None:
    _, log = _exported(bench)
    root = ElementTree.parse(log).getroot()
    assert root.tag == "ExportLog"
    assert "Time" in root.attrib
    paths = [e.attrib["Path"] for e in root.iterfind("Update/Files/File")]
    for file in bench.state("staging")["files"]:
        assert str(bench.content("staging", file["name"])) in paths
    with bench.server("staging") as server:
        titles = [row[0] for row in server.connection.execute("SELECT title FROM revision")]
    assert sorted(e.attrib["Title"] for e in root.iterfind("Update")) == sorted(titles)


def test_names_that_exist_and_wrong_words_are_refused(bench: Bench) -> None:
    package, log = _exported(bench)
    for words in (
        ("export", package, bench.folder / "new.log"),
        ("export", bench.folder / "new.xml.gz", log),
        ("import", package, log),
        ("import", bench.folder / "nowhere.xml.gz"),
        ("export", bench.folder / "new.xml.gz"),
        ("explode",),
        (),
    ):
        assert bench.wsusutil("staging", *words).returncode == 1, words
    assert not (bench.folder / "new.xml.gz").exists()


def test_an_import_brings_all_revisions_and_a_second_one_finds_them_there(bench: Bench) -> None:
    package, _ = _exported(bench)
    for name, existing in (("first", "False"), ("second", "True")):
        log = bench.folder / f"{name}.log"
        outcome = bench.wsusutil("disconnected", "import", package, log)
        assert outcome.returncode == 0
        assert "service was stopped" in outcome.stdout
        inserted = ElementTree.parse(log).getroot()
        assert inserted.tag == "ImportLog"
        entries = inserted.findall("UpdateInserted")
        states = {
            e.attrib["ExistingUpdate"] for e in entries if e.attrib["RevisionNumber"] != "100"
        }
        assert states == {existing}
    assert bench.state("disconnected")["revisions"] == bench.state("staging")["revisions"]
    with bench.server("disconnected") as server:
        assert server.setting("service_status") == "Running"


def test_what_was_imported_exports_as_it_came(bench: Bench) -> None:
    first, _ = _exported(bench)
    bench.wsusutil("disconnected", "import", first)
    second = bench.folder / "again.xml.gz"
    bench.wsusutil("disconnected", "export", second, bench.folder / "again.log")
    before, after = package_root(first), package_root(second)
    for path in ("Files/File", "Updates/Update"):
        texts = [
            sorted(ElementTree.tostring(element) for element in root.iterfind(path))
            for root in (before, after)
        ]
        assert texts[0] == texts[1]


def test_a_truncated_package_leaves_half_an_import_and_the_whole_one_mends_it(
    bench: Bench,
) -> None:
    package, _ = _exported(bench)
    broken = bench.folder / "broken.xml.gz"
    broken.write_bytes(package.read_bytes()[: package.stat().st_size // 2])
    log = bench.folder / "broken.log"
    outcome = bench.wsusutil("disconnected", "import", broken, log)
    assert outcome.returncode == 1
    assert ElementTree.parse(log).getroot().find("ImportError") is not None
    total = len(bench.state("staging")["revisions"])
    assert 0 < len(bench.state("disconnected")["revisions"]) < total
    assert bench.wsusutil("disconnected", "import", package).returncode == 0
    assert len(bench.state("disconnected")["revisions"]) == total


def test_broken_compression_fails_an_import_in_words_and_the_service_comes_back(
    bench: Bench,
) -> None:
    package, log = bench.folder / "broken.xml.gz", bench.folder / "broken.log"
    package.write_bytes(gzip.compress(b"")[:10] + b"\xff" * 50)
    told = bench.wsusutil("disconnected", "import", package, log)
    assert (told.returncode, told.stderr) == (1, "")
    assert "<ImportError" in log.read_text(encoding="utf-8")
    with bench.server("disconnected") as server:
        assert configuration.service_status(server) == "Running"


def test_a_replica_and_another_protocol_refuse_an_import(bench: Bench) -> None:
    package, _ = _exported(bench)
    lab.tune(bench.folder, "disconnected", "protocol_version", "1.8")
    outcome = bench.wsusutil("disconnected", "import", package, bench.folder / "version.log")
    assert outcome.returncode == 1
    assert "different version" in outcome.stdout
    lab.tune(bench.folder, "disconnected", "protocol_version", "1.20")
    lab.tune(bench.folder, "disconnected", "IsReplicaServer", True)
    outcome = bench.wsusutil("disconnected", "import", package)
    assert outcome.returncode == 1
    assert "centrally managed" in outcome.stdout
    assert bench.state("disconnected")["revisions"] == []


def test_another_format_version_is_refused_with_its_sentence(bench: Bench) -> None:
    package, _ = _exported(bench)
    other = bench.folder / "other.xml.gz"
    text = gzip.decompress(package.read_bytes()).decode()
    other.write_bytes(
        gzip.compress(text.replace('FormatVersion="1.0"', 'FormatVersion="2.0"').encode())
    )
    log = bench.folder / "other.log"
    assert bench.wsusutil("disconnected", "import", other, log).returncode == 1
    error = ElementTree.parse(log).getroot().find("ImportError")
    assert error is not None
    assert "Expected export package version of 1.0" in error.attrib["Message"]


def test_an_import_that_is_killed_leaves_the_service_stopped(bench: Bench) -> None:
    package, _ = _exported(bench)
    bench.fault("disconnected", "wsusutil-hang", on=True)
    process = subprocess.Popen(
        [bench.folder / "disconnected" / "wsusutil", "import", package], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with bench.server("disconnected") as server:
        assert server.setting("service_status") == "Stopped"
    bench.fault("disconnected", "wsusutil-hang", on=False)
    assert bench.wsusutil("disconnected", "import", package).returncode == 0
    with bench.server("disconnected") as server:
        assert server.setting("service_status") == "Running"


def test_it_takes_as_long_as_told(bench: Bench) -> None:
    lab.tune(bench.folder, "staging", "wsusutil_seconds", 1.0)
    began = time.monotonic()
    _exported(bench)
    assert time.monotonic() - began >= 1.0


def test_health_and_inactive_approvals_answer(bench: Bench) -> None:
    healthy = bench.wsusutil("staging", "CheckHealth")
    assert healthy.returncode == 0
    assert "Windows Server Update Services" in healthy.stdout
    assert bench.wsusutil("staging", "listinactiveapprovals").returncode == 0
    bench.fault("staging", "service-down", on=True)
    assert bench.wsusutil("staging", "checkhealth").returncode == 1
