"""A served run waits for its turn, and its page shows it; a run that was typed is refused."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from prefect import State, flow

from tasks.flow_run import current_run, open_run
from tasks.hosts.local import LocalHost
from tasks.hosts.locks import Lock, acquire
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.refusals import LockHeldError
from tasks.reports.model import CommandReport
from tasks.run.folders import ServerFolders
from tasks.site.reading import find_site
from tasks.step import step
from tests.support.bundles import NOW
from tests.support.prefect_api import newest_run


@step("Lock server")
def lock_server() -> None:
    run = current_run()
    run.make_folders()
    run.lock_server()


def story(site: str, *, by_api: bool) -> State[Any]:
    """A run that takes the server's lock, and logs a line of its wait five times a second."""

    @flow(name="check", flow_run_name="{site} check", persist_result=False)
    def told(site: str) -> State[CommandReport]:
        with open_run("check", site) as run:
            run.context.by_api = by_api
            run.context.wait_line_seconds = 0.2
            lock_server()
        return run.final_state()

    state: State[Any] = told(site, return_state=True)
    return state


def lock_of_another_run(site: str) -> Lock:
    """The lock of a site's server, taken by a run of which nobody knows whether it lives."""
    host = LocalHost()
    folders = ServerFolders(host.path(str(find_site(site).server.work_dir)), site)
    for folder in (folders.work_dir, folders.server_lock.parent):
        host.make_private_folder(folder)
    return acquire(host, folders.server_lock, machine="another", run="the-other-run", now=NOW)


def test_a_served_run_waits_under_its_own_state_and_goes_on_when_the_lock_is_free(
    api_url: str, site: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lock = lock_of_another_run(site)
    seen: list[tuple[str, str]] = []

    def watch() -> None:
        give_up = time.monotonic() + 30
        try:
            while not seen and time.monotonic() < give_up:
                time.sleep(0.1)
                with suppress(IndexError):  # the run has not begun
                    state = newest_run(api_url).state
                    if state is not None and state.name == "Waiting":
                        seen.append((state.type.value, str(state.message)))
            time.sleep(0.5)  # so that the wait logs a line or two
        finally:
            lock.release()

    watcher = threading.Thread(target=watch)
    watcher.start()
    state = story(site, by_api=True)
    watcher.join()

    assert state.is_completed(), state.message
    ((kind, message),) = seen
    assert kind == "RUNNING"
    assert "run the-other-run" in message
    assert sum("this run waits for it" in line for line in caplog.messages) >= 2
    # A run that is closed later is looked up by the start that Prefect counts.
    run = newest_run(api_url)
    with Ledger(find_site(site).state_dir) as ledger:
        (record,) = Runs(ledger).newest(1)
    assert record.attempt == run.run_count


def test_a_run_that_was_typed_does_not_wait(api_url: str, site: str) -> None:
    lock = lock_of_another_run(site)
    try:
        state = story(site, by_api=False)
    finally:
        lock.release()
    report = state.result(raise_on_failure=False)
    assert isinstance(report, CommandReport)
    assert [error.kind for error in report.errors] == [LockHeldError.kind]
    assert report.exit_code == 4


def test_a_wait_for_the_same_owner_has_a_limit(api_url: str, site: str) -> None:
    file = find_site(site).path
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[server]\n", "[server]\ncommand_limit_hours = 0.0002\n"))
    lock = lock_of_another_run(site)
    try:
        state = story(site, by_api=True)
    finally:
        lock.release()
    report = state.result(raise_on_failure=False)
    assert isinstance(report, CommandReport)
    assert [error.kind for error in report.errors] == [LockHeldError.kind]
