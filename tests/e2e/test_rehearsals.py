"""A rehearsal shows the whole plan and changes nothing; its digest carries out that plan alone."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.labs import Lab, Result, decision, digests_below


def everything(lab: Lab, side: str) -> dict[str, Any]:
    """Server, our folders on it, medium: all that a rehearsal may not touch."""
    media = lab.folder / "media"
    work = lab.work(side)
    folders = sorted(str(path) for path in work.rglob("*")) if work.exists() else []
    return {"server": lab.snapshot(side), "media": digests_below(media), "work": folders}


def rehearse(lab: Lab, side: str, *words: str | Path) -> Result:
    """Rehearse a command, see that nothing changed, and that its three documents agree."""
    before = everything(lab, side)
    result = lab.run(side, *words, "--rehearse")
    assert result.exit_code in {0, 2}, result.explain()
    assert everything(lab, side) == before
    _numbers_agree(result)
    return result


def _numbers_agree(result: Result) -> None:
    report = Path(result.document["report"])
    totals = {
        kind: total["number"]
        for kind, total in result.document["details"]["plan"]["totals"].items()
    }
    with report.with_name("plan.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    document = json.loads(report.with_name("plan.json").read_text(encoding="ascii"))
    assert {kind: total["number"] for kind, total in document["totals"].items()} == totals
    assert document["digest"] == result.document["plan_digest"]
    kinds = Counter(row["kind"] for row in rows if row["kind"] != "missing")
    lacking = {row["file"] or row["update_id"] for row in rows if row["kind"] == "missing"}
    assert kinds + Counter({"missing": len(lacking)}) == Counter(totals)
    size_bytes = sum(
        int(row["size_bytes"] or 0) for row in rows if row["kind"] in {"carry", "place"}
    )
    shown = [document["totals"].get(kind, {"bytes": 0})["bytes"] for kind in ("carry", "place")]
    assert size_bytes == sum(shown)
    assert len(document["lines"]) == result.document["details"]["plan"]["lines"]
    page = report.read_text(encoding="utf-8")
    assert result.document["plan_digest"] in page
    assert "plan.csv" in page
    for total in totals.values():
        assert f">{total:,}<" in page.replace(" ", "").replace("\n", "")


def number(result: Result, kind: str) -> int:
    totals: dict[str, Any] = result.document["details"]["plan"]["totals"]
    return int(totals.get(kind, {"number": 0})["number"])


def test_a_rehearsed_crossing_comes_out_as_it_was_planned(small_lab: Lab) -> None:
    lab = small_lab
    lab.configure("staging", "media", volume_bytes=1_000_000, max_file_bytes=1_000_000)
    planned = rehearse(lab, "staging", "export")
    exported = lab.export("--confirm", planned.document["plan_digest"])
    assert exported.document["sequence"] == 1
    assert exported.document["files"] == number(planned, "carry") == planned.document["files"]
    assert exported.document["bytes"] == planned.document["bytes"]
    # The same command once more is answered by the same bundle.
    again = lab.export("--confirm", planned.document["plan_digest"])
    assert again.document["bundle"] == exported.document["bundle"]

    rehearsed = rehearse(lab, "disconnected", "import", lab.bundle(1))
    assert rehearsed.document["details"]["media"]["volumes"] > 2
    assert not list((lab.folder / "disconnected" / "state").glob("imports/*"))
    imported = lab.import_(1, "--confirm", rehearsed.document["plan_digest"])
    assert imported.exit_code in {0, 2}, imported.explain()
    assert imported.document["placed"] == number(rehearsed, "place")
    approvals = imported.document["approvals"]
    kinds = ("approve", "change", "block", "remove", "undecline", "decline", "accept-licence")
    assert len(approvals["applied"]) == sum(number(rehearsed, kind) for kind in kinds)
    assert len(approvals["parked"]) == number(rehearsed, "park")
    assert len(approvals["held"]) == number(rehearsed, "hold")
    missing = {each["file"] or each["update_id"] for each in imported.document["missing"]}
    assert len(missing) == number(rehearsed, "missing")

    audited = rehearse(lab, "disconnected", "audit")
    for state in ("parked", "held"):
        assert audited.document["approvals"][state] == approvals[state]
    listed = rehearse(lab, "disconnected", "audit", "--all").document
    result = lab.run(
        "disconnected", "audit", "--all", "--confirm", audited.document["plan_digest"], expect=2
    )
    unapproved = "unapproved_incomplete"
    assert listed[unapproved] == audited.document[unapproved] == result.document[unapproved] > 0
    assert len(listed["missing"]) == len(result.document["missing"])
    log = (lab.folder / "disconnected" / "state" / "custody.jsonl").read_text(encoding="utf-8")
    assert f"audit: plan {audited.document['plan_digest']}" in log


def test_a_plan_that_has_become_another_is_refused_and_each_difference_is_named(
    small_lab: Lab,
) -> None:
    lab = small_lab
    planned = rehearse(lab, "staging", "export")
    name = max(lab.bytes_of("staging"), key=len)
    aside = lab.folder / "aside"
    shutil.move(lab.content_dir("staging") / name, aside)
    before = lab.snapshot("staging")
    refused = lab.export("--confirm", planned.document["plan_digest"], expect=4)
    assert refused.error["kind"] == "plan-changed"
    assert "no longer planned: carry" in refused.error["message"]
    assert Path(name).name in refused.error["message"]
    assert lab.snapshot("staging") == before
    assert not lab.bundle(1).exists()
    shutil.move(aside, lab.content_dir("staging") / name)
    lab.export("--confirm", planned.document["plan_digest"])

    rehearsed = rehearse(lab, "disconnected", "import", lab.bundle(1))
    target = lab.content_dir("disconnected") / name
    target.parent.mkdir(exist_ok=True)
    shutil.copy(lab.content_dir("staging") / name, target)
    refused = lab.import_(1, "--confirm", rehearsed.document["plan_digest"], expect=4)
    assert refused.error["kind"] == "plan-changed"
    assert Path(name).name in refused.error["message"]
    imported = lab.import_(1)

    audited = rehearse(lab, "disconnected", "audit")
    taken = imported.document["approvals"]["applied"][0]
    target.unlink()
    refused = lab.run(
        "disconnected", "audit", "--confirm", audited.document["plan_digest"], expect=4
    )
    assert refused.error["kind"] == "plan-changed"
    assert "new: missing" in refused.error["message"]
    # The new plan can be confirmed as it is.
    changed = refused.document["plan_digest"]
    lab.run("disconnected", "audit", "--confirm", changed, expect=2)
    assert decision(taken) in {decision(line) for line in lab.state("disconnected")["approvals"]}

    both = lab.run("disconnected", "audit", "--rehearse", "--confirm", "00", expect=64)
    assert both.error["kind"] == "usage"
    unknown = lab.run("disconnected", "audit", "--confirm", "00" * 32, expect=4)
    assert "no plan with the digest" in unknown.error["message"]
