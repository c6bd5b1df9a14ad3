"""A wsusutil at work on the server: found, waited for with a line a minute, or refused."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tasks.errors import ConnectionLostError, ServiceDownError
from tasks.hosts.host import JobStatus
from tasks.ledger.work_id import WorkId
from tasks.metadata.wsusutil import PackageSignal
from tasks.metadata.wsusutil_log import LogSummary
from tasks.refusals import WsusutilRunningError
from tasks.run.context import RunContext
from tasks.run.ending import close_run, stopped
from tasks.server import queries, running_wsusutil, wsusutil_run
from tasks.server.wsusutil_run import Ending, Started
from tests.support.runs import (
    on_memory_server,
    open_test_run,
    say,
    set_keys,
    use_answers,
    write_site_file,
)

WORK = WorkId("export", 1)
BY_HAND = {"process_id": 7, "command_line": "WsusUtil.exe reset", "since": "2031-05-01T03:00:00Z"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunContext]:
    """A site whose wsusutil works until there is a file ``go``; its service runs."""
    site = write_site_file(tmp_path, side="staging")
    use_answers(site)
    # It ends with its folder too, which goes with the test.
    waiting = f"while [ -d {tmp_path} ] && [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    set_keys(site, wsusutil=["sh", "-c", waiting])
    tell(site)
    with open_test_run(site, command="export") as opened:
        opened.make_folders()
        yield opened
    (tmp_path / "go").touch()


def tell(site: Path, status: str = "Running", *wsusutil: object) -> None:
    """Have the server say how the service stands and which wsusutil works."""
    say(site, "control-service", {"kind": "service", "status": status, "wsusutil": wsusutil})


def start(run: RunContext) -> Started:
    return wsusutil_run.start_or_find(run, "export", work=WORK)


def test_a_free_server_has_nobody_in_the_way(run: RunContext) -> None:
    wsusutil_run.wait_for_own_wsusutil(run, "export", work=WORK)
    assert running_wsusutil.find_running(run) == ()


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
    run: RunContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(run)
    run.wait_line_seconds = 0.05
    with caplog.at_level(logging.INFO, "wsus_airgap"), ending_at_line(3, tmp_path):
        wsusutil_run.wait_for_own_wsusutil(run, "export", work=WORK)
    first, *later = caplog.messages
    sentence = first.removesuffix("; this command waits for it and goes on from there")
    assert sentence != first
    assert f"wsusutil export of run {run.run_id} of site alpha is still working since" in first
    assert len(later) >= 2
    assert {line.partition(";")[0] for line in later} == {sentence}
    assert all("s of processor time" in line for line in later)
    assert wsusutil_run.start_or_find(run, "export", work=WORK).had_ended


def test_within_the_first_minute_one_line_is_enough(
    run: RunContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(run)
    with caplog.at_level(logging.INFO, "wsus_airgap"), ending_at_line(1, tmp_path):
        wsusutil_run.wait_for_own_wsusutil(run, "export", work=WORK)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("work", [None, WorkId("export", 2)])
def test_a_job_that_the_command_does_not_go_on_from_is_refused(
    run: RunContext, work: WorkId | None
) -> None:
    """Found by its folder alone: the server's process list is empty here."""
    start(run)
    with pytest.raises(WsusutilRunningError, match=f"run {run.run_id} of site alpha"):
        wsusutil_run.wait_for_own_wsusutil(run, "export", work=work)


def test_beside_its_own_job_another_one_is_not_waited_for(run: RunContext, tmp_path: Path) -> None:
    start(run)
    tell(run.site.path, "Running", BY_HAND)
    with pytest.raises(WsusutilRunningError) as caught:
        wsusutil_run.wait_for_own_wsusutil(run, "export", work=WORK)
    assert "process 7: WsusUtil.exe reset" in caught.value.message
    assert run.run_id not in caught.value.message


def test_a_job_of_a_state_folder_that_is_gone_is_still_seen(
    run: RunContext, tmp_path: Path
) -> None:
    start(run)
    site = tmp_path / "site.toml"
    text = site.read_text(encoding="utf-8")
    site.write_text(text.replace("[server]", 'state_dir = "other"\n[server]'), encoding="utf-8")
    with open_test_run(site) as other, pytest.raises(WsusutilRunningError, match=run.run_id):
        wsusutil_run.wait_for_own_wsusutil(other, "export", work=WORK)


def test_ours_is_not_started_beside_one_that_began_meanwhile(
    run: RunContext, tmp_path: Path
) -> None:
    tell(run.site.path, "Running", BY_HAND)
    with pytest.raises(WsusutilRunningError):
        start(run)
    assert run.ledger.steps(WORK.text).attempt("export") is None
    assert run.waits_for is None


def test_a_service_that_does_not_start_is_told_from_one_that_wsusutil_has_stopped(
    run: RunContext, tmp_path: Path
) -> None:
    tell(run.site.path, "Stopped", BY_HAND)
    with pytest.raises(WsusutilRunningError):
        queries._make_service_run(run)
    tell(run.site.path, "Stopped")
    with pytest.raises(ServiceDownError):
        queries._make_service_run(run)


def test_a_lost_connection_is_no_silence_of_the_api(run: RunContext) -> None:
    """Else the attempt would count as failed, and the next run would start wsusutil again."""

    def lost(_: object) -> NoReturn:
        raise ConnectionLostError(address="ssh://x", reason="reset")

    attempt = start(run).attempt
    ended = Ending(JobStatus("exited", exit_code=0), LogSummary("absent"))
    cut_off = on_memory_server(run, {"read-server": lost, "control-service": lost})
    with pytest.raises(ConnectionLostError):
        wsusutil_run.judge(cut_off, attempt, ended, PackageSignal(None), before=None)
    assert run.ledger.steps(WORK.text).attempt("export") == attempt


def test_the_end_of_a_run_that_waited_names_what_goes_on(run: RunContext, tmp_path: Path) -> None:
    attempt = start(run).attempt
    words = f"wsusutil export of run {run.run_id} of site alpha is still working since"
    assert f"; {words}" in stopped(run).message
    assert "waits for that wsusutil" in stopped(run).next_step
    report = close_run(run, ConnectionLostError(address="ssh://x", reason="reset"))
    assert words in report.lines[-1]
    (tmp_path / "go").touch()
    wsusutil_run.wait_for(run, attempt)
    assert stopped(run).message == "export was interrupted"


def test_what_asks_the_server_nothing_names_the_job_and_goes_on(
    run: RunContext, tmp_path: Path
) -> None:
    wsusutil_run.report_running_wsusutil(run)
    assert run.report.lines == []
    attempt = start(run).attempt
    wsusutil_run.report_running_wsusutil(run)
    (line,) = run.report.lines
    assert line.startswith(f"wsusutil export of run {run.run_id}")
    (tmp_path / "go").touch()
    wsusutil_run.wait_for(run, attempt)
    wsusutil_run.report_running_wsusutil(run)
    assert run.report.lines == [line]
