"""One number has one name: every output of random months says the same.

The document of ``--json`` is the measure. Tiles, tables, CSV files, terminal, Prefect's page,
receipt, custody log, ``status``, ``held``, ``parked``, ``history``, the page of the side, metrics,
carry card, ``show`` and ``verify`` are read as a person or program would, and compared with it; the
server's own state is compared with the receipt.
"""

from __future__ import annotations

import base64
import csv
import html
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tasks.quantities import size
from tasks.reports.markdown import artifacts_of
from tasks.reports.model import CommandReport
from tasks.reports.terminal import summarise
from tasks.reports.text import markdown
from tests.support.labs import Lab, make_lab

MONTHS = int(os.environ.get("WSUS_AIRGAP_MONTHS", "2"))
"""Random months in all; twenty take a quarter of an hour."""

pytestmark = pytest.mark.timeout(240 + 60 * MONTHS)
Document = dict[str, Any]
LISTS = {
    "failed": "Decisions failed",
    "held": "Decisions held",
    "parked": "Approvals parked",
    "applied": "Decisions applied",
}


# --- how each output is read ----------------------------------------------------------------------


def tiles_of(page: str) -> dict[str, str]:
    """The numbers at the top of a report, by their labels."""
    found = re.findall(r'<div class="number"><b>(.*?)</b><span>(.*?)</span></div>', page)
    return {html.unescape(label): value for value, label in found}


def part_of(page: str, key: str) -> str:
    """One section of a page; empty if it has none of that key."""
    found = re.search(rf'<section id="{key}">(.*?)</section>', page, re.DOTALL)
    return found[1] if found else ""


def facts_of(part: str) -> dict[str, str]:
    """The facts of a section of a page, by their labels."""
    found = re.findall(r"<dt>(.*?)</dt><dd><bdi>(.*?)</bdi></dd>", part)
    return {html.unescape(label): html.unescape(value) for label, value in found}


def rows_of(part: str) -> int:
    return part.count("<tr") - part.count("<thead><tr")


def table(document: Document, name: str) -> list[dict[str, str]]:
    """The rows of a CSV file beside a report; none if there is no such file."""
    path = Path(document["report"]).with_name(name)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def rebuilt(document: Document) -> CommandReport:
    """The report behind a document, from which terminal and Prefect's page are made."""
    computed = {"version", "outcome"}
    return CommandReport.model_validate(
        {key: value for key, value in document.items() if key not in computed}, strict=False
    )


def payload_of(path: str | Path) -> Document:
    payload: Document = json.loads(base64.b64decode(json.loads(Path(path).read_bytes())["payload"]))
    return payload


