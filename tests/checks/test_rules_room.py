"""Rules on room and content: present, absent, unknown."""

from __future__ import annotations

from tasks.checks.rules import room
from tasks.names import Side
from tests.checks.facts import facts, ids, is_unknown, the_finding, without

BOTH = (facts(Side.STAGING), facts(Side.DISCONNECTED))


def test_failed_downloads_are_counted_and_the_next_step_is_that_of_the_side() -> None:
    staging = the_finding(facts(server={"failed_downloads": 3}), room.failed_downloads)
    assert (staging.id, staging.severity) == ("downloads-failed", "warning")
    assert staging.meaning.startswith("3 approved updates")
    assert "event 364" in staging.next_step
    other = facts(Side.DISCONNECTED, server={"failed_downloads": 3})
    assert "audit" in the_finding(other, room.failed_downloads).next_step


def test_a_download_that_is_not_done_is_a_note_on_the_staging_side() -> None:
    waiting = {"bytes_to_download": 10, "bytes_downloaded": 4}
    assert the_finding(facts(server=waiting), room.pending_downloads).severity == "note"
    assert ids(facts(Side.DISCONNECTED, server=waiting)) == []
    assert ids(facts(server={"bytes_to_download": 10, "bytes_downloaded": 10})) == []


def test_a_disk_that_is_nearly_full_is_a_warning() -> None:
    low = facts(server={"content_volume": {"free_bytes": 900_000_000, "file_system": "NTFS"}})
    assert ids(low) == ["content-disk-low"]


def test_active_approval_rules_are_named_on_the_disconnected_side_only() -> None:
    active = {"active_rules": 2}
    assert ids(facts(Side.DISCONNECTED, server=active)) == ["approval-rules-active"]
    assert ids(facts(server=active)) == []


def test_without_the_api_none_of_them_says_anything() -> None:
    for known_facts in BOTH:
        nothing = without(known_facts, "server")
        for rule in room.RULES:
            assert known_facts.side not in rule.sides or is_unknown(nothing, rule)
    assert is_unknown(facts(server={"content_volume": None}), room.low_room)
