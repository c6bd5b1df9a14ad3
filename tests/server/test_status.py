"""What ``status`` says of each state of a side; nobody's absence is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.content.names import Blake3
from tasks.ledger.exports import ExportStatus
from tasks.ledger.imports import ImportRecord, RememberedDecision
from tasks.ledger.runs import RunRecord, Runs
from tasks.metadata.wsusutil_process import REMEDY
from tasks.names import Side
from tasks.reports.model import CommandReport
from tasks.reports.terminal import summarise
from tasks.run.context import RunContext
from tasks.server.status import read_status
from tasks.site.reading import register_site
from tests.support.bundles import CHAIN, NOW
from tests.support.runs import open_test_run, reserved, say, use_answers, write_site_file

Prepare = Callable[[RunContext], None]
DIGEST = Blake3.from_hex("ab" * 32)


def nothing(_: RunContext) -> None:
    """Nothing was done on this side yet."""


def status_of(
    folder: Path, side: Side, prepare: Prepare = nothing, **service: object
) -> CommandReport:
    """Prepare a side and ask for its status; ``service`` is what its server says."""
    site = write_site_file(folder, side=side.value)
    use_answers(site)
    say(site, "control-service", {"status": "Running", "wsusutil": [], **service})
    with open_test_run(site) as run:
        prepare(run)
    return read_status(register_site(site).name, clock=lambda: NOW)


def export(sequence: int, status: ExportStatus, *, accepted: bool = False) -> Prepare:
    def prepare(run: RunContext) -> None:
        record = reserved(sequence, Path("/media")).model_copy(update={"status": status})
        run.exports.reserve(record)
        if accepted:
            run.exports.accept(sequence, receipt=None, now=NOW)

    return prepare


def import_(sequence: int, *, is_done: bool) -> Prepare:
    def prepare(run: RunContext) -> None:
        run.ledger.adopt_chain(CHAIN)
        run.imports.begin(
            ImportRecord(
                header_digest=DIGEST, sequence=sequence, status="begun", folder=Path("/nowhere"),
                created=NOW, begun=NOW, done=None, outcome=None,
            )
        )  # fmt: skip
        if is_done:
            run.imports.finish(DIGEST, outcome="partial", now=NOW)

    return prepare


def both(*steps: Prepare) -> Prepare:
    def prepare(run: RunContext) -> None:
        for step in steps:
            step(run)

    return prepare


NO_BASELINE = "none: all is carried"
STAGING: dict[str, tuple[Prepare, int | None, int | None, str, str]] = {
    "nothing": (nothing, None, None, "none", NO_BASELINE),
    "reserved": (export(1, "reserved"), None, None, "alpha-1, reserved", NO_BASELINE),
    "committed": (export(1, "committed"), None, None, "alpha-1, committed", NO_BASELINE),
    "sealed": (export(1, "sealed"), 1, None, "alpha-1, sealed", NO_BASELINE),
    "void": (export(1, "void"), None, None, "alpha-1, void", NO_BASELINE),
    "accepted": (export(1, "sealed", accepted=True), 1, 1, "alpha-1, sealed", "alpha-1"),
    "another begun": (
        both(export(1, "sealed", accepted=True), export(2, "reserved")),
        1, 1, "alpha-2, reserved", "alpha-1",
    ),
}  # fmt: skip


NEXT = {
    "nothing": "makes the first bundle",
    "reserved": "The export of alpha-1 has not ended",
    "committed": "The export of alpha-1 has not ended",
    "sealed": "Carry /media/alpha-1 to the disconnected side",
    "void": "makes the first bundle",
    "accepted": "Nothing waits",
    "another begun": "The export of alpha-2 has not ended",
}


@pytest.mark.parametrize("state", STAGING)
def test_the_staging_side_names_newest_bundle_and_baseline(tmp_path: Path, state: str) -> None:
    prepare, sequence, base, newest, baseline = STAGING[state]
    report = status_of(tmp_path, Side.STAGING, prepare)
    assert (report.exit_code, report.sequence, report.base) == (0, sequence, base)
    assert report.details["Newest bundle"] == newest
    assert report.details["Baseline"] == baseline
    assert report.details["Chain"] == "not begun"
    assert report.next_step is not None
    assert NEXT[state] in report.next_step
    assert f"--site {tmp_path / 'site.toml'}`" in report.next_step


DISCONNECTED: dict[str, tuple[Prepare, int | None, str]] = {
    "nothing": (nothing, None, "none"),
    "begun": (import_(2, is_done=False), 2, "bundle 2, begun, unfinished"),
    "done": (import_(2, is_done=True), 2, "bundle 2, done, partial"),
}


@pytest.mark.parametrize("state", DISCONNECTED)
def test_the_disconnected_side_names_its_newest_import(tmp_path: Path, state: str) -> None:
    prepare, sequence, newest = DISCONNECTED[state]
    report = status_of(tmp_path, Side.DISCONNECTED, prepare)
    assert (report.exit_code, report.sequence, report.base) == (0, sequence, None)
    assert report.details["Newest import"] == newest
    assert report.details["Chain"] == (CHAIN if sequence else "not begun")
    words = {"nothing": "first bundle", "begun": "has not ended", "done": "receipt of bundle 2"}
    assert words[state] in str(report.next_step)


def test_all_that_waits_is_listed_with_its_reason(tmp_path: Path) -> None:
    def prepare(run: RunContext) -> None:
        body = {"update_id": "a", "revision": 3, "group": ["All Computers", "Ring 1"]}
        run.imports.remember(
            [
                RememberedDecision(state, "a", 3, "[]", json.dumps(body), "reason-of-it")
                for state in ("applied", "parked", "held")
            ],
            now=NOW,
        )

    report = status_of(tmp_path, Side.DISCONNECTED, prepare)
    assert report.approvals is not None
    assert [len(report.approvals.parked), len(report.approvals.held)] == [1, 1]
    assert report.lines[-2:] == (
        "parked: a revision 3 for All Computers / Ring 1: reason-of-it",
        "held: a revision 3 for All Computers / Ring 1: reason-of-it",
    )


def test_the_last_runs_come_newest_first_and_a_killed_one_has_not_ended(tmp_path: Path) -> None:
    def prepare(run: RunContext) -> None:
        for day in range(1, 13):
            started = NOW.replace(day=day)
            outcome = None if day == 12 else "done"
            Runs(run.ledger).write(
                RunRecord(id=f"run-{day}", command="export", started=started, outcome=outcome)
            )

    report = status_of(tmp_path, Side.STAGING, prepare)
    rows = report.sections[1].rows
    assert rows[0] == ("run-12", "export", "has not ended")
    assert [row[0] for row in rows] == [f"run-{day}" for day in range(12, 2, -1)]


def test_a_wsusutil_at_work_is_named_and_is_the_next_step(tmp_path: Path) -> None:
    process = {"process_id": 7, "command_line": "WsusUtil.exe reset", "since": None}
    report = status_of(tmp_path, Side.DISCONNECTED, wsusutil=[process])
    assert "process 7" in str(report.details["At work on the server"])
    assert "WSUS is not queried beside it" in str(report.details["At work on the server"])
    assert report.next_step == REMEDY


def test_locks_are_named_with_their_owners_and_stay(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    use_answers(site)
    say(site, "control-service", {"status": "Running", "wsusutil": []})
    with open_test_run(site, command="export") as run:
        run.make_folders()
        run.lock_server()
        report = read_status(register_site(site).name, clock=lambda: NOW)
        assert report.details["Lock on the media"] == "free"
        assert run.run_id in str(report.details["Lock on the server"])
        assert run.server.stat(run.folders.server_lock) is not None


def test_a_medium_that_is_not_there_has_no_lock_that_could_be_free(tmp_path: Path) -> None:
    def take_away(run: RunContext) -> None:
        run.site.media.path.rename(tmp_path / "elsewhere")

    report = status_of(tmp_path, Side.STAGING, take_away)

    shown = str(report.details["Lock on the media"])
    assert shown.startswith("unknown: the medium ")
    assert shown.endswith(" is not there now")


def test_a_server_that_cannot_be_asked_is_told_as_unknown_and_is_no_error(tmp_path: Path) -> None:
    report = status_of(tmp_path, Side.STAGING, status=None)
    assert report.exit_code == 0
    assert str(report.details["At work on the server"]).startswith("unknown: ")
    assert report.details["Newest bundle"] == "none"


def test_a_person_gets_tables_with_ages_and_the_titles_of_what_waits(tmp_path: Path) -> None:
    def prepare(run: RunContext) -> None:
        started = NOW - timedelta(days=3)
        ended = started + timedelta(minutes=5)
        runs = Runs(run.ledger)
        runs.write(RunRecord(id="run-1", command="audit", started=started, ended=ended))
        body = {"update_id": "a", "revision": 3, "group": ["All Computers"], "action": "Install"}
        run.imports.remember(
            (
                RememberedDecision("parked", "a", number, "[]", json.dumps(body), "content-missing")
                for number in range(12)
            ),
            now=NOW,
        )

    report = status_of(tmp_path, Side.DISCONNECTED, prepare)
    lines = summarise(report)

    now, waiting, runs = report.tables
    assert ("Newest import", "none") in now.rows
    assert len(waiting.rows) == 10
    assert "`wsus-airgap parked` has all" in waiting.title
    assert runs.rows[0][3:5] == ("3 days", "5 min 00 s")
    assert any("AGE" in line for line in lines)
    assert not any(line.startswith("parked: a revision") for line in lines)
