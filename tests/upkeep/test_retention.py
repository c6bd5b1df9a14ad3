"""``tidy`` removes what is old and ours, and never what a next run or an auditor needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tasks import tidying
from tasks.bundle.keys import load_signing_key
from tasks.bundle.layout import APPROVALS, HEADER, MANIFEST, PACKAGE
from tasks.bundle.seal import seal_payload
from tasks.content.names import Blake3
from tasks.ledger.exports import ExportRecord
from tasks.ledger.imports import ImportRecord
from tasks.ledger.runs import RunRecord, Runs
from tasks.metadata.index import INDEX
from tasks.refusals import WsusutilRunningError
from tasks.reports.carry_card import card_paths
from tasks.run.context import RunContext
from tasks.upkeep.retention import LARGE_DOCUMENTS, Expired, expired_exports
from tasks.upkeep.tidy import plan_tidy, remove_expired
from tests.support.bundles import NOW
from tests.support.runs import (
    as_current,
    open_test_run,
    reserved,
    say,
    use_answers,
    write_site_file,
)

OLD = NOW - timedelta(days=800)
DOCUMENTS = (MANIFEST, PACKAGE, INDEX, APPROVALS, "header.payload.json", "receipt.json")


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[RunContext]:
    """A staging side whose medium keeps receipted bundles for 60 days."""
    site = write_site_file(tmp_path, side="staging")
    text = site.read_text(encoding="utf-8") + "\n[retention]\nmedia_days = 60\n"
    site.write_text(text, encoding="utf-8")
    with open_test_run(site) as run:
        yield run


@pytest.fixture
def disconnected(tmp_path: Path) -> Iterator[RunContext]:
    site = write_site_file(tmp_path, side="disconnected")
    with open_test_run(site) as run:
        run.ledger.remember_content_dir(str(tmp_path / "WsusContent"))
        yield run


def lay_documents(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in DOCUMENTS:
        (folder / name).write_text(name, encoding="utf-8")


def lay_report(run: RunContext, run_id: str, *, ended: datetime | None, command: str) -> Path:
    folder = run.site.state_dir / "reports" / run_id
    folder.mkdir(parents=True)
    page = folder / "report.html"
    page.write_text("a report", encoding="utf-8")
    started = (ended or NOW) - timedelta(minutes=1)
    record = RunRecord(id=run_id, command=command, started=started, ended=ended, report=page)
    Runs(run.ledger).write(record)
    return folder


def lay_export(run: RunContext, sequence: int, *, created: datetime, accepted: bool) -> Path:
    """A sealed bundle with its documents, and its folder on the medium."""
    documents = run.site.state_dir / "bundles" / f"alpha-{sequence}"
    lay_documents(documents)
    bundle = run.site.media.path / f"alpha-{sequence}"
    payload = b'{"sequence":%d}' % sequence
    (bundle / "volume-001").mkdir(parents=True)
    key = load_signing_key(run.site.trust.signing_key)
    (bundle / "volume-001" / HEADER).write_bytes(seal_payload(payload, "text/plain", [key]))
    record = reserved(sequence, run.site.media.path, created=created)
    run.exports.reserve(record.model_copy(update={"folder": documents}))
    digest = Blake3(blake3(payload).digest())
    run.exports.commit(sequence, header_digest=digest, fingerprint="f")
    run.exports.mark_sealed(sequence, now=created)
    if accepted:
        run.exports.accept(sequence, receipt=None, now=created)
    return documents


def lay_import(run: RunContext, sequence: int, *, done: datetime | None) -> Path:
    documents = run.site.state_dir / "imports" / f"alpha-{sequence}"
    lay_documents(documents)
    digest = Blake3(blake3(b"%d" % sequence).digest())
    begun = done or NOW
    run.imports.begin(
        ImportRecord(
            header_digest=digest,
            sequence=sequence,
            status="begun",
            folder=documents,
            created=begun,
            begun=begun,
            done=None,
            outcome=None,
        )
    )
    if done is not None:
        run.imports.finish(digest, outcome="complete", now=done)
    return documents


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def tidy(run: RunContext) -> int:
    return remove_expired(run.server, run.report, plan_tidy(run))


def test_old_reports_go_and_the_newest_of_each_command_stays(staging: RunContext) -> None:
    lay_report(staging, "old-1", ended=OLD, command="export")
    newest = lay_report(staging, "old-2", ended=OLD + timedelta(days=1), command="export")
    only = lay_report(staging, "old-3", ended=OLD, command="check")
    unfinished = lay_report(staging, "old-4", ended=None, command="export")
    stranger = staging.site.state_dir / "reports" / "notes of a person"
    stranger.mkdir()

    assert tidy(staging) == 1

    reports = staging.site.state_dir / "reports"
    assert names_in(reports) == {newest.name, only.name, unfinished.name, stranger.name}
    assert Runs(staging.ledger).read("old-1") is not None


def test_only_large_documents_of_bundles_before_the_baseline_go(staging: RunContext) -> None:
    folders = [
        lay_export(staging, n, created=OLD + timedelta(days=n), accepted=n == 2)
        for n in range(1, 6)
    ]
    (staging.site.media.path / "alpha-2" / "volume-001" / HEADER).write_bytes(b"another medium")

    tidy(staging)

    assert names_in(folders[0]) == {APPROVALS, "header.payload.json", "receipt.json"}
    assert all(names_in(folder) == set(DOCUMENTS) for folder in folders[1:])


def test_a_receipted_bundle_goes_from_the_medium_if_it_is_the_very_one(staging: RunContext) -> None:
    for number in (1, 2, 3):
        lay_export(staging, number, created=NOW - timedelta(days=61), accepted=number < 3)
    (staging.site.media.path / "alpha-1" / "volume-001" / HEADER).write_bytes(b"another medium")
    (staging.site.media.path / "photos").mkdir()
    for number in (1, 2, 3):
        for card in card_paths(staging.site.media.path / f"alpha-{number}"):
            card.write_text("a card", encoding="utf-8")

    assert [item.name for item in plan_tidy(staging)] == ["alpha-2"]
    assert tidy(staging) == 1

    cards = {f"carry-card-alpha-{n}.{suffix}" for n in (1, 3) for suffix in ("html", "txt")}
    assert names_in(staging.site.media.path) == {"alpha-1", "alpha-3", "photos"} | cards


def test_without_a_limit_every_bundle_stays_on_the_medium(tmp_path: Path) -> None:
    with open_test_run(write_site_file(tmp_path, side="staging")) as run:
        for number in (1, 2):
            lay_export(run, number, created=NOW - timedelta(days=700), accepted=True)

        assert plan_tidy(run) == ()


def test_the_trash_of_imports_of_long_ago_goes_and_nothing_else_in_it(
    disconnected: RunContext,
) -> None:
    lay_import(disconnected, 1, done=NOW - timedelta(days=91))
    lay_import(disconnected, 2, done=NOW - timedelta(days=89))
    lay_import(disconnected, 3, done=None)
    disk = disconnected.known_disk
    assert disk is not None
    trash = Path(disk.trash.text)
    for name in ("alpha-1", "alpha-2", "alpha-3", "alpha-9", "a person's"):
        (trash / name / "AB").mkdir(parents=True)
        (trash / name / "AB" / "file.cab").write_bytes(b"content")

    assert tidy(disconnected) == 1

    assert names_in(trash) == {"alpha-2", "alpha-3", "alpha-9", "a person's"}


def test_the_trash_stays_while_a_wsusutil_works_on_the_server(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="disconnected")
    use_answers(site)
    by_hand = {"process_id": 7, "command_line": "WsusUtil.exe reset", "since": None}
    say(site, "control-service", {"kind": "service", "status": "Running", "wsusutil": [by_hand]})
    with open_test_run(site) as run:
        trash = Expired("trash", "alpha-1", run.server.path(str(tmp_path / "trash")), OLD)
        with as_current(run):
            state: Any = tidying.remove_it.fn((trash,))
    assert isinstance(state.data, WsusutilRunningError)
    assert "WsusUtil.exe reset" in state.data.message


def test_documents_of_the_two_newest_and_of_unfinished_imports_stay(
    disconnected: RunContext,
) -> None:
    folders = [lay_import(disconnected, n, done=None if n == 2 else OLD) for n in range(1, 5)]

    tidy(disconnected)

    kept_whole = [names_in(folder) == set(DOCUMENTS) for folder in folders]
    assert kept_whole == [False, True, True, True]
    assert len(disconnected.imports.all()) == 4


def test_what_cannot_be_removed_is_named_and_the_rest_goes(staging: RunContext) -> None:
    lay_report(staging, "old-1", ended=OLD, command="export")
    lay_report(staging, "old-2", ended=OLD, command="export")
    lay_report(staging, "old-3", ended=NOW, command="export")
    items = plan_tidy(staging)
    assert {item.name for item in items} == {"old-1", "old-2"}
    gone = Path(str(items[0].folder))
    (gone / "report.html").unlink()
    gone.rmdir()

    assert remove_expired(staging.server, staging.report, items) == 1
    assert len(staging.report.notices) == 1
    assert items[0].name in staging.report.notices[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has all large documents."""
    folder = tmp_path_factory.mktemp("bundle")
    for name in LARGE_DOCUMENTS:
        (folder / name).touch()
    return folder


@given(
    states=st.lists(
        st.tuples(st.sampled_from(["sealed", "void", "reserved", "committed"]), st.booleans())
    ),
    baseline=st.none() | st.integers(1, 12),
)
def test_no_document_from_the_baseline_on_is_ever_planned(
    folder: Path, states: list[tuple[str, bool]], baseline: int | None
) -> None:
    def record(sequence: int, status: str, is_old: bool) -> ExportRecord:
        made = reserved(sequence, folder, created=OLD if is_old else NOW)
        return made.model_copy(update={"status": status, "folder": folder})

    records = [record(number, *state) for number, state in enumerate(states, 1)]

    planned = expired_exports(records, baseline=baseline, before=NOW - timedelta(days=730))

    numbers = {int(item.name.rpartition("-")[2]) for item in planned}
    assert all(baseline is not None and number < baseline for number in numbers)
    assert all(states[number - 1] in (("sealed", True), ("void", True)) for number in numbers)
    assert numbers.isdisjoint({len(records), len(records) - 1})
