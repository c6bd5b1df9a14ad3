"""``probe`` on a lab: nothing differs, and each thing that makes the lab differ is named."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.labs import make_lab

FAULTS = {
    "content-litter": "differs-content-names",
    "log-form": "differs-log-form",
    "protocol-newer": "differs-protocol",
}


def test_a_lab_differs_in_nothing_and_each_fault_that_makes_it_differ_is_named(
    tmp_path: Path, stand_in: None
) -> None:
    lab = make_lab(tmp_path / "lab", updates=60, content_bytes=120_000)  # with licence terms
    before = lab.snapshot("staging")
    for side in ("staging", "disconnected"):
        result = lab.run(side, "probe", expect=0)
        assert result.document["findings"] == []
    assert lab.snapshot("staging") == before
    for fault in FAULTS:
        lab.fault("staging", fault)
    result = lab.run("staging", "probe", expect=2)
    assert {finding["id"] for finding in result.document["findings"]} == set(FAULTS.values())
    text = Path(result.document["details"]["probe_file"]).read_text("utf-8")
    assert "aaaaaa aaaa.aa" in text
    assert "Thumbs" not in text
    assert str(tmp_path) not in text
    assert len(json.loads(text)["seen"]["updates"]) > 0
