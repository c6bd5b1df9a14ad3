"""State that guards trust: the clock, the chain after a wait, the mark on the server."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tasks.content.names import Blake3
from tasks.crossing.arrival import Arrival, _index, judge_again, open_arrival
from tasks.crossing.export import time_of_making
from tasks.crossing.mark import Mark, compare_mark, write_mark
from tasks.crossing.workplace import Workplace
from tasks.errors import HostFileError, PackageError, SiteFileError
from tasks.ledger.imports import ImportRecord
from tasks.names import Side
from tasks.refusals import ChainError, SafetyError, ServerChangedError
from tests.metadata.writing import Update, write_package
from tests.support.bundles import CHAIN, NOW, Workshop
from tests.support.places import lay_out_place, open_place, reserved

MONTH = timedelta(days=30)


def remember_import(
    place: Workplace, sequence: int, created: datetime = NOW, *, digest: Blake3 | None = None
) -> None:
    header_digest = digest or Blake3.from_hex(f"{sequence:064x}")
    place.imports.begin(
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
    place.imports.finish(header_digest, outcome="complete", now=NOW)


# --- the clock -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=20)])
def test_a_clock_that_was_set_back_a_little_does_not_run_backwards(
    staging: Workplace, ahead: timedelta
) -> None:
    staging.ledger.note_time(NOW + ahead)
    assert time_of_making(staging) == NOW + ahead
    assert staging.alarms == []


def test_a_bundle_from_the_far_future_does_not_spoil_all_that_come_after_it(
    staging: Workplace,
) -> None:
    staging.ledger.note_time(NOW + 900 * MONTH)
    assert time_of_making(staging) == NOW
    (alarm,) = staging.alarms
    assert "one of the two is wrong" in alarm
    assert time_of_making(staging) == NOW
    assert len(staging.alarms) == 1


def test_a_clock_behind_what_is_known_to_be_imported_is_not_believed(staging: Workplace) -> None:
    staging.exports.reserve(reserved(1, staging.site.path.parent, created=NOW + MONTH))
    staging.exports.accept(1, receipt=None, now=NOW + MONTH)
    staging.ledger.note_time(NOW + MONTH)
    assert time_of_making(staging) == NOW + MONTH
    assert staging.alarms


# --- the mark ------------------------------------------------------------------------------------


def mark(sequence: int, digest: int | None = None) -> Mark:
    digest = sequence if digest is None else digest
    return Mark(
        site="alpha",
        chain=CHAIN,
        sequence=sequence,
        header_digest=Blake3.from_hex(f"{digest:064x}"),
    )


def test_a_server_that_is_behind_the_state_folder_is_said(disconnected: Workplace) -> None:
    place = disconnected
    compare_mark(place)
    assert place.alarms == []
    place.make_folders()
    place.ledger.adopt_chain(CHAIN)
    remember_import(place, 1)
    remember_import(place, 2)
    write_mark(place, mark(2))
    compare_mark(place)
    assert place.alarms == []

    write_mark(place, mark(1))
    compare_mark(place)
    Path(place.mark.text).unlink()
    compare_mark(place)
    assert len(place.alarms) == 2
    assert all("set back" in alarm for alarm in place.alarms)


def test_a_server_that_is_ahead_of_the_state_folder_or_on_another_chain_is_refused(
    disconnected: Workplace,
) -> None:
    place = disconnected
    place.make_folders()
    write_mark(place, mark(3))
    remember_import(place, 2)
    with pytest.raises(ChainError, match="mark of bundle 3"):
        compare_mark(place)
    write_mark(place, mark(2))
    place.ledger.adopt_chain("f" * 32)
    with pytest.raises(ChainError, match=r"knows chain f{32}"):
        compare_mark(place)


def test_a_mark_of_another_bundle_under_a_known_number_is_refused(disconnected: Workplace) -> None:
    place = disconnected
    place.make_folders()
    place.ledger.adopt_chain(CHAIN)
    remember_import(place, 1)
    remember_import(place, 2)
    for sequence in (1, 2):
        write_mark(place, mark(sequence, digest=99))
        with pytest.raises(ChainError, match=f"mark of a bundle {sequence} with header digest"):
            compare_mark(place)


# --- the chain, once the server is locked ---------------------------------------------------------


def test_a_bundle_is_judged_again_after_the_wait_for_the_lock(
    disconnected: Workplace, tmp_path: Path
) -> None:
    place = disconnected
    workshop = Workshop(tmp_path / "workshop")
    workshop.export(3)
    shutil.copy(workshop.root / "keys" / "signing.pub", tmp_path / "keys" / "signing.pub")
    arrival = open_arrival(place, [str(workshop.bundle(3))], to_import=True)
    judge_again(place, arrival)

    # Another import ends while this one waits.
    remember_import(place, 2, NOW - MONTH)
    with pytest.raises(ChainError, match="descends from nothing"):
        judge_again(place, arrival)


def test_a_bundle_that_another_run_imported_meanwhile_is_not_begun_again(
    disconnected: Workplace, tmp_path: Path
) -> None:
    place = disconnected
    workshop = Workshop(tmp_path / "workshop")
    workshop.export(3)
    shutil.copy(workshop.root / "keys" / "signing.pub", tmp_path / "keys" / "signing.pub")
    arrival = open_arrival(place, [str(workshop.bundle(3))], to_import=True)

    remember_import(place, 3, arrival.header.created, digest=arrival.digest)
    with pytest.raises(SafetyError, match="another import ended"):
        judge_again(place, arrival)


# --- whose package it is -------------------------------------------------------------------------


def test_a_package_of_another_server_than_the_header_names_is_not_indexed(
    tmp_path: Path,
) -> None:
    workshop = Workshop(tmp_path / "workshop")
    workshop.export()
    package = write_package(tmp_path / "metadata.xml.gz", [Update(1)])
    arrival = Arrival(workshop.open(), tmp_path)

    with pytest.raises(PackageError, match="the bundle of"):
        _index(arrival, package)
    with pytest.raises(PackageError, match="the bundle of"):  # nothing says that it was done
        _index(arrival, package)


# --- whose state it is ---------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [('"staging"', '"disconnected"'), ('"alpha"', '"beta"')])
def test_a_state_folder_of_the_other_side_or_another_site_is_refused(
    tmp_path: Path, old: str, new: str
) -> None:
    site = lay_out_place(tmp_path, side="staging")
    with open_place(site):
        pass
    site.write_text(site.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    with pytest.raises(SiteFileError, match="holds the state of site alpha, staging side"):
        open_place(site)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads Linux's list of open files")
def test_a_run_that_cannot_begin_leaves_no_ledger_open(tmp_path: Path) -> None:
    site = lay_out_place(tmp_path, side="staging")
    ledger = tmp_path / "state" / "ledger.sqlite"
    with open_place(site) as place:
        place.ledger.connection.execute(
            "CREATE TRIGGER no_facts BEFORE INSERT ON fact BEGIN SELECT RAISE(ABORT, 'full'); END"
        )

    with pytest.raises(sqlite3.Error, match="full"):
        open_place(site)

    files = {path.resolve() for path in Path("/proc/self/fd").iterdir()}
    assert ledger not in files


def test_another_server_than_the_one_that_is_known_is_refused(staging: Workplace) -> None:
    staging.require_known_server(Side.STAGING, "one")
    staging.ledger.adopt_server(Side.STAGING, "one")
    staging.require_known_server(Side.STAGING, "one")

    with pytest.raises(ServerChangedError, match="id is other, this site knows one"):
        staging.require_known_server(Side.STAGING, "other")


def test_a_damaged_ledger_is_to_be_restored_and_never_begun_anew(tmp_path: Path) -> None:
    site = lay_out_place(tmp_path, side="disconnected")
    with open_place(site) as place:
        path = place.ledger.path
    path.write_bytes(b"junk" * 2_000)
    with pytest.raises(HostFileError) as caught, open_place(site):
        pass
    assert "restore the state folder from its backup" in caught.value.next_step
    assert path.read_bytes().startswith(b"junk")
