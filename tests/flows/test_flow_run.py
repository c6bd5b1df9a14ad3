"""A run on a real Prefect server: how it ends, under which state, and what it lets go of."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from prefect import State, flow
from prefect.client.schemas.objects import FlowRun

from tasks.content.names import Blake3, FileDigests
from tasks.content.scan import ContentFile
from tasks.errors import FailedError, HostFileError, UsageError
from tasks.flow_run import current_run, open_run, report_of
from tasks.names import Side
from tasks.refusals import TamperError
from tasks.reports.model import CommandReport
from tasks.step import step
from tests.support.bundles import write_content
from tests.support.prefect_api import artifacts, newest_run


@flow(name="check", flow_run_name="{site} check", persist_result=False)
def empty_flow(site: str) -> State[CommandReport]:
    with open_run("check", site) as run:
        pass
    return run.final_state()


def run_story(site: str, story: Callable[[], object], side: Side | None = None) -> CommandReport:
    """Run a story in a flow of ours and give its report, as the command line does."""

    @flow(name="check", flow_run_name="{site} check", persist_result=False)
    def told(site: str) -> State[CommandReport]:
        with open_run("check", site, side=side) as run:
            story()
        return run.final_state()

    return report_of(told, site=site)


def ended(api_url: str) -> FlowRun:
    run = newest_run(api_url)
    assert run.state is not None
    assert run.state.is_final()
    return run


def raising(error: BaseException) -> Callable[[], object]:
    def story() -> None:
        raise error

    return story


def notice() -> None:
    current_run().report.notice("look at this")


TAMPERED = TamperError(path="x", expected="a", found="b")
READ_ERROR = HostFileError(operation="read", path="x", reason="it is gone")
# What happens, then outcome, exit code, type and name of the state.
ENDS: dict[str, tuple[Callable[[], object], str, int, str, str]] = {
    "done": (lambda: None, "done", 0, "COMPLETED", "Completed"),
    "flagged": (notice, "flagged", 2, "COMPLETED", "Flagged"),
    "refused for trust": (raising(TAMPERED), "refused", 3, "FAILED", "Refused"),
    "failed": (raising(READ_ERROR), "failed", 1, "FAILED", "Failed"),
    "usage": (raising(UsageError(reason="no such option")), "failed", 64, "FAILED", "Failed"),
    "unforeseen": (raising(KeyError("surprise")), "failed", 1, "FAILED", "Failed"),
    "Ctrl-C": (raising(KeyboardInterrupt()), "failed", 1, "FAILED", "Failed"),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_a_run_has_its_state_its_report_and_lets_go_of_all(
    api_url: str, site: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    happens, outcome, exit_code, state_type, state_name = ENDS[end]
    opened = []

    def story() -> None:
        run = current_run()
        run.make_folders()
        run.lock_server()
        opened.append(run)
        happens()

    report = run_story(site, story)

    assert (report.outcome, report.exit_code) == (outcome, exit_code)
    run = ended(api_url)
    assert run.state is not None
    assert (run.state.type.value, run.state.name) == (state_type, state_name)
    assert ("flagged" in run.tags) == (outcome == "flagged")
    assert {"alpha"} <= set(run.tags)
    if report.errors:
        error = report.errors[0]
        assert run.state.message == f"{error.message} Next: {error.next_step}"
    assert "Traceback" not in caplog.text
    (context,) = opened
    assert context.server.stat(context.folders.server_lock) is None
    with pytest.raises(Exception, match="closed"):
        context.exports.newest()


def test_an_exception_that_ends_the_process_is_not_held_up_and_all_is_let_go(
    api_url: str, site: str
) -> None:
    opened = []

    def story() -> None:
        run = current_run()
        run.make_folders()
        run.lock_server()
        opened.append(run)
        raise SystemExit(7)

    with pytest.raises(SystemExit):
        run_story(site, story)

    (context,) = opened
    assert context.server.stat(context.folders.server_lock) is None


def test_what_cannot_be_remembered_for_the_next_run_does_not_change_how_this_one_ended(
    api_url: str, site: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def story() -> None:
        run = current_run()
        name = write_content(tmp_path / "WsusContent", b"content")
        path = run.server.path(str(tmp_path / "WsusContent" / name.folder / name.text))
        digests = FileDigests(name.digest, Blake3(bytes(32)), 7)
        run.hash_cache.remember([(ContentFile(name, path, 7, 1, ""), digests)], now=run.clock())
        with closing(sqlite3.connect(run.site.state_dir / "hashes.sqlite")) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON hashed"
                " BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
            )

    assert run_story(site, story).outcome == "done"
    assert "database or disk is full" in caplog.text
    state = ended(api_url).state
    assert state is not None
    assert state.is_completed()


def test_a_run_that_cannot_be_opened_ends_in_its_refusal(api_url: str, site: str) -> None:
    calls: list[int] = []

    @step("Never")
    def never() -> None:
        calls.append(1)

    report = run_story(site, never, side=Side.DISCONNECTED)

    assert calls == []
    assert [error.kind for error in report.errors] == ["wrong-side"]
    assert (report.site, report.exit_code) == ("alpha", 64)
    state = ended(api_url).state
    assert state is not None
    assert (state.type.value, state.name) == ("FAILED", "Failed")


def test_a_run_that_cannot_be_opened_says_so_without_any_step(api_url: str) -> None:
    report = report_of(empty_flow, site="no-such-site")
    assert (report.exit_code, [error.kind for error in report.errors]) == (64, ["path-missing"])


def test_the_end_of_one_run_leaves_none_open_for_the_next(api_url: str, site: str) -> None:
    run_story(site, raising(FailedError(reason="x")))
    with pytest.raises(LookupError):
        current_run()
    assert run_story(site, lambda: None).outcome == "done"


# --- the page of a run ----------------------------------------------------------------------------


def test_the_page_begins_with_what_needs_a_person_and_links_to_the_rest(
    api_url: str, site: str
) -> None:
    run_story(site, notice)
    keys = [artifact.key for artifact in artifacts(api_url, ended(api_url).id)]
    assert keys == ["alpha-check-attention", "alpha-check-details"]  # with who ran it, and where

    run_story(site, lambda: None)
    keys = [artifact.key for artifact in artifacts(api_url, ended(api_url).id)]
    assert keys[0] == "alpha-check-outcome"
