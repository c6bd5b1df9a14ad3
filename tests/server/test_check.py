"""The first look at a server: which content folder is taken for one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.metadata.server import ServerFacts
from tasks.names import Side
from tasks.refusals import RoomError, ServerChangedError, ServerUnfitError
from tasks.run.context import RunContext
from tasks.server import check
from tasks.server.examination import gather
from tasks.server.queries import ServerAnswer
from tests.metadata.facts import LINE
from tests.support.runs import on_memory_server, site_with

CONTENT_DIR = "/srv/WsusContent"


def _look(run: RunContext, **changes: object) -> ServerFacts:
    line = {**LINE, "content_dir": CONTENT_DIR, **changes}
    on_server = on_memory_server(run, {"read-server": lambda _: [line]})
    on_server.server.make_folder(on_server.server.path(CONTENT_DIR))
    return check.check_requirements(replace(on_server, command="audit"))


def test_a_content_folder_that_wsus_made_is_taken(disconnected: RunContext) -> None:
    assert _look(disconnected).content_dir == CONTENT_DIR


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
    disconnected: RunContext, named: str, reason: str
) -> None:
    with pytest.raises(ServerUnfitError) as caught:
        _look(disconnected, content_dir=named)
    assert reason in caught.value.message


def test_content_on_a_share_is_refused_with_the_reason_of_microsoft(
    disconnected: RunContext,
) -> None:
    with pytest.raises(ServerUnfitError) as caught:
        _look(disconnected, content_dir=r"\\nas\wsus\WsusContent")
    assert "Microsoft asks for local content" in caught.value.message
    assert "wsusutil movecontent" in caught.value.next_step


def test_a_server_is_known_by_the_id_that_was_adopted(disconnected: RunContext) -> None:
    disconnected.ledger.adopt_server(Side.DISCONNECTED, LINE["server_id"])
    _look(disconnected)
    with pytest.raises(ServerChangedError):
        _look(disconnected, server_id="00000000-86a3-4f65-a4a1-94a8d7ba3b5c")


def test_a_content_disk_that_is_as_good_as_full_stops_before_anything_is_read(
    disconnected: RunContext,
) -> None:
    with pytest.raises(RoomError):
        _look(disconnected, content_volume={"free_bytes": 1_000_000, "file_system": "NTFS"})
    _look(disconnected, content_volume=None)


def test_rules_judge_by_the_limits_of_the_site_file(disconnected: RunContext) -> None:
    disconnected.site = site_with(disconnected.site, "check", max_sync_age_days=3)
    disconnected.site = site_with(disconnected.site, "trust", max_quiet_days=8)
    own = gather(disconnected, ServerAnswer(None, {})).own
    assert (own.limits.max_sync_age_days, own.max_quiet_days) == (3, 8)
