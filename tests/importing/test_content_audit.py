"""What an audit sets going on the server, and what it says where the server will not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.importing import content_audit
from tasks.refusals import WsusutilRunningError
from tasks.revision import RevisionId
from tests.support.runs import open_test_run, say, use_answers, write_site_file

UPDATES = [RevisionId("id", number) for number in (1, 2, 3)]
OUTCOMES = (
    {"kind": "outcome", "n": 1, "result": "done"},
    {"kind": "outcome", "n": 2, "result": "failed", "error": "it is being verified"},
    {"kind": "outcome", "n": 3, "result": "done"},
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A disconnected server whose WSUS takes up all downloads but the second."""
    site = write_site_file(tmp_path, side="disconnected")
    use_answers(site)
    say(site, "apply-approvals", *OUTCOMES)
    return site


def test_a_download_that_wsus_will_not_take_up_is_named_and_not_counted(site: Path) -> None:
    say(site, "control-service", {"status": "Running", "wsusutil": []})
    with open_test_run(site) as disconnected:
        disconnected.make_folders()
        assert content_audit._resume(disconnected, UPDATES) == 2
        (alarm,) = disconnected.report.notices
    assert "took up 2 of 3 downloads" in alarm
    assert alarm.endswith("it is being verified")


def test_no_download_is_taken_up_beside_a_wsusutil(site: Path) -> None:
    by_hand = {"process_id": 7, "command_line": "WsusUtil.exe reset", "since": None}
    say(site, "control-service", {"status": "Running", "wsusutil": [by_hand]})
    with open_test_run(site) as disconnected:
        disconnected.make_folders()
        with pytest.raises(WsusutilRunningError):
            content_audit._resume(disconnected, UPDATES)
