"""A wsusutil at work on the server: found, waited for with a line a minute, or refused."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.crossing import asking, beside, wsusutil_run
from tasks.crossing.closing import close_run, stopped
from tasks.crossing.workplace import Workplace
from tasks.crossing.wsusutil_run import Started
from tasks.errors import ConnectionLostError, ServiceDownError
from tasks.ledger.work_id import WorkId
from tasks.refusals import WsusutilRunningError
from tests.support.places import lay_out_place, open_place, say, set_keys, use_answers

WORK = WorkId("export", 1)
BY_HAND = {"process_id": 7, "command_line": "WsusUtil.exe reset", "since": "2031-05-01T03:00:00Z"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A site whose wsusutil works until there is a file ``go``; its service runs."""
    site = lay_out_place(tmp_path, side="staging")
    use_answers(site)
    waiting = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    set_keys(site, wsusutil=["sh", "-c", waiting])
    tell(site)
    with open_place(site, command="export") as opened:
        opened.make_folders()
        yield opened
    (tmp_path / "go").touch()


def tell(site: Path, status: str = "Running", *wsusutil: object) -> None:
    """Have the server say how the service stands and which wsusutil works."""
    say(site, "control-service", {"kind": "service", "status": status, "wsusutil": wsusutil})


def start(place: Workplace) -> Started:
    return wsusutil_run.start_or_find(place, "export", work=WORK)


def test_a_free_server_has_nobody_in_the_way(place: Workplace) -> None:
    wsusutil_run.stand_clear(place, "export", work=WORK)
    assert beside.find_running(place) == ()


class Ender(logging.Handler):
    """Has the site's wsusutil end half a second after so many lines were said."""

    def __init__(self, lines: int, go: Path) -> None:
        super().__init__()
        self.lines, self.timer = lines, threading.Timer(0.5, go.touch)

    def emit(self, _: logging.LogRecord) -> None:
        self.lines -= 1
        if self.lines == 0:
            self.timer.start()


@contextmanager
def ending_at_line(lines: int, folder: Path) -> Iterator[None]:
    ender, log = Ender(lines, folder / "go"), logging.getLogger("wsus_airgap")
    log.addHandler(ender)
    try:
        yield
    finally:
        log.removeHandler(ender)


def test_the_job_that_the_command_goes_on_from_is_waited_for_with_a_line_each_interval(
    place: Workplace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(place)
    place.line_every_seconds = 0.05
    with caplog.at_level(logging.INFO, "wsus_airgap"), ending_at_line(3, tmp_path):
        wsusutil_run.stand_clear(place, "export", work=WORK)
    first, *later = caplog.messages
    sentence = first.removesuffix("; this command waits for it and goes on from there")
    assert sentence != first
    assert f"wsusutil export of run {place.run_id} of site alpha is still working since" in first
    assert len(later) >= 2
    assert set(later) == {sentence}
    assert wsusutil_run.start_or_find(place, "export", work=WORK).had_ended


def test_within_the_first_minute_one_line_is_enough(
    place: Workplace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(place)
    with caplog.at_level(logging.INFO, "wsus_airgap"), ending_at_line(1, tmp_path):
        wsusutil_run.stand_clear(place, "export", work=WORK)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("work", [None, WorkId("export", 2)])
def test_a_job_that_the_command_does_not_go_on_from_is_refused(
    place: Workplace, work: WorkId | None
) -> None:
    """Found by its folder alone: the server's process list is empty here."""
    start(place)
    with pytest.raises(WsusutilRunningError, match=f"run {place.run_id} of site alpha"):
        wsusutil_run.stand_clear(place, "export", work=work)


def test_beside_its_own_job_another_one_is_not_waited_for(place: Workplace, tmp_path: Path) -> None:
    start(place)
    tell(place.site.path, "Running", BY_HAND)
    with pytest.raises(WsusutilRunningError) as caught:
        wsusutil_run.stand_clear(place, "export", work=WORK)
    assert "process 7: WsusUtil.exe reset" in caught.value.message
    assert place.run_id not in caught.value.message


def test_a_job_of_a_state_folder_that_is_gone_is_still_seen(
    place: Workplace, tmp_path: Path
) -> None:
    start(place)
    site = tmp_path / "site.toml"
    text = site.read_text(encoding="utf-8")
    site.write_text(text.replace("[server]", 'state_dir = "other"\n[server]'), encoding="utf-8")
    with open_place(site) as other, pytest.raises(WsusutilRunningError, match=place.run_id):
        wsusutil_run.stand_clear(other, "export", work=WORK)


def test_ours_is_not_started_beside_one_that_began_meanwhile(
    place: Workplace, tmp_path: Path
) -> None:
    tell(place.site.path, "Running", BY_HAND)
    with pytest.raises(WsusutilRunningError):
        start(place)
    assert place.ledger.steps(WORK.text).attempt("export") is None
    assert place.waits_for is None


def test_a_service_that_does_not_start_is_told_from_one_that_wsusutil_has_stopped(
    place: Workplace, tmp_path: Path
) -> None:
    tell(place.site.path, "Stopped", BY_HAND)
    with pytest.raises(WsusutilRunningError):
        asking._make_service_run(place)
    tell(place.site.path, "Stopped")
    with pytest.raises(ServiceDownError):
        asking._make_service_run(place)


def test_the_end_of_a_run_that_waited_names_what_goes_on(place: Workplace, tmp_path: Path) -> None:
    attempt = start(place).attempt
    words = f"wsusutil export of run {place.run_id} of site alpha is still working since"
    assert f"; {words}" in stopped(place).message
    assert "waits for that wsusutil" in stopped(place).next_step
    report = close_run(place, ConnectionLostError(address="ssh://x", reason="reset"))
    assert words in report.lines[-1]
    (tmp_path / "go").touch()
    wsusutil_run.wait_for(place, attempt)
    assert stopped(place).message == "export was interrupted"


def test_what_asks_the_server_nothing_names_the_job_and_goes_on(
    place: Workplace, tmp_path: Path
) -> None:
    wsusutil_run.mention_running(place)
    assert place.lines == []
    attempt = start(place).attempt
    wsusutil_run.mention_running(place)
    (line,) = place.lines
    assert line.startswith(f"wsusutil export of run {place.run_id}")
    (tmp_path / "go").touch()
    wsusutil_run.wait_for(place, attempt)
    wsusutil_run.mention_running(place)
    assert place.lines == [line]
