"""State that guards trust: the clock, the chain after a wait, the mark on the server."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tasks.content.names import Blake3
from tasks.errors import HostFileError, PackageError, SiteFileError
from tasks.exporting.export_bundle import time_of_making
from tasks.importing.incoming import IncomingBundle, judge_again, open_incoming
from tasks.importing.trusted_bundle import _index
from tasks.ledger.imports import ImportRecord
from tasks.refusals import ChainError, SafetyError
from tasks.run.context import RunContext
from tasks.server.mark import Mark, compare_mark, write_mark
from tests.metadata.writing import Update, write_package
from tests.support.bundles import CHAIN, NOW, Workshop
from tests.support.runs import open_test_run, reserved, write_site_file

MONTH = timedelta(days=30)


def remember_import(
    run: RunContext, sequence: int, created: datetime = NOW, *, digest: Blake3 | None = None
) -> None:
    header_digest = digest or Blake3.from_hex(f"{sequence:064x}")
    run.imports.begin(
        ImportRecord(
            header_digest=header_digest,
            sequence=sequence,
            status="begun",
            folder=Path("/nowhere"),
            created=created,
            begun=NOW,
            done=None,
            outcome=None,
        )
    )
    run.imports.finish(header_digest, outcome="complete", now=NOW)


# --- the clock -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=20)])
def test_a_clock_that_was_set_back_a_little_does_not_run_backwards(
    staging: RunContext, ahead: timedelta
) -> None:
    staging.ledger.note_time(NOW + ahead)
    assert time_of_making(staging) == NOW + ahead
    assert staging.report.notices == []


def test_a_bundle_from_the_far_future_does_not_spoil_all_that_come_after_it(
    staging: RunContext,
) -> None:
    staging.ledger.note_time(NOW + 900 * MONTH)
    assert time_of_making(staging) == NOW
    (alarm,) = staging.report.notices
    assert "one of the two is wrong" in alarm
    assert time_of_making(staging) == NOW
    assert len(staging.report.notices) == 1


def test_a_clock_behind_what_is_known_to_be_imported_is_not_believed(staging: RunContext) -> None:
    staging.exports.reserve(reserved(1, staging.site.path.parent, created=NOW + MONTH))
    staging.exports.accept(1, receipt=None, now=NOW + MONTH)
    staging.ledger.note_time(NOW + MONTH)
    assert time_of_making(staging) == NOW + MONTH
    assert staging.report.notices


# --- the mark ------------------------------------------------------------------------------------


def mark(sequence: int, digest: int | None = None) -> Mark:
    digest = sequence if digest is None else digest
    return Mark(
        site="alpha",
        chain=CHAIN,
        sequence=sequence,
        header_digest=Blake3.from_hex(f"{digest:064x}"),
    )


def test_a_server_that_is_behind_the_state_folder_is_said(disconnected: RunContext) -> None:
    run = disconnected
    compare_mark(run)
    assert run.report.notices == []
    run.make_folders()
    run.ledger.adopt_chain(CHAIN)
    remember_import(run, 1)
    remember_import(run, 2)
    write_mark(run.server, run.folders.mark, mark(2))
    compare_mark(run)
    assert run.report.notices == []

    write_mark(run.server, run.folders.mark, mark(1))
    compare_mark(run)
    Path(run.folders.mark.text).unlink()
    compare_mark(run)
    assert len(run.report.notices) == 2
    assert all("set back" in alarm for alarm in run.report.notices)


def test_a_server_that_is_ahead_of_the_state_folder_or_on_another_chain_is_refused(
    disconnected: RunContext,
) -> None:
    run = disconnected
    run.make_folders()
    write_mark(run.server, run.folders.mark, mark(3))
    remember_import(run, 2)
    with pytest.raises(ChainError, match="mark of bundle 3"):
        compare_mark(run)
    write_mark(run.server, run.folders.mark, mark(2))
    run.ledger.adopt_chain("f" * 32)
    with pytest.raises(ChainError, match=r"knows chain f{32}"):
        compare_mark(run)


def test_a_mark_of_another_bundle_under_a_known_number_is_refused(disconnected: RunContext) -> None:
    run = disconnected
    run.make_folders()
    run.ledger.adopt_chain(CHAIN)
    remember_import(run, 1)
    remember_import(run, 2)
    for sequence in (1, 2):
        write_mark(run.server, run.folders.mark, mark(sequence, digest=99))
        with pytest.raises(ChainError, match=f"mark of a bundle {sequence} with header digest"):
            compare_mark(run)


# --- the chain, once the server is locked ---------------------------------------------------------


def test_a_bundle_is_judged_again_after_the_wait_for_the_lock(
    disconnected: RunContext, tmp_path: Path
) -> None:
    run = disconnected
    workshop = Workshop(tmp_path / "workshop")
    workshop.export(3)
    shutil.copy(workshop.root / "keys" / "signing.pub", tmp_path / "keys" / "signing.pub")
    incoming = open_incoming(run, [str(workshop.bundle(3))], to_import=True)
    judge_again(run, incoming)

    # Another import ends while this one waits.
    remember_import(run, 2, NOW - MONTH)
    with pytest.raises(ChainError, match="descends from nothing"):
        judge_again(run, incoming)


def test_a_bundle_that_another_run_imported_meanwhile_is_not_begun_again(
    disconnected: RunContext, tmp_path: Path
) -> None:
    run = disconnected
    workshop = Workshop(tmp_path / "workshop")
    workshop.export(3)
    shutil.copy(workshop.root / "keys" / "signing.pub", tmp_path / "keys" / "signing.pub")
    incoming = open_incoming(run, [str(workshop.bundle(3))], to_import=True)

    remember_import(run, 3, incoming.header.created, digest=incoming.digest)
    with pytest.raises(SafetyError, match="another import ended"):
        judge_again(run, incoming)


# --- whose package it is -------------------------------------------------------------------------


def test_a_package_of_another_server_than_the_header_names_is_not_indexed(
    tmp_path: Path,
) -> None:
    workshop = Workshop(tmp_path / "workshop")
    workshop.export()
    package = write_package(tmp_path / "metadata.xml.gz", [Update(1)])
    incoming = IncomingBundle(workshop.open(), tmp_path)

    with pytest.raises(PackageError, match="the bundle of"):
        _index(incoming, package)
    with pytest.raises(PackageError, match="the bundle of"):  # nothing says that it was done
        _index(incoming, package)


# --- whose state it is ---------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [('"staging"', '"disconnected"'), ('"alpha"', '"beta"')])
def test_a_state_folder_of_the_other_side_or_another_site_is_refused(
    tmp_path: Path, old: str, new: str
) -> None:
    site = write_site_file(tmp_path, side="staging")
    with open_test_run(site):
        pass
    site.write_text(site.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    with pytest.raises(SiteFileError, match="holds the state of site alpha, staging side"):
        open_test_run(site)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads Linux's list of open files")
def test_a_run_that_cannot_begin_leaves_no_ledger_open(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    ledger = tmp_path / "state" / "ledger.sqlite"
    with open_test_run(site) as run:
        run.ledger.connection.execute(
            "CREATE TRIGGER no_facts BEFORE INSERT ON fact BEGIN SELECT RAISE(ABORT, 'full'); END"
        )

    with pytest.raises(sqlite3.Error, match="full"):
        open_test_run(site)

    files = {path.resolve() for path in Path("/proc/self/fd").iterdir()}
    assert ledger not in files


def test_a_damaged_ledger_is_to_be_restored_and_never_begun_anew(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="disconnected")
    with open_test_run(site) as run:
        path = run.ledger.path
    path.write_bytes(b"junk" * 2_000)
    with pytest.raises(HostFileError) as caught, open_test_run(site):
        pass
    assert "restore the state folder from its backup" in caught.value.next_step
    assert path.read_bytes().startswith(b"junk")
