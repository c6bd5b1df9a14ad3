"""``check`` on both sides of a lab, and the check that comes before an export and an import."""

from __future__ import annotations

import html
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.rules import network
from tasks.ledger.findings import AcceptedFindings
from tasks.ledger.store import Ledger
from tests.support import needs
from tests.support.labs import ROOT, STAND_IN, Lab, Result, make_lab

# Of a few knobs the finding that is named first, end to end; tests/checks has every knob.
FIRST = {
    "account-rights": "account-rights",
    "account-unknown": None,
    "execution-policy": "execution-policy",
    "language-mode": "language-mode",
    "history-old": "synchronisation-old",
    "schedule": None,  # staging may synchronise by itself
    "no-products": "succeeded-nothing-new",
    "database-busy": "database-synchronisation",
}
# Takes down every address that the command connects to, and every name that it looks up.
_TRACE = """
import os, sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
                 "socket.gethostbyaddr", "socket.getnameinfo"):
        where = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        with open(os.environ["TRACE_FILE"], "a") as trace:
            trace.write(f"{event} {where!r}\\n")
sys.addaudithook(hook)
"""
# By these calls a process reaches another machine, or starts a program.
_CALLS = "connect,sendto,sendmsg,sendmmsg,execve"
_STRACE = ("strace", "-f", "-qq", "--seccomp-bpf", "-s", "512", "-e", f"trace={_CALLS}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        folder = tmp_path_factory.mktemp("check")
        yield make_lab(folder / "lab", api_url=shared_api, updates=20, content_bytes=200_000)


def findings(result: Result) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = result.document["findings"]
    return listed


def ids(result: Result) -> list[str]:
    return [finding["id"] for finding in findings(result)]


@pytest.mark.parametrize("side", ["staging", "disconnected"])
def test_a_healthy_server_has_no_findings_and_is_left_as_it_is(lab: Lab, side: str) -> None:
    before = lab.snapshot(side)
    result = lab.run(side, "check", expect=0)
    assert findings(result) == []
    assert "nothing" in result.stderr.splitlines()[-1].lower()
    assert lab.snapshot(side) == before
    sections = {section["key"]: section for section in result.document["sections"]}
    settings = dict(sections["configuration"]["rows"])
    assert len(settings) == 20
    assert settings["Version of WSUS"].startswith("10.0.")
    assert ("winhttp" in sections) == (side == "staging")
    assert settings["MUUrl"] == "https://sws.update.microsoft.com"
    assert settings["UpstreamWsusServerUseSsl"] == "False"
    results = [row[1] for row in sections["examined"]["rows"]]
    assert results.count("in order") >= 15
    assert "see the findings" not in results


@pytest.mark.parametrize("knob", FIRST)
def test_a_knob_alone_is_named_first_and_its_consequences_below(lab: Lab, knob: str) -> None:
    lab.fault("staging", knob)
    try:
        result = lab.run("staging", "check")
    finally:
        lab.fault("staging", knob, on=False)
    listed = findings(result)
    assert result.exit_code == (2 if FIRST[knob] else 0)
    assert (listed[0]["id"] if listed else None) == FIRST[knob]
    for finding in listed[1:]:
        assert finding["consequence_of"], finding
    assert lab.run("staging", "check").document["findings"] == []


def test_a_firewall_export_is_compared_without_a_server(lab: Lab, tmp_path: Path) -> None:
    export = tmp_path / "rules.csv"
    export.write_text("allow;*.microsoft.com;443\n", encoding="utf-8")
    result = lab.run("staging", "check", "--firewall-export", export, expect=2)
    assert "http://*.windowsupdate.com" in result.document["details"]["missing_domains"]
    lab.run("staging", "check", "--firewall-export", "none", expect=64)


def test_a_schedule_behind_the_gap_is_a_warning(lab: Lab) -> None:
    lab.fault("disconnected", "schedule")
    try:
        result = lab.run("disconnected", "check", expect=2)
    finally:
        lab.fault("disconnected", "schedule", on=False)
    (finding,) = findings(result)
    assert (finding["id"], finding["severity"]) == ("synchronisation-scheduled", "warning")


def test_a_stopped_service_is_a_finding_and_is_not_started(lab: Lab) -> None:
    lab.fault("staging", "service-down")
    try:
        result = lab.run("staging", "check", expect=2)
        assert ids(result)[0] == "service-stopped"
        with lab.server("staging") as server:
            assert server.setting("service_status") == "Stopped"
    finally:
        lab.fault("staging", "service-down", on=False)


@pytest.mark.parametrize("side", ["staging", "disconnected"])
def test_a_wsusutil_that_answers_nothing_is_a_warning(lab: Lab, side: str) -> None:
    lab.fault(side, "wsusutil-fails")
    try:
        result = lab.run(side, "check", expect=2)
    finally:
        lab.fault(side, "wsusutil-fails", on=False)
    (finding,) = findings(result)
    assert (finding["id"], finding["severity"]) == ("wsusutil-fails", "warning")
    assert "exit code 1: Unable to get a list" in finding["evidence"]


def test_a_server_that_gives_no_answer_could_not_be_examined(lab: Lab) -> None:
    path = lab.site_file("staging")
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(r"powershell = .*", 'powershell = ["/bin/false"]', text), encoding="utf-8"
    )
    try:
        result = lab.run("staging", "check", expect=1)
    finally:
        path.write_text(text, encoding="utf-8")
    assert result.error["kind"] == "not-examined"


