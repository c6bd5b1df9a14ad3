"""What an audit sets going on the server, and what it says where the server will not."""

from __future__ import annotations

import pytest

from tasks.importing import content_audit
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.server import queries


def test_a_download_that_wsus_will_not_take_up_is_named_and_not_counted(
    disconnected: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [
        {"kind": "outcome", "n": 1, "result": "done"},
        {"kind": "outcome", "n": 2, "result": "failed", "error": "it is being verified"},
        {"kind": "outcome", "n": 3, "result": "done"},
    ]
    monkeypatch.setattr(queries, "ask", lambda *_, **__: iter(outcomes))
    updates = [RevisionId("id", number) for number in (1, 2, 3)]
    assert content_audit._resume(disconnected, updates) == 2
    (alarm,) = disconnected.report.notices
    assert "took up 2 of 3 downloads" in alarm
    assert alarm.endswith("it is being verified")