def gauges_of(lab: Lab) -> dict[str, float]:
    text = (lab.folder / "disconnected" / "state" / "metrics.prom").read_text("utf-8")
    found = re.findall(r"^wsus_airgap_(\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


# --- what has to agree ----------------------------------------------------------------------------


def missing_files(document: Document) -> int:
    lines = document.get("missing") or []
    return len({line["file"] or (line["update_id"], line["revision"]) for line in lines})


def expected_numbers(document: Document) -> dict[str, str]:
    """The numbers of a run by the labels that people see, from the lists of its document."""
    lists = document.get("approvals", {})
    numbers: dict[str, int | None] = {
        "Content files": document.get("files"),
        "Files placed": document.get("placed"),
        **{title: len(lists[state]) if lists else None for state, title in LISTS.items()},
        "Decided otherwise here": len(document.get("conflicts") or ()) or None,
        "Missing files": missing_files(document),
        "Other updates without all files": document.get("unapproved_incomplete"),
        "Findings": len(document["findings"]) if document.get("findings") is not None else None,
    }
    shown = {label: f"{number:,}" for label, number in numbers.items() if number is not None}
    return shown | ({"Content": size(document["bytes"])} if "bytes" in document else {})


def require_one_report(document: Document, *, acknowledged: int = 0) -> None:
    """Tiles, terminal, Prefect's page, tables and CSV files of a report agree with its document.

    ``acknowledged`` is the number of waiting decisions that a person has acknowledged, which the
    document does not tell.
    """
    expected = expected_numbers(document)
    page = Path(document["report"]).read_text(encoding="utf-8")
    seen = {"Of these acknowledged": f"{acknowledged}"} if acknowledged else {}
    assert tiles_of(page) == expected | seen
    terminal = "\n".join(summarise(rebuilt(document)))
    first = next(artifacts_of(rebuilt(document))).text
    for label, value in expected.items():
        assert re.search(rf"^  {label}  +{re.escape(value)}$", terminal, re.MULTILINE), label
        assert f"| {label} | {markdown(value)} |" in first, label
    rows = table(document, "decisions.csv")
    for state, title in LISTS.items():
        lines = document.get("approvals", {}).get(state, [])
        assert sum(row["outcome"] == state for row in rows) == len(lines)
        part = part_of(page, f"approvals-{state}")
        assert rows_of(part) == len(lines)
        assert not lines or f"<h2>{title}: {len(lines):,}</h2>" in part
    assert {row["outcome"] for row in rows} <= LISTS.keys()
    conflicts = document.get("conflicts") or []
    assert len(table(document, "conflicts.csv")) == len(conflicts)
    assert rows_of(part_of(page, "conflicts")) == len(conflicts)
    require_missing(document, page)


def require_missing(document: Document, page: str) -> None:
    lines, part = document.get("missing") or [], part_of(page, "missing")
    rows = table(document, "missing.csv")
    assert rows_of(part) == len(rows) == len(lines)
    assert [row["file"] for row in rows] == [line["file"] or "" for line in lines]
    if not lines:
        return
    files = {line["file"]: line["size_bytes"] or 0 for line in lines if line["file"]}
    facts = facts_of(part)
    assert facts["Files"] == f"{missing_files(document):,}"
    assert facts["Updates"] == f"{len({line['update_id'] for line in lines}):,}"
    assert facts["Size, where known"] == size(sum(files.values()))
    shopping = Path(document["report"]).with_name("shopping-list.json")
    assert {file["file"] for file in json.loads(shopping.read_bytes())["files"]} == set(files)


def require_plan_adds_up(document: Document) -> None:
    """Planned = applied + already so + void + failed, in the document, on the page, in lists."""
    numbers, lists = document["details"]["numbers"], document["approvals"]
    page = Path(document["report"]).read_text(encoding="utf-8")
    assert numbers["planned"] == sum(
        numbers[part] for part in ("applied", "already", "void", "failed")
    )
    shown = [value for _, value in facts_of(part_of(page, "numbers")).items()]
    assert shown == [f"{number:,}" for number in numbers.values()]
    groups = next(
        (int(value) for label, value in facts_of(part_of(page, "plan")).items()
         if label == "Target groups to make"), 0,
    )  # fmt: skip
    assert numbers["applied"] + numbers["already"] == len(lists["applied"]) + groups
    assert numbers["failed"] == len(lists["failed"])


def require_one_bundle(lab: Lab, exported: Document, imported: Document) -> None:
    """Everything that counts a bundle's files and bytes counts the same."""
    bundle = Path(exported["bundle"])
    counts = payload_of(bundle / "volume-001" / "header.json")["counts"]
    verified = lab.run("disconnected", "verify", bundle, expect=0).document
    shown = lab.run("staging", "show", bundle, expect=0).document
    expected = (counts["carried_files"], counts["carried_bytes"])
    for document in (exported, verified, shown, imported):
        assert (document["files"], document["bytes"]) == expected
    content = [path for path in bundle.rglob("*") if re.fullmatch(r"[0-9A-F]{40}.*", path.name)]
    assert (len(content), sum(path.stat().st_size for path in content)) == expected
    card = bundle.with_name(f"carry-card-{bundle.name}.txt").read_text(encoding="utf-8")
    assert re.search(
        rf"Content files +{expected[0]:,}, {re.escape(size(expected[1]))}$", card, re.M
    )
    updates = f"{len(shown['brings']):,}"
    assert re.search(rf"Brings +{updates} updates?, ", card)
    for document in (exported, shown, verified):
        page = Path(document["report"]).read_text(encoding="utf-8")
        assert facts_of(part_of(page, "brings"))["Updates"] == updates
    chain = lab.run("staging", "history", expect=0).document["chain"]
    assert chain[-1]["bytes"] == expected[1]


def require_one_receipt(lab: Lab, bundle: Path, document: Document) -> None:
    """Receipt, its text and the custody log say what the server's own state and the lists say."""
    counts = payload_of(document["receipt"])["counts"]
    for state in ("parked", "held", "failed"):
        assert counts[f"approvals_{state}"] == len(document["approvals"][state])
    files = payload_of(bundle / "volume-001" / "header.json")["counts"]["files"]
    assert counts["files_in_place"] + counts["files_missing"] == files
    ours, theirs = (
        {(line["update_id"], *line["group"]) for line in lab.state(side)["approvals"]}
        for side in ("staging", "disconnected")
    )
    waiting = document["approvals"]["held"]
    removals = sum(line["reason"] == "removal-waits-for-successor" for line in waiting)
    assert counts["approvals_applied"] == len(ours & theirs) + removals
    in_force = f"{counts['approvals_applied']} of staging in force"
    assert any(in_force in line for line in document["lines"])
    (line,) = (
        line
        for line in lab.run("disconnected", "history", expect=0).document["custody"]
        if line["event"] == "imported" and line["bundle"] == bundle.name
    )
    assert re.findall(r"\d+", line["text"]) == [
        str(counts[key]) for key in ("files_in_place", "files_missing", "approvals_applied")
    ]


def require_one_side(lab: Lab, document: Document) -> None:
    """Require that what waits and what is missing is the same wherever a person asks for it."""
    gauges, waiting = gauges_of(lab), 0
    status = lab.run("disconnected", "status").document
    for state, name in (("held", "held_decisions"), ("parked", "parked_approvals")):
        number = len(document["approvals"][state])
        listed = lab.run("disconnected", state, expect=0).document
        assert len(listed["approvals"][state]) == len(status["approvals"][state]) == number
        assert any(line.split(",")[0].endswith(f": {number:,}") for line in listed["lines"])
        assert gauges[name] == number
        waiting += number
    assert gauges["missing_files"] == missing_files(document)
    history = lab.run("disconnected", "history", expect=0).document
    assert len(history["missing_since"]) == len(document["missing"])
    page = (lab.folder / "disconnected/state/reports/index.html").read_text("utf-8")
    assert rows_of(part_of(page, "waiting")) == waiting
    assert rows_of(part_of(page, "missing")) == len(document["missing"])
    assert not waiting or f"{waiting:,} decision" in part_of(page, "waiting")


def still_acknowledged(lab: Lab, before: int) -> int:
    """Return the number of waiting decisions that `held` and `parked` show as acknowledged."""
    if not before:
        return 0
    listed = [
        line["decision"]
        for state in ("held", "parked")
        for line in lab.run("disconnected", state, expect=0).document["approvals"][state]
    ]
    return sum(bool(line) and line["decision"] == "acknowledge" for line in listed)


def decide_otherwise(lab: Lab, document: Document) -> int:
    """Somebody here acknowledges what waits of one update, and takes an approval away.

    Gives the number of decisions that were acknowledged.
    """
    held = document["approvals"]["held"]
    words = [held[0]["update_id"], "acknowledge", "--reason", "seen"]
    lab.run("disconnected", "decide", *words, expect=0)
    applied = next(line for line in document["approvals"]["applied"] if line["action"])
    with lab.server("disconnected") as server:
        server.connection.execute(
            "DELETE FROM approval WHERE update_id = ? AND revision = ?",
            (applied["update_id"], applied["revision"]),
        )
        server.connection.commit()
    return sum(line["update_id"] == held[0]["update_id"] for line in held)


@pytest.mark.parametrize("seed", range(1, 2 + MONTHS // 5))
def test_the_numbers_of_random_months_agree_in_every_output(
    tmp_path: Path, shared_api: str, stand_in: None, seed: int
) -> None:
    lab = make_lab(tmp_path / "lab", api_url=shared_api, seed=seed)
    lab.configure("disconnected", "policy", max_share=1.0)
    acknowledged = 0
    for month in range(min(MONTHS, 5)):
        exported = lab.export().document
        bundle = Path(exported["bundle"])
        imported = lab.import_(bundle).document
        require_one_report(exported)
        require_one_report(imported, acknowledged=still_acknowledged(lab, acknowledged))
        require_plan_adds_up(imported)
        require_one_bundle(lab, exported, imported)
        require_one_receipt(lab, bundle, imported)
        require_one_side(lab, imported)
        if month == 0:
            acknowledged = decide_otherwise(lab, imported)
            audited = lab.run("disconnected", "audit").document
            require_one_report(audited, acknowledged=acknowledged)
            require_plan_adds_up(audited)
            require_one_side(lab, audited)
            assert audited["conflicts"]
        lab.accept(imported["receipt"])
        lab.advance()
