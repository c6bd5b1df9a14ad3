"""Downloads of WSUS: waited for before an export, paused during an import and always resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tasks.errors import ConnectionLostError, FailedError
from tasks.hosts.host import Json
from tasks.hosts.waiting import Pace
from tasks.metadata.wsusutil_process import Running
from tasks.refusals import ServerUnfitError
from tasks.run.context import RunContext
from tasks.run.ending import close_run
from tasks.server import downloads
from tests.metadata.facts import LINE, server_facts
from tests.support.bundles import NOW
from tests.support.runs import Answer, on_memory_server, open_test_run, write_site_file

MANY = 5_000_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(first_seconds=0.001, longest_seconds=0.001, report_every_seconds=0.01)
    monkeypatch.setattr(downloads, "PACE", pace)


class Downloads:
    """What a server has still to download, and what was asked of it."""

    def __init__(self, *waiting: int) -> None:
        self.waiting = list(waiting)
        self.asked: list[str] = []
        self.refuses = False
        self.cuts = False

    def answers(self) -> Mapping[str, Answer]:
        return {"read-server": self.read, "control-downloads": self.control}

    def read(self, _: list[Json]) -> list[Mapping[str, Any]]:
        left_over = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
        return [LINE | {"bytes_to_download": MANY, "bytes_downloaded": MANY - left_over}]

    def control(self, request: list[Json]) -> list[Mapping[str, Any]]:
        action = str(request[0]["action"])
        if self.cuts:
            lose_connection()
        if self.refuses:
            raise FailedError(reason="WsusService is stopped")
        self.asked.append(action)
        changed = action == "resume" or self.waiting[0] > 0
        return [{"kind": "downloads", "waiting_bytes": self.waiting[0], "changed": changed}]


@pytest.fixture
def stopping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunContext]:
    """A staging side that does not wait."""
    folder = tmp_path_factory.mktemp("stopping")
    policy = 'on_downloads = "stop"'
    with open_test_run(write_site_file(folder, side="staging", policy=policy)) as run:
        yield run


def waiting(left_over: int) -> Any:
    return server_facts(bytes_to_download=MANY, bytes_downloaded=MANY - left_over)


def test_an_export_waits_until_nothing_is_left(staging: RunContext) -> None:
    run = on_memory_server(staging, Downloads(3_000_000, 1_000_000, 0).answers())

    facts = downloads.settle_downloads(run, waiting(MANY))

    assert downloads.waiting_bytes(facts) == 0
    assert run.report.notices == []


def test_a_server_at_rest_is_not_asked_again(staging: RunContext) -> None:
    assert downloads.settle_downloads(staging, server_facts()) == server_facts()


def test_downloads_that_stand_still_are_given_up_and_named(
    staging: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "STILL_SECONDS", 0.02)
    run = on_memory_server(staging, Downloads(2_000_000).answers())

    downloads.settle_downloads(run, waiting(MANY))

    (notice,) = run.report.notices
    assert "still to download 2.0 MB" in notice


def test_a_site_may_stop_at_downloads(stopping: RunContext) -> None:
    with pytest.raises(ServerUnfitError, match=r"still to download 5\.0 MB"):
        downloads.settle_downloads(stopping, waiting(MANY))


def fail(run: RunContext) -> None:
    assert run.ledger.paused_downloads == run.run_id
    raise FailedError(reason="x")


def interrupt(run: RunContext) -> None:
    run.waits_for = Running(what="wsusutil import", since=NOW)
    raise KeyboardInterrupt


def test_running_downloads_are_paused_and_resumed_whatever_ends_the_block(
    disconnected: RunContext,
) -> None:
    server = Downloads(MANY)
    run = on_memory_server(disconnected, server.answers())

    with pytest.raises(FailedError), downloads.paused_downloads(run, is_loading=False):
        fail(run)

    assert server.asked == ["pause", "resume"]
    assert run.ledger.paused_downloads is None


def test_downloads_that_a_person_cancelled_are_left_alone(disconnected: RunContext) -> None:
    server = Downloads(0)
    run = on_memory_server(disconnected, server.answers())

    with downloads.paused_downloads(run, is_loading=False):
        pass

    assert server.asked == ["pause"]
    assert run.report.lines == []


def test_a_retry_beside_its_own_wsusutil_asks_nothing_and_resumes_at_its_end(
    disconnected: RunContext,
) -> None:
    """Wsusutil has stopped the service, so the script could not answer."""
    server = Downloads(MANY)
    run = on_memory_server(disconnected, server.answers())
    with (
        pytest.raises(KeyboardInterrupt),
        downloads.paused_downloads(run, is_loading=False),
    ):
        interrupt(run)

    with downloads.paused_downloads(run, is_loading=True):
        assert server.asked == ["pause"]
        run.waits_for = None

    assert server.asked == ["pause", "resume"]
    assert run.ledger.paused_downloads is None


def test_a_retry_before_wsusutil_keeps_in_mind_what_the_first_try_paused(
    disconnected: RunContext,
) -> None:
    server = Downloads(0)  # paused ones do not count as running
    run = on_memory_server(disconnected, server.answers())
    run.ledger.remember_paused(run.run_id)

    with downloads.paused_downloads(run, is_loading=False):
        assert run.ledger.paused_downloads is not None

    assert server.asked == ["pause", "resume"]


def test_beside_a_wsusutil_that_goes_on_nothing_is_resumed_until_the_next_run(
    disconnected: RunContext,
) -> None:
    server = Downloads(MANY)
    run = on_memory_server(disconnected, server.answers())
    with pytest.raises(KeyboardInterrupt), downloads.paused_downloads(run, is_loading=False):
        interrupt(run)
    assert server.asked == ["pause"]
    run.waits_for = None

    downloads.resume_downloads(run)
    downloads.resume_downloads(run)

    assert server.asked == ["pause", "resume"]


def test_a_resume_that_fails_is_a_notice_and_tried_again(disconnected: RunContext) -> None:
    server = Downloads(MANY)
    run = on_memory_server(disconnected, server.answers())
    with downloads.paused_downloads(run, is_loading=False):
        server.refuses = True
    assert "the next run tries again" in close_run(run, None).notices[0]
    server.refuses = False

    downloads.resume_downloads(run)

    assert server.asked[-1] == "resume"
    assert run.ledger.paused_downloads is None


def test_after_a_lost_connection_the_retry_resumes_and_no_notice_is_left(
    disconnected: RunContext,
) -> None:
    server = Downloads(MANY)
    run = on_memory_server(disconnected, server.answers())
    with pytest.raises(ConnectionLostError), downloads.paused_downloads(run, is_loading=False):
        lose_connection()
    assert server.asked == ["pause"]  # nobody would have answered
    server.cuts = True
    with pytest.raises(ConnectionLostError):
        downloads.resume_downloads(run)
    assert run.report.still_paused is not None
    server.cuts = False

    downloads.resume_downloads(run)

    assert server.asked == ["pause", "resume"]
    assert close_run(run, None).notices == ()


def lose_connection() -> None:
    raise ConnectionLostError(address="wsus", reason="it was cut")


def test_a_rehearsal_neither_waits_for_downloads_nor_resumes_what_was_paused(
    stopping: RunContext,
) -> None:
    server = Downloads(3_000_000)
    run = on_memory_server(stopping, server.answers())
    run.ledger.remember_paused(run.run_id)
    run.rehearses = True

    facts = downloads.settle_downloads(run, waiting(3_000_000))
    downloads.resume_downloads(run)

    assert downloads.waiting_bytes(facts) == 3_000_000
    assert "still to download 3.0 MB" in run.report.notices[-1]
    assert server.asked == []
    assert run.ledger.paused_downloads is not None  # the next real run resumes them
