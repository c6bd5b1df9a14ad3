"""``probe`` on a lab: nothing differs, and each thing that makes the lab differ is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.probing import beliefs
from tests.support.labs import make_lab

FAULTS = {
    "content-litter": "differs-content-names",
    "log-form": "differs-log-form",
    "protocol-newer": "differs-protocol",
    # What these two write, or end with, is seen in what earlier exports have left here.
    "package-form": "differs-package-details",
    "exit-code": "differs-exit-code",
}


def test_a_lab_differs_in_nothing_and_each_fault_that_makes_it_differ_is_named(
    tmp_path: Path, stand_in: None, shared_api: str
) -> None:
    lab = make_lab(  # with licence terms
        tmp_path / "lab", api_url=shared_api, updates=60, content_bytes=120_000
    )
    lab.cross()
    before = lab.snapshot("staging")
    for side in ("staging", "disconnected"):
        result = lab.run(side, "probe", expect=0)
        assert result.document["findings"] == []
        seen = json.loads(Path(result.document["details"]["probe_file"]).read_text("utf-8"))["seen"]
        assert seen["package"]["updates"] > 60
        assert [run["exit_code"] for run in seen["earlier"]] == [0]
        assert seen["unknown"] == {}
    assert lab.snapshot("staging") == before
    lab.fault("staging", "package-form")
    lab.export("--new")
    lab.fault("staging", "exit-code")
    lab.export("--new", expect=1)
    for fault in FAULTS:
        lab.fault("staging", fault)
    result = lab.run("staging", "probe", expect=2)
    assert {finding["id"] for finding in result.document["findings"]} == set(FAULTS.values())
    text = Path(result.document["details"]["probe_file"]).read_text("utf-8")
    assert "aaaaaa aaaa.aa" in text
    assert "Thumbs" not in text
    assert str(tmp_path) not in text
    assert len(json.loads(text)["seen"]["updates"]) > 0

    # What would break a crossing stands in the check from now on, and stops the next export.
    refused = lab.export("--new", expect=4)
    assert "differs-protocol" in str(refused.document["findings"])


def test_the_first_crossing_of_a_server_that_lacks_a_member_is_stopped_by_the_check(
    tmp_path: Path, stand_in: None, shared_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(tmp_path / "lab", api_url=shared_api, updates=10, content_bytes=20_000)
    monkeypatch.setitem(beliefs.MEMBERS, "IUpdate", ("ApproveByCarrierPigeon",))
    refused = lab.export(expect=4)
    (finding,) = refused.document["findings"]
    assert finding["id"] == "differs-members"
    assert "ApproveByCarrierPigeon" in finding["evidence"]
    assert "probe" in finding["next_step"]
    assert not list((lab.folder / "media").iterdir())
