"""Rules on service, account, PowerShell, clock and volumes: present, absent, unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.checks.rules import machine
from tasks.checks.rules.rule import Rule
from tasks.names import Side
from tests.checks.facts import FAILED, NOW, facts, ids, is_unknown, judged, without

# Each finding with its rule, and the one fact of the topic that brings it about.
FAULTS: dict[str, tuple[Rule, dict[str, Any]]] = {
    "service-stopped": (machine.service, {"service_status": "Stopped"}),
    "account-rights": (machine.administrator, {"is_administrator": False}),
    "language-mode": (machine.language_mode, {"language_mode": "ConstrainedLanguage"}),
    "execution-policy": (machine.execution_policy, {"execution_policy": "AllSigned"}),
    "clock-differs": (machine.clock, {"clock": NOW - timedelta(minutes=6)}),
    "work-folder-volume": (machine.work_volume, {"work_volume": "C:\\"}),
}


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_found_alone_on_either_side(name: str, side: Side) -> None:
    _, change = FAULTS[name]
    (finding,) = judged(facts(side, machine=change)).findings
    assert finding.id == name
    assert finding.meaning.endswith(".")
    assert finding.next_step.endswith(".")


@pytest.mark.parametrize("name", FAULTS)
def test_what_windows_does_not_say_is_not_known(name: str) -> None:
    rule, change = FAULTS[name]
    (field,) = change
    assert is_unknown(without(facts(), f"machine.{field}"), rule)
    assert is_unknown(without(facts(), "machine"), rule)


@pytest.mark.parametrize("policy", ["Undefined", "RemoteSigned", "Unrestricted", "Bypass"])
def test_a_policy_that_lets_our_scripts_run_is_in_order(policy: str) -> None:
    assert ids(facts(machine={"execution_policy": policy})) == []


def test_a_clock_within_five_minutes_is_right() -> None:
    for minutes in (-5, 5):
        assert ids(facts(machine={"clock": NOW + timedelta(minutes=minutes)})) == []


def test_a_server_that_answers_slowly_has_no_wrong_clock_for_it() -> None:
    slow = facts(machine={"clock": NOW - timedelta(minutes=20)})
    assert ids(slow) == ["clock-differs"]
    asked = slow.model_copy(update={"asked": NOW - timedelta(minutes=21)})
    assert ids(asked) == []
    late = slow.model_copy(update={"asked": NOW - timedelta(minutes=14)})
    assert ids(late) == ["clock-differs"]


def test_a_stopped_service_explains_why_synchronisation_fails() -> None:
    ended = NOW - timedelta(days=9)
    success = {**FAILED, "started": ended, "ended": ended, "result": "Succeeded"}
    failed = {"runs": [{**FAILED, "error": "Unknown"}, success]}
    findings = judged(facts(machine={"service_status": "Stopped"}, synchronisation=failed)).findings
    by_id = {each.id: each.consequence_of for each in findings}
    assert by_id == {
        "service-stopped": (),
        "synchronisation-failed": ("service-stopped",),
        "synchronisation-old": ("service-stopped", "synchronisation-failed"),
    }


def test_a_wsusutil_at_work_may_have_stopped_the_service() -> None:
    own = {"at_work": ("wsusutil import works since 12:00",)}
    stopped = facts(machine={"service_status": "Stopped"}, own=own)
    (note,) = judged(stopped).findings
    assert (note.id, note.severity) == ("wsusutil-at-work", "note")


def test_a_service_that_runs_while_the_api_is_silent_is_named_with_the_reason() -> None:
    silent = without(facts(), "server")
    silent = silent.model_copy(update={"unknown": {"server": "The server is busy."}})
    (finding,) = judged(silent).findings
    assert (finding.id, finding.evidence) == ("api-unanswered", "The server is busy.")
    assert is_unknown(without(facts(), "server"), machine.api)  # no reason was given
