"""The errors that WSUS reports for missing files stand beside our reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.checks.log_signs import EventRecord, LogSign, recognise_event
from tasks.metadata.audit import MissingFile, MissingReason
from tasks.run.context import RunContext
from tasks.server.wsus_errors import errors_section, report_download_errors
from tests.metadata.facts import server_facts
from tests.metadata.writing import guid
from tests.support.runs import on_memory_server

SHA1 = "0098C79E1404B4399BF0E686D88DBF052269A302"
NOW = datetime(2031, 5, 1, 3, tzinfo=UTC)
FAILED = (
    "Content file download failed. Reason: {reason}  Source File: /Content/wuagent.exe"
    r"  Destination File: C:\WSUS\WsusContent\02\0098c79e1404b4399bf0e686d88dbf052269a302.exe"
)


def sign(reason: str, *, hours: int = 0, number: int = 364) -> LogSign:
    source, time = "Windows Server Update Services", NOW + timedelta(hours=hours)
    message = FAILED.format(reason=reason)
    found = recognise_event(EventRecord(id=number, source=source, time=time, message=message))
    assert found is not None
    return found


def missing(file: str | None) -> MissingFile:
    return MissingFile(
        update_id=guid(1), revision=1, title="Agent", kb="", file=file, size_bytes=None,
        reason=MissingReason.NEVER_DOWNLOADED, reason_text="",
    )  # fmt: skip


def test_the_newest_error_of_each_missing_file_is_shown_with_our_reason() -> None:
    signs = [sign("HTTP status 403"), sign("HTTP status 404", hours=1)]
    section = errors_section([missing(f"{SHA1}.exe"), missing("AB" * 20), missing(None)], signs)
    assert section is not None
    (row,) = section.rows
    assert row[:3] == ("Agent", f"{SHA1}.exe", "never-downloaded")
    assert str(row[3]).startswith("2031-05-01 04:00")
    assert "HTTP status 404" in str(row[4])


def test_without_an_error_of_wsus_there_is_no_table() -> None:
    assert errors_section([missing(f"{SHA1}.exe")], []) is None
    assert errors_section([missing(None)], [sign("404")]) is None


@pytest.mark.parametrize("failed", [0, 1])
def test_the_event_log_is_read_only_when_the_server_counts_failed_downloads(
    disconnected: RunContext, failed: int
) -> None:
    facts = server_facts(failed_downloads=failed)
    event = {
        "kind": "events", "id": 364, "source": "Windows Server Update Services",
        "time": "2031-05-01T03:00:00Z", "message": FAILED.format(reason="HTTP status 404"),
    }  # fmt: skip
    server = {"kind": "server", **facts.model_dump(mode="json")}
    answers = {"read-server": lambda _: [server, {"kind": "events"}, event]}
    run = on_memory_server(disconnected, answers)
    run.make_folders()
    report_download_errors(run, facts, [missing(f"{SHA1}.exe")])
    assert [section.key for section in run.report.sections] == ["wsus-errors"] * failed
