"""The first look at a server: which content folder is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.refusals import ServerUnfitError
from tasks.run.context import RunContext
from tasks.server import check, queries
from tests.metadata.facts import server_facts


def _look(run: RunContext, monkeypatch: pytest.MonkeyPatch, content_dir: object) -> None:
    facts = server_facts(content_dir=str(content_dir))
    monkeypatch.setattr(queries, "read_running_server", lambda *_, **__: facts)
    check.check_server(run)


def test_a_content_folder_that_wsus_made_is_taken(
    disconnected: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "WsusContent").mkdir()
    _look(disconnected, monkeypatch, tmp_path / "WsusContent")


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("/nowhere/WsusContent", "is not there: /nowhere/WsusContent"),
        ("/", "is no WsusContent: /"),
        ("/etc", "is no WsusContent: /etc"),
        ("WsusContent", "cannot be one: not an absolute path"),
        ("", "cannot be one"),
        ("/srv/../WsusContent", "cannot be one: a path cannot go up"),
        ("/srv/\0/WsusContent", "cannot be one"),
    ],
)
def test_no_content_is_looked_for_or_placed_in_any_other(
    disconnected: RunContext, monkeypatch: pytest.MonkeyPatch, named: str, reason: str
) -> None:
    with pytest.raises(ServerUnfitError) as caught:
        _look(disconnected, monkeypatch, named)
    assert reason in caught.value.message
