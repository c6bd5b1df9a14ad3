"""``wsusutil reset`` on a lab: only where the site allows it, confirmed, recorded, waited for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.lab.rules import content_agent
from tests.support.labs import Lab, Result, make_lab

RESET = ("repair", "downloads-failed")


@pytest.fixture
def lab(tmp_path: Path, stand_in: None) -> Lab:
    """A lab on whose staging server an update counts as failed, although its files are there."""
    made = make_lab(tmp_path / "lab", updates=10, content_bytes=20_000)
    with made.server("staging") as server:
        server.connection.execute("UPDATE update_state SET state = 'Failed'")
    made.configure("staging", "policy", wsusutil_reset="ask")
    return made


def states(lab: Lab) -> set[str]:
    with lab.server("staging") as server:
        return {row[0] for row in server.connection.execute("SELECT state FROM update_state")}


def confirmed(lab: Lab, *, expect: int) -> Result:
    planned = lab.run("staging", *RESET, expect=4)
    digest = planned.document["plan_digest"]
    return lab.run("staging", *RESET, "--confirm", digest, expect=expect)


def log_of(lab: Lab) -> str:
    path = lab.folder / "staging/server/Program Files/Update Services/LogFiles"
    return (path / "SoftwareDistribution.log").read_text("utf-8")


def test_a_site_that_does_not_allow_it_is_told_the_key(lab: Lab) -> None:
    lab.configure("staging", "policy", wsusutil_reset="never")
    refused = lab.run("staging", *RESET, expect=64)
    assert 'wsusutil_reset = "ask"' in refused.error["next_step"]
    assert "StateMachineReset" not in log_of(lab)


def test_a_reset_is_planned_confirmed_recorded_and_waited_for(lab: Lab) -> None:
    lab.tune("staging", "agent_seconds", 1.5)
    planned = lab.run("staging", *RESET, expect=4)
    assert planned.error["kind"] == "plan-unconfirmed"
    assert any("wsusutil reset" in line for line in planned.document["lines"])
    assert states(lab) == {"Failed"}
    assert "StateMachineReset" not in log_of(lab)

    done = confirmed(lab, expect=0)
    assert states(lab) == {"Ready"}
    text = "\n".join(done.document["lines"])
    assert "its end is in the log" in text
    before = Path(text.partition("before the reset: ")[2].partition("\n")[0])
    recorded = [json.loads(line) for line in before.read_text("utf-8").splitlines()]
    assert {line["state"] for line in recorded} == {"Failed"}
    rows = next(part for part in done.document["sections"] if part["key"] == "reset")["rows"]
    assert ["Failed", len(recorded), 0] in rows
    custody = (lab.folder / "staging/state/custody.jsonl").read_text("utf-8")
    assert f"before it: {len(recorded)} Failed" in custody
    assert not list((lab.work("staging") / "runs").glob("*reset*"))

    again = lab.run("staging", *RESET, expect=0)
    assert any("nothing to repair" in line for line in again.document["lines"])
    undo = lab.run("staging", *RESET, "--undo", expect=64)
    assert "cannot be undone" in undo.error["message"]


def test_what_is_still_missing_afterwards_flags_the_run(lab: Lab) -> None:
    lab.tune("staging", "agent_seconds", 0.2)
    with lab.server("staging") as server:
        row = server.connection.execute("SELECT update_id, revision FROM update_state").fetchone()
        (sha1, *_) = content_agent.needed_files(server, *row)
        server.connection.execute("DELETE FROM source WHERE sha1 = ?", (sha1,))
    for path in lab.content_dir("staging").rglob(f"{sha1}*"):
        path.unlink()
    done = confirmed(lab, expect=2)
    assert any("not ready" in notice for notice in done.document["notices"])


def test_a_run_that_does_not_see_the_end_waits_on_when_it_is_run_again(lab: Lab) -> None:
    lab.tune("staging", "agent_seconds", 86_400.0)
    lab.configure("staging", "server", command_limit_hours=0.0002)
    first = confirmed(lab, expect=2)
    assert any("was not seen" in notice for notice in first.document["notices"])
    with lab.server("staging") as server:
        server.connection.execute("UPDATE agent_job SET due = 0")
    lab.configure("staging", "server", command_limit_hours=1)
    confirmed(lab, expect=0)
    assert log_of(lab).count("StateMachineReset") == 1
    assert states(lab) == {"Ready"}


def test_a_reset_that_fails_says_so(lab: Lab) -> None:
    program = lab.folder / "staging" / "wsusutil"
    program.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    failed = confirmed(lab, expect=1)
    assert failed.error["kind"] == "wsusutil"
    assert "exit code 3" in failed.error["message"]
