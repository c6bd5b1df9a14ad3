"""An export in which one of several objects fails: all others go, it is named, and a cure heals.

One object of each kind fails in the same run. ``WSUS_AIRGAP_ONE_BY_ONE=1`` has each fail alone, to
see that each flags a run by itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import Lab, Result, decision, make_lab
from tests.support.plain_labs import (
    keep_plain_approvals,
    needed_files,
    replace_wsusutil,
    restore_wsusutil,
)


@dataclass(frozen=True)
class Row:
    """One way in which one object fails.

    Attributes:
        judge: What the export that it befell shows of it; gets the object's name in the report.
        fault: The fault of the lab that makes it fail.
        script: What befalls a content file, ``$FILE``, while wsusutil works: after the scan, and
            before its bytes are read. ``$ASIDE`` keeps its true bytes.
    """

    judge: Callable[[Lab, Result, str], None]
    fault: str = ""
    script: str = ""


def _content(result: Result) -> set[str]:
    bundle = Path(result.document["bundle"])
    return {path.name for path in bundle.glob("volume-*/content/*/*")}


def _carried(result: Result) -> set[str]:
    """The approvals that a bundle carries."""
    lines = (Path(result.document["bundle"]) / "volume-001" / "approvals.jsonl").read_text("utf-8")
    return {decision(line) for line in map(json.loads, lines.splitlines()) if "action" in line}


def _of_staging(lab: Lab) -> dict[str, Any]:
    return {decision(line): line for line in lab.state("staging")["approvals"]}


def _content_of_staging(lab: Lab) -> set[str]:
    return {path.name for path in lab.content_dir("staging").glob("??/*") if path.is_file()}


def _failed(result: Result) -> list[dict[str, Any]]:
    failed: list[dict[str, Any]] = result.document.get("approvals", {}).get("failed", [])
    assert all("could not be found" in line["reason"] for line in failed)
    return failed


def _judge_group(lab: Lab, result: Result, group_id: str) -> None:
    """The approvals of the group are named by its id; all others are carried."""
    with lab.server("staging") as server:
        query = "SELECT name FROM target_group WHERE id = ?"
        name = server.connection.execute(query, (group_id,)).fetchone()["name"]
    approvals = _of_staging(lab)
    hidden = {key for key, line in approvals.items() if line["group"][-1] == name}
    assert set() < hidden < approvals.keys()
    assert _carried(result) == approvals.keys() - hidden
    named = {line["update_id"] for line in _failed(result) if line["group"] == [group_id]}
    assert named == {approvals[key]["update_id"] for key in hidden}


def _judge_update(_: Lab, result: Result, update_id: str) -> None:
    """The approvals of the update are named, and carried with all others."""
    named = {decision(line) for line in _failed(result) if line["update_id"] == update_id}
    named -= {decision(line) for line in _failed(result) if len(line["group"]) == 1}
    assert named == {key for key in _carried(result) if json.loads(key)[0] == update_id} != set()
    shown = {json.loads(key)[0] for key in _carried(result)}
    assert len(shown) > 1


def _judge_content(reason: str) -> Callable[[Lab, Result, str], None]:
    def judge(lab: Lab, result: Result, name: str) -> None:
        assert name not in _content(result)
        lines = [line for line in result.document["missing"] if line["file"] == name]
        assert {line["reason"] for line in lines} == {reason}
        assert all(line["reason_text"] for line in lines)
        del lab

    return judge


ROWS = {
    "an approval whose group is not given": Row(_judge_group, fault="group-hidden"),
    "an update that the API does not give": Row(_judge_update, fault="update-hidden"),
    "an update that nobody knows": Row(_judge_update, fault="update-lost"),
    "a file that vanishes": Row(_judge_content("vanished"), script='mv "$FILE" "$ASIDE"'),
    "a file that rots": Row(
        _judge_content("wrong-digest"),
        script='cp -p "$FILE" "$ASIDE"; head -c "$(wc -c < "$ASIDE")" /dev/zero > "$FILE"; '
        'touch -r "$ASIDE" "$FILE"',
    ),
    "a file that cannot be read": Row(
        _judge_content("read-failed"), script='mv "$FILE" "$ASIDE"; mkdir "$FILE"'
    ),
}
RUNS = [[name] for name in ROWS] if os.environ.get("WSUS_AIRGAP_ONE_BY_ONE") else [list(ROWS)]


def _fail(lab: Lab, names: Sequence[str]) -> dict[str, str]:
    """Make an object of each row fail; gives their names in the report, by row."""
    failing, script = {}, ""
    for name in names:
        if fault := ROWS[name].fault:
            lab.fault("staging", fault)
            with lab.server("staging") as server:
                failing[name] = str(server.fault(fault))
    befallen = [name for name in names if ROWS[name].script]
    for name, path in zip(befallen, needed_files(lab), strict=False):
        failing[name] = path.name
        script += f"FILE='{path}'\nASIDE='{lab.folder / path.name}'\n{ROWS[name].script}\n"
    replace_wsusutil(lab, f'{script}exec "$REAL" "$@"')
    return failing


def _cure(lab: Lab, failing: dict[str, str]) -> None:
    restore_wsusutil(lab)
    for name, shown in failing.items():
        if ROWS[name].fault:
            lab.fault("staging", ROWS[name].fault, on=False)
            continue
        path = lab.content("staging", shown)
        if path.is_dir():
            path.rmdir()
        (lab.folder / shown).replace(path)


@pytest.mark.parametrize("names", RUNS, ids=len)
def test_one_of_several_fails_alone_is_named_and_goes_once_it_is_cured(
    names: list[str], tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    lab = make_lab(tmp_path / "lab", api_url=shared_api, updates=30, content_bytes=500_000)
    keep_plain_approvals(lab)
    everything = _content_of_staging(lab)
    failing = _fail(lab, names)
    assert failing.keys() == set(names)
    befallen = lab.export(expect=2)
    gone = {shown for name, shown in failing.items() if ROWS[name].script}
    assert _content(befallen) == everything - gone
    for name, shown in failing.items():
        ROWS[name].judge(lab, befallen, shown)

    _cure(lab, failing)
    cured = lab.export(expect=0)
    assert _content(cured) == everything
    assert _carried(cured) == set(_of_staging(lab))
    lab.import_(Path(cured.document["bundle"]), expect=0)
