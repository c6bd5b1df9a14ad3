"""What an audit sets going on the server, and what it says where the server will not."""

from __future__ import annotations

import pytest

from tasks.crossing import asking, auditing
from tasks.crossing.workplace import Workplace
from tasks.revision import RevisionId


def test_a_download_that_wsus_will_not_take_up_is_named_and_not_counted(
    disconnected: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [
        {"kind": "outcome", "n": 1, "result": "done"},
        {"kind": "outcome", "n": 2, "result": "failed", "error": "it is being verified"},
        {"kind": "outcome", "n": 3, "result": "done"},
    ]
    monkeypatch.setattr(asking, "ask", lambda *_, **__: iter(outcomes))
    updates = [RevisionId("id", number) for number in (1, 2, 3)]
    assert auditing._resume(disconnected, updates) == 2
    (alarm,) = disconnected.alarms
    assert "took up 2 of 3 downloads" in alarm
    assert alarm.endswith("it is being verified")
