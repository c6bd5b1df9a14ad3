"""``repair`` on a lab: the plan is shown and confirmed, nothing else changes, and it is undone."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.rules import registry
from tests.support.labs import ROOT, STAND_IN, Lab, Result, make_lab

OLD = {"MUUrl": "https://fe2.update.microsoft.com/v6", "RedirectorChangeNumber": 4000}
NEW = {"MUUrl": "https://sws.update.microsoft.com", "RedirectorChangeNumber": 4002}
# What a synchronisation and a restart write besides the settings.
_PASSING = {"LastConfigChange"}


@pytest.fixture
def lab(tmp_path: Path, stand_in: None) -> Lab:
    """A lab whose staging server names the endpoint that is gone; no Prefect is needed."""
    made = make_lab(tmp_path / "lab", updates=10, content_bytes=20_000)
    with made.server("staging") as server:
        for name, value in OLD.items():
            server.set_setting(name, value)
    return made


def settings(lab: Lab, side: str = "staging") -> dict[str, Any]:
    with lab.server(side) as server:
        rows = server.connection.execute("SELECT name, value FROM setting")
        return {row[0]: json.loads(row[1]) for row in rows if row[0] not in _PASSING}


def repair(lab: Lab, *words: str, expect: int) -> Result:
    return lab.run("staging", "repair", *words, expect=expect)


def confirmed(lab: Lab, *words: str, expect: int = 0) -> Result:
    planned = repair(lab, *words, expect=4)
    assert planned.error["kind"] == "plan-unconfirmed"
    return repair(lab, *words, "--confirm", planned.document["plan_digest"], expect=expect)


def test_without_a_person_the_plan_is_shown_and_nothing_changes(lab: Lab) -> None:
    before, state = settings(lab), lab.snapshot("staging")
    planned = repair(lab, "endpoint-decommissioned", expect=4)
    steps = [row[0] for row in planned.document["sections"][0]["rows"]]
    assert steps[0].startswith("set MUUrl: https://fe2.update.microsoft.com/v6 becomes https://sws")
    assert any("iisreset" in step for step in steps)
    assert "interrupted" in planned.document["sections"][0]["note"]
    assert planned.document["plan_digest"] in planned.error["next_step"]
    assert (settings(lab), lab.snapshot("staging")) == (before, state)
    wrong = repair(lab, "endpoint-decommissioned", "--confirm", "0" * 64, expect=4)
    assert "another plan's" in wrong.error["message"]
    assert settings(lab) == before


def at_a_terminal(lab: Lab, answer: str) -> tuple[int, str]:
    """Run ``repair`` where a person sits: gives its exit code and all that the terminal showed.

    The answer is typed only when the question stands there.
    """
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.command_line", "repair", "endpoint-decommissioned"],
        cwd=lab.folder / "staging",
        env={**os.environ, **STAND_IN, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown, is_typed, ends = b"", False, time.monotonic() + 120
    while time.monotonic() < ends:
        if not select.select([ours], [], [], 1.0)[0]:
            continue
        try:
            shown += os.read(ours, 65_536)
        except OSError:
            break  # the terminal closed, since the command has ended
        if not is_typed and b"Type yes: " in shown:
            os.write(ours, answer.encode() + b"\n")
            is_typed = True
    os.close(ours)
    assert is_typed, shown
    return process.wait(timeout=60), shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pseudo-terminals")
def test_at_a_terminal_the_plan_is_shown_and_a_person_asked(lab: Lab) -> None:
    before = settings(lab)
    exit_code, shown = at_a_terminal(lab, "no")
    assert exit_code == 4
    question = shown.index("Type yes: ")
    for sentence in (
        "set MUUrl: https://fe2.update.microsoft.com/v6 becomes https://sws.update.microsoft.com",
        "set RedirectorChangeNumber: 4000 becomes 4002",
        "restart all of IIS (iisreset)",
        "restart the service WsusService",
        "start a synchronisation, and watch it",
        "other sites and programs on this server are interrupted",
        "Close every WSUS console first",
    ):
        assert shown.index(sentence) < question, sentence
    assert "--confirm" in shown[question:]
    assert settings(lab) == before
    exit_code, shown = at_a_terminal(lab, "yes")
    assert exit_code == 0, shown
    assert {name: settings(lab)[name] for name in NEW} == NEW
    assert "Succeeded" in shown[shown.index("Type yes: ") :]


def test_a_confirmed_repair_changes_what_it_said_and_synchronises(lab: Lab) -> None:
    before, state = settings(lab), lab.snapshot("staging")
    with lab.server("staging") as server:
        runs = server.connection.execute("SELECT count(*) FROM synchronization").fetchone()[0]
    done = confirmed(lab, "endpoint-decommissioned")
    assert settings(lab) == {**before, **NEW, "machine.web_service": "Running"}
    assert lab.snapshot("staging") == state
    assert any("Succeeded" in line for line in done.document["lines"])
    with lab.server("staging") as server:
        events = [row[0] for row in server.connection.execute("SELECT event_id FROM event")]
        more = server.connection.execute("SELECT count(*) FROM synchronization").fetchone()[0]
    assert {501, 502} <= set(events)
    assert more == runs + 1
    again = repair(lab, "endpoint-decommissioned", expect=0)
    assert any("nothing to repair" in line for line in again.document["lines"])


def test_a_repair_is_undone_from_what_it_kept(lab: Lab) -> None:
    before = settings(lab)
    confirmed(lab, "endpoint-decommissioned")
    confirmed(lab, "endpoint-decommissioned", "--undo")
    assert settings(lab) == {**before, "machine.web_service": "Running"}
    nothing = repair(lab, "endpoint-decommissioned", "--undo", expect=0)
    assert any("nothing to undo" in line for line in nothing.document["lines"])


def test_what_somebody_else_set_since_is_not_put_back(lab: Lab) -> None:
    confirmed(lab, "endpoint-decommissioned")
    with lab.server("staging") as server:
        server.set_setting("RedirectorChangeNumber", 5000)
    before = settings(lab)
    refused = confirmed(lab, "endpoint-decommissioned", "--undo", expect=4)
    assert refused.error["kind"] == "server-changed"
    assert "RedirectorChangeNumber is now 5000" in refused.error["message"]
    assert settings(lab) == before


@pytest.mark.parametrize("role", [{"SyncFromMicrosoftUpdate": False}, {"IsReplicaServer": True}])
def test_the_endpoint_of_a_downstream_server_is_left_alone(lab: Lab, role: dict[str, bool]) -> None:
    with lab.server("staging") as server:
        for name, value in role.items():
            server.set_setting(name, value)
    before = settings(lab)
    refused = repair(lab, "endpoint-decommissioned", expect=4)
    assert refused.error["kind"] == "server-unfit"
    assert settings(lab) == before


def test_strong_cryptography_is_switched_on_and_off_again(lab: Lab) -> None:
    lab.fault("staging", "strong-cryptography-off")
    before = settings(lab)
    done = confirmed(lab, "strong-cryptography")
    assert settings(lab) == {**before, registry.STRONG_CRYPTO: 1, "machine.web_service": "Running"}
    assert not any("synchronisation:" in line for line in done.document["lines"])
    confirmed(lab, "strong-cryptography", "--undo")
    assert settings(lab) == {**before, "machine.web_service": "Running"}


def test_a_repair_that_does_not_cure_says_what_still_fails(lab: Lab) -> None:
    lab.fault("staging", "database-busy")
    done = confirmed(lab, "endpoint-decommissioned", expect=2)
    assert done.document["findings"][0]["id"] == "database-synchronisation"
    assert settings(lab)["MUUrl"] == NEW["MUUrl"]


def test_a_service_that_stays_down_fails_and_the_next_run_goes_on(lab: Lab) -> None:
    planned = repair(lab, "endpoint-decommissioned", expect=4)
    lab.fault("staging", "service-down")
    failed = repair(
        lab, "endpoint-decommissioned", "--confirm", planned.document["plan_digest"], expect=1
    )
    assert failed.error["kind"] == "service-down"
    assert settings(lab)["MUUrl"] == NEW["MUUrl"]
    lab.fault("staging", "service-down", on=False)
    again = confirmed(lab, "endpoint-decommissioned")
    assert again.document["plan_digest"] == planned.document["plan_digest"]
    confirmed(lab, "endpoint-decommissioned", "--undo")
    assert {name: settings(lab)[name] for name in OLD} == OLD


def test_nothing_is_repaired_beside_a_wsusutil(lab: Lab) -> None:
    lab.tune("staging", "wsusutil_seconds", 60.0)
    folder = lab.folder / "staging" / "server"
    planned = repair(lab, "endpoint-decommissioned", expect=4)
    program = str(folder.parent / "wsusutil")
    words = [program, "export", str(folder / "p.xml.gz"), str(folder / "p.log")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        refused = repair(
            lab, "endpoint-decommissioned", "--confirm", planned.document["plan_digest"], expect=4
        )
        assert refused.error["kind"] == "wsusutil-running"
        assert settings(lab)["MUUrl"] == OLD["MUUrl"]
        process.kill()


def test_a_finding_without_a_repair_and_the_wrong_side_are_refused(lab: Lab) -> None:
    unknown = repair(lab, "proxy-407", expect=64)
    assert "endpoint-decommissioned" in unknown.error["message"]
    wrong = lab.run("disconnected", "repair", "strong-cryptography", expect=64)
    assert wrong.error["kind"] == "wrong-side"
