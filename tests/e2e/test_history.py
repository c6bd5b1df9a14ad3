"""What happened on a side: the custody log, the history, and the page of both, on a lab."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.support.labs import Lab


def test_a_crossing_is_recorded_on_both_sides_and_a_changed_line_is_found(small_lab: Lab) -> None:
    bundle = small_lab.export().document["bundle"]
    small_lab.run("disconnected", "import", bundle, "--carried-by", " ", expect=64)
    imported = small_lab.run("disconnected", "import", bundle, "--carried-by", "Anna  Muster")
    receipt = imported.document["receipt"]
    small_lab.run("staging", "accept", receipt, "--carried-by", "Bob", expect=0)

    staging = small_lab.run("staging", "history", "--verify", expect=0).document
    disconnected = small_lab.run("disconnected", "history", "--verify", expect=0).document
    log = small_lab.folder / "disconnected" / "state" / "custody.jsonl"
    text = log.read_text(encoding="utf-8")
    log.write_text(text.replace('"event":"imported"', '"event":"verified"'), encoding="utf-8")
    refused = small_lab.run("disconnected", "history", "--verify", expect=3)
    log.write_text("", encoding="utf-8")
    small_lab.run("disconnected", "history", "--verify", expect=3)

    page = (small_lab.folder / "disconnected/state/reports/index.html").read_text("utf-8")
    waiting = imported.document["approvals"]["held"] + imported.document["approvals"]["parked"]
    assert f"{len(waiting)} decision" in page
    assert [line["event"] for line in disconnected["custody"]] == ["receipt", "imported", "carried"]
    assert [line["event"] for line in staging["custody"]] == ["receipt", "carried", "sealed"]
    assert disconnected["custody"][-1]["text"] == "by Anna Muster (typed, not proved)"
    assert staging["custody"][1]["text"] == "the receipt, by Bob (typed, not proved)"
    assert disconnected["chain"][0]["carried_by"] == "Anna Muster"
    assert "carried by Anna Muster" in page

    assert [run["command"] for run in staging["runs"]] == ["accept", "export"]
    assert [run["command"] for run in disconnected["runs"]] == ["import"]
    assert [line["sequence"] for line in staging["chain"]] == [1]
    assert "receipted" in staging["chain"][0]["state"]
    assert disconnected["chain"][0]["receipt"] is not None
    assert refused.error["kind"] == "custody"
    assert '"event":"receipt"' in text


def test_a_refusal_is_recorded_with_its_reason(small_lab: Lab) -> None:
    bundle = Path(small_lab.export().document["bundle"])
    (bundle / "volume-001" / "manifest.jsonl").write_bytes(b"x")

    small_lab.run("disconnected", "import", bundle, "--carried-by", "Anna Muster", expect=3)

    log = small_lab.folder / "disconnected" / "state" / "custody.jsonl"
    line = log.read_text(encoding="utf-8").splitlines()[-1]
    assert '"event":"refused"' in line
    assert bundle.name in line
    assert "carried by Anna Muster, as typed;" in line
    small_lab.run("disconnected", "history", "--verify", expect=0)


def test_the_page_of_a_side_and_its_csv_have_the_same_runs(small_lab: Lab) -> None:
    small_lab.export()

    document = small_lab.run("staging", "history", "--csv", expect=0).document

    page = (small_lab.folder / "staging" / "state" / "reports" / "index.html").read_text("utf-8")
    rows = list(csv.DictReader(document["lines"]))
    runs = [row["run"] for row in rows if row["kind"] == "run"]
    assert runs == [run["run"] for run in document["runs"]]
    assert "<svg" in page
    assert "<script" not in page
    assert all(run["run"] in page for run in document["runs"])
