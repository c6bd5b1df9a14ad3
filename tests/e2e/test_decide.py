"""The one who decides: what waits, what lets it go, and what a decision does at the next run."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deploy.prefect_server.connection import prefect_for
from tests.support.labs import STAND_IN, Lab, Result, decision, make_lab

KEYS = {"title", "kb", "product", "group", "reason", "since", "reason_text"}
STATE_KEYS = {"update_id", "revision", "group", "action", "deadline", "optional"}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Path:
    """A lab after its first crossing; tests work on copies of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STAND_IN.items():
            patch.setenv(name, value)
        made = make_lab(tmp_path_factory.mktemp("decide") / "lab", api_url=shared_api, updates=60)
        made.cross()
    return made.folder


@pytest.fixture
def lab(imported: Path, stand_in: None) -> Lab:
    """The lab itself; the tests that let something go come last."""
    return Lab(imported)


def held(lab: Lab) -> list[dict[str, Any]]:
    lines = lab.run("disconnected", "held", expect=0).document["approvals"]["held"]
    assert isinstance(lines, list)
    return lines


def waiting_for(lab: Lab, reason: str) -> list[dict[str, Any]]:
    return [line for line in held(lab) if line["reason"] == reason]


def decide(lab: Lab, *words: str, expect: int = 0) -> Result:
    return lab.run("disconnected", "decide", *words, expect=expect)


def audit(lab: Lab, expect: int | None = None) -> Result:
    return lab.run("disconnected", "audit", expect=expect)


def is_there(lab: Lab, line: dict[str, Any]) -> bool:
    return decision(line) in set(map(decision, lab.state("disconnected")["approvals"]))


def test_what_waits_is_told_with_all_that_a_person_needs_and_keeps_its_time(lab: Lab) -> None:
    first = held(lab)
    assert first
    for line in first:
        assert line.keys() >= KEYS | STATE_KEYS
        assert line["title"]
        assert line["product"]
        assert line["reason_text"]
        assert f"wsus-airgap decide {line['update_id']} " in line["next_step"]

    audit(lab, expect=2)

    assert {line["update_id"]: line["since"] for line in held(lab)} == {
        line["update_id"]: line["since"] for line in first
    }


def test_what_is_acknowledged_alone_no_longer_flags_a_run_until_its_date_passes(lab: Lab) -> None:
    waiting = held(lab)
    assert audit(lab).exit_code == 2

    names = [line["update_id"] for line in waiting]
    decide(lab, *names, "acknowledge", "--reason", "known", "--until", "2999-12-31")
    seen = audit(lab, expect=0)
    assert len(seen.document["approvals"]["held"]) == len(waiting), "it is listed all the same"
    status = lab.run("disconnected", "status", expect=0).document["details"]
    assert status["Held"].startswith(f"{len(waiting)}, of these {len(waiting)} acknowledged")
    assert status["Decisions in force"] >= len(waiting)

    ledger = lab.folder / "disconnected" / "state" / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE ruling SET until = '2020-01-01T00:00:00+00:00'")
    assert audit(lab).exit_code == 2


def test_the_flow_records_that_the_api_decided(lab: Lab, shared_api: str) -> None:
    line = held(lab)[0]
    given = {"site": "alpha", "updates": [line["update_id"]], "decision": "acknowledge"}

    state_dir = lab.folder / "disconnected" / "state"
    with prefect_for(state_dir, api_url=shared_api, up=None):
        from flows.decide import decide as decide_flow
        from tasks.flow_run import report_of

        report = report_of(decide_flow, **given, reason="from the page")  # type: ignore[arg-type]

    assert report.exit_code == 0, report.errors
    (ruling,) = [
        each
        for each in lab.run("disconnected", "held").document["details"]["decisions"]
        if each["update_id"] == line["update_id"] and each["decision"] == "acknowledge"
    ]
    assert (ruling["account"], ruling["reason"]) == ("by the API", "from the page")
    decide(lab, line["update_id"], "--revoke", "--reason", "tried")