def test_a_finding_stops_the_export_until_a_person_accepts_it(lab: Lab) -> None:
    lab.fault("staging", "no-products")
    try:
        refused = lab.export(expect=4)
        assert refused.error["kind"] == "finding"
        assert "succeeded-nothing-new" in refused.error["message"]
        assert ids(refused) == ["succeeded-nothing-new"]
        assert not lab.bundle(1).exists()
        unmeant = lab.export("--accept-finding", "other=why", expect=4)
        assert any("did not find other" in line for line in unmeant.document["lines"])
        lab.export("--accept-finding", "succeeded-nothing-new", expect=64)
        accepted = lab.export("--accept-finding", "succeeded-nothing-new=Catalogue is complete.")
    finally:
        lab.fault("staging", "no-products", on=False)
    (finding,) = findings(accepted)
    assert finding["accepted"] == "Catalogue is complete."
    assert "Catalogue is complete." in Path(accepted.document["report"]).read_text("utf-8")
    with Ledger(lab.folder / "staging" / "state") as ledger:
        (record,) = AcceptedFindings(ledger).all()
    assert (record.finding, record.reason) == ("succeeded-nothing-new", "Catalogue is complete.")


def test_the_site_sets_from_which_severity_on_an_import_stops(lab: Lab) -> None:
    lab.export()
    lab.fault("disconnected", "execution-policy")
    lab.configure("disconnected", "check", stop_at="warning")
    try:
        before = lab.snapshot("disconnected")
        refused = lab.import_(1, expect=4)
        assert refused.error["kind"] == "finding"
        assert lab.snapshot("disconnected") == before
        lab.configure("disconnected", "check", stop_at="failure")
        imported = lab.import_(1)
        assert imported.exit_code in {0, 2}, imported.explain()
        assert ids(imported) == ["execution-policy"]
    finally:
        lab.fault("disconnected", "execution-policy", on=False)


def test_a_report_shows_finding_evidence_and_next_step_in_this_order(lab: Lab) -> None:
    lab.fault("staging", "database-busy")
    try:
        result = lab.run("staging", "check", expect=2)
    finally:
        lab.fault("staging", "database-busy", on=False)
    page = Path(result.document["report"]).read_text("utf-8")
    first = findings(result)[0]
    assert (
        page.count(html.escape(first["meaning"], quote=False)) == 1
    )  # it stands in the table alone
    assert f"Begin with {first['id']}: " in result.stderr.splitlines()[-1]
    table = page.partition('id="findings"')[2].partition("</section>")[0]
    headings = re.findall(r"<th[^>]*>([^<]*)</th>", table)
    assert headings[1:4] == ["Finding", "Evidence", "Next step"]
    positions = [table.index(first[key].split("'")[0]) for key in ("meaning", "next_step")]
    assert positions == sorted(positions)


@needs.strace
def test_behind_the_gap_no_other_host_is_asked_and_no_other_name_looked_up(
    tmp_path: Path,
) -> None:
    made = make_lab(tmp_path / "lab", updates=5, content_bytes=5_000)
    (tmp_path / "traced").mkdir()
    (tmp_path / "traced" / "sitecustomize.py").write_text(_TRACE, encoding="utf-8")
    names, calls = tmp_path / "names.txt", tmp_path / "calls.txt"
    path = os.pathsep.join((str(tmp_path / "traced"), str(ROOT)))
    process = made.start(
        "disconnected", "check",
        variables={**STAND_IN, "TRACE_FILE": str(names), "PYTHONPATH": path},
        under=(*_STRACE, "-o", str(calls)),
    )  # fmt: skip
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["findings"] == []
    with made.server("disconnected") as server:
        assert network.asked(server) == []  # by the script; tests/scripts has the engine
    lines = names.read_text(encoding="utf-8").splitlines()
    assert lines, "the trace has to see at least the API of Prefect"
    other = [line for line in lines if not re.search(r"'(127\.0\.0\.1|localhost)'|'/", line)]
    assert other == [], sys.executable
    # The whole tree: the command, its Prefect server, the server's powershell.
    lines = calls.read_text(encoding="utf-8", errors="replace").splitlines()
    started = "\n".join(line for line in lines if "execve(" in line)
    assert "deploy.prefect_server.embedded_child" in started
    assert "read-server.ps1" in started
    addresses = [line for line in lines if re.search(r"sa_family=AF_INET|systemd.resolve", line)]
    assert addresses, "it has to see the API of Prefect"
    assert [line for line in addresses if '"127.0.0.1"' not in line] == []
