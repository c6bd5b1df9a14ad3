"""One number has one name: plan, tables, JSON, CSV and receipt of random months add up."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import Lab, make_lab

MONTHS = int(os.environ.get("WSUS_AIRGAP_MONTHS", "2"))
"""Random months in all; twenty take a quarter of an hour."""

pytestmark = pytest.mark.timeout(240 + 60 * MONTHS)


def _facts(document: dict[str, Any], key: str) -> dict[str, int]:
    (section,) = (each for each in document["sections"] if each["key"] == key)
    return {fact["label"]: fact["value"] for fact in section["facts"]}


def _require_sums(document: dict[str, Any]) -> None:
    numbers, approvals = document["details"]["numbers"], document["approvals"]
    table = _facts(document, "numbers")
    parts = ("applied", "already", "void", "failed")
    assert numbers["planned"] == sum(numbers[part] for part in parts)
    assert list(numbers.values()) == list(table.values())
    groups = _facts(document, "plan")["Target groups to make"]
    assert numbers["applied"] + numbers["already"] == len(approvals["applied"]) + groups
    assert numbers["failed"] == len(approvals["failed"])
    with Path(document["report"]).with_name("decisions.csv").open(encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    for outcome in ("applied", "parked", "held", "failed"):
        assert sum(row["outcome"] == outcome for row in rows) == len(approvals[outcome])
    page = Path(document["report"]).read_text(encoding="utf-8")
    assert f"<b>{len(approvals['applied']):,}</b><span>Decisions applied</span>" in page
    receipt = json.loads(Path(document["receipt"]).read_bytes())
    counts = _payload(receipt)["counts"]
    assert counts["approvals_parked"] == len(approvals["parked"])


def _payload(envelope: dict[str, Any]) -> dict[str, Any]:
    import base64

    payload: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return payload


@pytest.mark.parametrize("seed", range(1, 2 + MONTHS // 5))
def test_the_numbers_of_random_months_add_up(
    tmp_path: Path, shared_api: str, stand_in: None, seed: int
) -> None:
    made: Lab = make_lab(tmp_path / "lab", api_url=shared_api, seed=seed)
    for _ in range(min(MONTHS, 5)):
        document = made.cross().document
        _require_sums(document)
        made.accept(document["receipt"])
        made.advance()