WRONG = {
    "no reason": ["{id}", "acknowledge"],
    "no decision": ["{id}", "--reason", "r"],
    "nothing waits there": ["KB1", "apply", "--reason", "r"],
    "another group": ["{id}", "acknowledge", "--reason", "r", "--group", "Nobody"],
    "a day that is over": ["{id}", "acknowledge", "--reason", "r", "--until", "2001-01-01"],
    "no day": ["{id}", "acknowledge", "--reason", "r", "--until", "soon"],
    "nothing to revoke": ["{id}", "reject", "--revoke"],
}


@pytest.mark.parametrize("case", WRONG)
def test_a_decision_that_cannot_be_is_refused_and_nothing_is_recorded(lab: Lab, case: str) -> None:
    line = held(lab)[0]
    before = lab.run("disconnected", "held").document["details"]["decisions"]

    refused = decide(lab, *[word.format(id=line["update_id"]) for word in WRONG[case]], expect=64)

    assert refused.error["kind"] == "usage"
    assert lab.run("disconnected", "held").document["details"]["decisions"] == before


def test_the_staging_side_has_nothing_that_waits(lab: Lab) -> None:
    refused = lab.run("staging", "held", expect=64)
    assert refused.error["kind"] == "wrong-side"


def test_accepted_terms_are_accepted_on_the_server_at_the_next_audit(lab: Lab) -> None:
    line = waiting_for(lab, "licence-terms")[0]
    assert not is_there(lab, line)

    decide(lab, line["update_id"], "accept-licence", "--reason", "read by legal")
    assert not is_there(lab, line), "nothing changes before the next import or audit"
    done = audit(lab)

    assert is_there(lab, line)
    applied = [
        (each["update_id"], each["reason"]) for each in done.document["approvals"]["applied"]
    ]
    assert (line["update_id"], "licence-accepted") in applied
    assert line["update_id"] not in {each["update_id"] for each in held(lab)}


def test_what_the_site_holds_is_let_through_by_its_kb_and_rejected_or_revoked(lab: Lab) -> None:
    line = waiting_for(lab, "built-in-group")[0]
    name = line["kb"] or line["update_id"]

    rejected = decide(lab, name, "reject", "--reason", "not wanted here").document
    assert rejected["details"]["decided"][0]["account"]
    audit(lab)
    assert not is_there(lab, line)
    (still,) = [each for each in held(lab) if each["update_id"] == line["update_id"]]
    assert (still["reason"], still["decision"]["reason"]) == ("rejected", "not wanted here")

    decide(lab, name, "reject", "--revoke")
    audit(lab)
    assert waiting_for(lab, "built-in-group") == [line]

    decide(lab, name, "apply", "--reason", "asked for", "--group", "All Computers")
    audit(lab)
    assert is_there(lab, line)


def test_a_rebuilt_server_is_a_decision_that_is_planned_before_it_is_carried_out(lab: Lab) -> None:
    before = lab.state("disconnected")["approvals"]
    with lab.server("disconnected") as server:
        server.set_setting("ServerId", str(uuid.uuid4()))
        server.connection.execute("DELETE FROM approval")
        server.connection.commit()
    refused = lab.import_(1, expect=4)
    assert (refused.error["kind"], "--rebuilt reapply" in refused.error["next_step"]) == (
        "server-changed",
        True,
    )

    planned = lab.import_(1, "--rebuilt", "reapply", expect=4)
    assert planned.error["kind"] == "plan-unconfirmed"
    assert lab.state("disconnected")["approvals"] == []
    digest = planned.document["plan_digest"]
    lab.import_(1, "--rebuilt", "reapply", "--confirm", "ab" * 32, expect=4)

    done = lab.import_(1, "--rebuilt", "reapply", "--confirm", digest)
    assert done.exit_code in {0, 2}, done.explain()
    waiting = {line["update_id"] for line in held(lab)}
    again = {decision(line) for line in lab.state("disconnected")["approvals"]}
    assert {decision(line) for line in before if line["update_id"] not in waiting} <= again
    assert audit(lab).exit_code in {0, 2}, "from then on the site knows the server as it is"
