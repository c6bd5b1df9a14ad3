"""Rules on the history of synchronisations: present, absent, unknown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.checks.rules import synchronisation
from tasks.names import Side
from tests.checks.facts import FAILED, NOW, facts, ids, is_unknown, judged, the_finding, without

SUCCESS = {**FAILED, "result": "Succeeded", "error": "NotApplicable"}


def _run(days_ago: float, result: str = "Succeeded", error: str = "NotApplicable") -> dict:  # type: ignore[type-arg]
    ended = NOW - timedelta(days=days_ago)
    return {"started": ended - timedelta(minutes=2), "ended": ended, "result": result,
            "error": error, "error_text": ""}  # fmt: skip


def test_a_failure_names_its_error_and_the_cause_stands_first() -> None:
    failed = {**FAILED, "error": "LocalDBTooBusy", "error_text": "SqlException: Timeout expired."}
    cause, result = judged(facts(synchronisation={"runs": [failed, _run(1)]})).findings
    assert cause.id == "database-synchronisation"
    assert (result.id, result.consequence_of) == (
        "synchronisation-failed", ("database-synchronisation",),
    )  # fmt: skip
    assert result.evidence == "Failed, LocalDBTooBusy: SqlException: Timeout expired."


def test_a_failure_without_a_known_cause_is_a_finding_by_itself() -> None:
    failed = {**FAILED, "error": "Unknown", "error_text": ""}
    assert "synchronisation-failed" in ids(facts(synchronisation={"runs": [failed, _run(1)]}))


def test_one_that_was_cancelled_or_still_runs_is_no_failure() -> None:
    cancelled = _run(0.1, "Canceled", "UserCanceled")
    running = {**_run(0), "ended": None, "result": "NeverRun"}
    assert ids(facts(synchronisation={"runs": [running, cancelled, _run(1)]})) == []


def test_an_old_success_is_a_failure_although_nothing_failed() -> None:
    old = the_finding(facts(synchronisation={"runs": [_run(8)]}))
    assert (old.id, old.severity) == ("synchronisation-old", "failure")
    assert "8 days ago" in old.evidence
    assert ids(facts(synchronisation={"runs": [_run(6.9)]})) == []
    assert (
        ids(facts(synchronisation={"runs": [_run(8)]}, own={"limits": {"max_sync_age_days": 30}}))
        == []
    )


def test_an_old_success_follows_from_the_failures_since() -> None:
    failed = {**FAILED, "error": "LocalDBTooBusy"}
    findings = judged(facts(synchronisation={"runs": [failed, _run(20)]})).findings
    assert [each.id for each in findings] == [
        "database-synchronisation", "synchronisation-failed", "synchronisation-old",
    ]  # fmt: skip
    assert "database-synchronisation" in findings[2].consequence_of


def test_a_server_that_never_synchronised_is_named() -> None:
    assert ids(facts(synchronisation={"runs": []})) == ["synchronisation-never"]


@pytest.mark.parametrize("empty", ["products", "classifications"])
def test_a_subscription_of_nothing_is_the_reason_for_nothing_new(empty: str) -> None:
    finding = the_finding(facts(synchronisation={empty: 0}))
    assert (finding.id, finding.severity) == ("succeeded-nothing-new", "failure")


def test_behind_the_gap_no_history_is_normal_and_a_schedule_is_the_finding() -> None:
    assert ids(facts(Side.DISCONNECTED, synchronisation={"runs": []})) == []
    failed = {**FAILED, "error": "UssNotFound"}
    assert ids(facts(Side.DISCONNECTED, synchronisation={"runs": [failed]})) == []
    scheduled = facts(Side.DISCONNECTED, synchronisation={"scheduled": True})
    assert ids(scheduled) == ["synchronisation-scheduled"]
    assert ids(facts(synchronisation={"scheduled": True})) == []


def test_without_the_history_none_of_them_says_anything() -> None:
    for side in Side:
        nothing = without(facts(side), "synchronisation")
        for rule in synchronisation.RULES:
            assert side not in rule.sides or is_unknown(nothing, rule)
    for field in ("products", "classifications"):
        assert is_unknown(
            without(facts(), f"synchronisation.{field}"), synchronisation.subscriptions
        )
