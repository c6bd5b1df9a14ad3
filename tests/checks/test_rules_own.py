"""Rules on this side's own state: bundles, medium, mark, keys, scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.checks.facts.gathered import Facts
from tasks.checks.rules import own
from tasks.names import Side
from tests.checks.facts import NOW, OWN, facts, ids, is_unknown, the_finding, without

MEDIUM = OWN["medium"]


@pytest.mark.parametrize("side", list(Side))
def test_a_newest_bundle_older_than_the_site_allows_fails_the_check(side: Side) -> None:
    def aged(days: float) -> dict[str, Any]:
        return {"newest_bundle": NOW - timedelta(days=days), "newest_bundle_name": "alpha-7"}

    finding = the_finding(facts(side, own=aged(46)))
    assert (finding.id, finding.severity) == ("bundle-old", "failure")
    assert "alpha-7" in finding.evidence
    assert "max_quiet_days = 45" in finding.evidence
    assert ids(facts(side, own=aged(44.9))) == []
    assert ids(facts(side, own={"newest_bundle": None})) == []


def test_an_old_bundle_behind_the_gap_is_named_with_the_day_of_its_import() -> None:
    old = {"newest_bundle": NOW - timedelta(days=60), "newest_import": NOW - timedelta(days=50)}
    evidence = the_finding(facts(Side.DISCONNECTED, own=old)).evidence
    assert f"60 days ago, imported {NOW - timedelta(days=50):%Y-%m-%d}" in evidence


@pytest.mark.parametrize("change", [{"is_there": False}, {"is_writable": False}])
def test_a_medium_that_cannot_be_written_is_a_warning_before_an_export(
    change: dict[str, Any],
) -> None:
    finding = the_finding(facts(own={"medium": {**MEDIUM, **change}}), own.medium)
    assert (finding.id, finding.severity) == ("medium-unusable", "warning")


def test_a_wsusutil_that_is_not_there_fails_the_check() -> None:
    missing = facts(own={"has_wsusutil": False, "wsusutil": r"D:\Tools\WsusUtil.exe"})
    finding = the_finding(missing)
    assert (finding.id, finding.severity) == ("wsusutil-missing", "failure")
    assert r"D:\Tools\WsusUtil.exe" in finding.evidence
    assert ids(facts(own={"has_wsusutil": True})) == []
    assert is_unknown(facts(own={"has_wsusutil": None}), own.wsusutil_there)


@pytest.mark.parametrize("exit_code", [1, None])
def test_a_wsusutil_that_gives_no_answer_is_a_warning_with_its_last_line(
    exit_code: int | None,
) -> None:
    def asked(**answer: object) -> Facts:
        return facts(own={"wsusutil_answer": answer})

    silent = asked(exit_code=exit_code, last_line="Unable to get a list. password=secret")
    finding = the_finding(silent)
    assert (finding.id, finding.severity) == ("wsusutil-fails", "warning")
    assert "Unable to get a list. password=[redacted]" in finding.evidence
    assert ids(asked(exit_code=0)) == []
    assert is_unknown(facts(own={"wsusutil_answer": None}), own.wsusutil_answers)


def test_no_medium_behind_the_gap_is_normal() -> None:
    absent = facts(Side.DISCONNECTED, own={"medium": {**MEDIUM, "is_there": False}})
    assert the_finding(absent).severity == "note"
    locked = facts(Side.DISCONNECTED, own={"medium": {**MEDIUM, "is_writable": None}})
    assert ids(locked) == []


def test_a_medium_with_less_room_than_the_newest_bundle_took_is_named() -> None:
    small = {"medium": {**MEDIUM, "free_bytes": 10}, "carried_bytes": 11}
    assert ids(facts(own=small)) == ["medium-room"]
    assert ids(facts(own={**small, "carried_bytes": 10})) == []
    assert is_unknown(facts(), own.medium_room)  # nothing was made yet


@pytest.mark.parametrize(("is_refused", "severity"), [(True, "failure"), (False, "warning")])
def test_a_mark_that_disagrees_is_as_grave_as_what_an_import_makes_of_it(
    is_refused: bool,
    severity: str,
) -> None:
    problem = {"sentence": "it bears bundle 9", "next_step": "Look.", "is_refused": is_refused}
    finding = the_finding(facts(own={"mark_problem": problem}))
    assert (finding.id, finding.severity) == ("mark-differs", severity)
    assert finding.evidence == "it bears bundle 9"


def test_a_side_that_trusts_its_own_key_is_named() -> None:
    finding = the_finding(facts(own={"trusted": ("2e", "1f")}))
    assert (finding.id, finding.severity) == ("own-key-trusted", "failure")


def test_installed_scripts_that_are_not_ours_are_listed() -> None:
    finding = the_finding(facts(own={"wrong_scripts": ("read-server.ps1", "place-files.ps1")}))
    assert "read-server.ps1, place-files.ps1" in finding.evidence
    assert ids(facts(own={"wrong_scripts": ()})) == []
    assert ids(facts(own={"wrong_scripts": None})) == []


def test_what_is_not_known_of_this_side_is_no_finding() -> None:
    for field, rule in (
        ("medium", own.medium),
        ("fingerprint", own.own_key),
        ("at_work", own.wsusutil),
    ):
        assert is_unknown(without(facts(), f"own.{field}"), rule)
