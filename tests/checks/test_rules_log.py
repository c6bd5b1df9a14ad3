"""Rules on log and event log: what counts since the last success, and how grave it is."""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.checks.rules import log
from tasks.names import Side
from tests.checks.facts import FAILED, NOW, facts, ids, is_unknown, judged, without

SUCCEEDED_AT = NOW - timedelta(hours=1)  # as in the facts of a healthy server
AFTER, BEFORE = NOW - timedelta(minutes=10), NOW - timedelta(hours=5)
CLOSED = (
    "WebException: The underlying connection was closed: An unexpected error occurred on a send."
)


def entry(moment: datetime, message: str, level: str = "Error") -> str:
    """A line of SoftwareDistribution.log."""
    return (
        f"{moment:%Y-%m-%d %H:%M:%S}.000 UTC\t{level}\tWsusService.7\tClass.Method\t{message}\r\n"
    )


def _failing(message: str) -> list[str]:
    failed = {**FAILED, "error": "Unknown"}
    history = {"runs": [failed]}
    return ids(facts(log=entry(AFTER, message), synchronisation=history), *log.RULES)


def test_an_entry_after_the_last_success_counts_and_one_before_does_not() -> None:
    assert ids(facts(log=entry(AFTER, CLOSED))) == ["connection-closed"]
    assert ids(facts(log=entry(BEFORE, CLOSED))) == []


def test_a_log_is_graver_than_a_warning_only_while_synchronisation_fails() -> None:
    (finding,) = judged(facts(log=entry(AFTER, CLOSED))).findings
    assert finding.severity == "warning"
    failed = facts(
        log=entry(AFTER, CLOSED), synchronisation={"runs": [{**FAILED, "error": "Unknown"}]}
    )
    by_id = {each.id: each.severity for each in judged(failed).findings}
    assert by_id["connection-closed"] == "failure"


def test_what_a_start_of_the_service_ends_is_over_with_it() -> None:
    broken = entry(AFTER, "EventId=507,Type=Error,Category=None,Message=It stopped.")
    started = entry(
        AFTER + timedelta(seconds=9), "EventId=501,Type=Information,Message=Started", "Info"
    )
    assert ids(facts(log=broken)) == ["service-failed"]
    assert ids(facts(log=broken + started)) == []
    event = {"id": 507, "source": "Windows Server Update Services", "time": AFTER, "message": "x"}
    assert ids(facts(log=started, events=(event,))) == []
    stopped = entry(AFTER + timedelta(seconds=9), "EventId=502,Type=Information,Message=Stopped")
    assert ids(facts(log=broken + stopped)) == ["service-failed"]


def test_the_newest_of_equal_entries_is_the_evidence() -> None:
    text = entry(AFTER, f"{CLOSED} first") + entry(AFTER + timedelta(seconds=1), f"{CLOSED} last")
    (finding,) = judged(facts(log=text)).findings
    assert finding.evidence.endswith("last")


def test_events_count_like_entries() -> None:
    event = {"id": 386, "source": "Windows Server Update Services", "time": AFTER,
             "message": "Synchronisierung fehlgeschlagen."}  # fmt: skip
    assert ids(facts(events=(event,))) == ["synchronisation-failed"]
    assert ids(facts(events=({**event, "time": BEFORE},))) == []
    assert ids(facts(events=({**event, "source": "MSSQLSERVER"},))) == []


def test_noise_of_a_disconnected_server_is_no_finding() -> None:
    events = tuple(
        {"id": number, "source": "Windows Server Update Services", "time": AFTER, "message": "x"}
        for number in (10021, 10022, 386)
    )
    text = entry(AFTER, "The remote name could not be resolved: 'sws.update.microsoft.com'")
    assert ids(facts(Side.DISCONNECTED, log=text, events=events)) == []


def test_a_disconnected_server_is_judged_by_the_events_of_its_own_health() -> None:
    event = {"id": 421, "source": "Windows Server Update Services", "time": AFTER, "message": "x"}
    (finding,) = judged(facts(Side.DISCONNECTED, events=(event,))).findings
    assert (finding.id, finding.severity) == ("database-connection", "warning")
    old = {**event, "time": NOW - timedelta(days=3)}
    assert ids(facts(Side.DISCONNECTED, events=(old,))) == []
    started = entry(NOW, "EventId=501,Type=Information,Message=Started", "Info")
    assert ids(facts(Side.DISCONNECTED, events=(event,), log=started)) == []
    assert is_unknown(without(facts(Side.DISCONNECTED), "events"), log.server_events)


def test_reasons_of_downloads_count_as_long_as_downloads_are_failed() -> None:
    text = entry(BEFORE, "Content file download failed. Reason: (0x80070005) Access is denied.")
    assert ids(facts(log=text)) == []
    for side in Side:
        found = ids(facts(side, log=text, server={"failed_downloads": 2}))
        assert found[0] == "access-denied", found
        assert "downloads-failed" in found


def test_without_log_events_or_history_nothing_is_said() -> None:
    assert is_unknown(facts(log=None), log.log_signs)
    assert is_unknown(without(facts(), "events"), log.event_signs)
    assert is_unknown(without(facts(), "synchronisation"), log.log_signs)
    broken = facts(log=None, server={"failed_downloads": 1})
    assert is_unknown(broken, log.content_signs)
