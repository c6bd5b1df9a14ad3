"""Who carried a bundle, as it was typed: one line of the custody log, and shown with the chain."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tasks.content.names import Blake3
from tasks.custody.log import read_lines
from tasks.errors import UsageError
from tasks.inspection.history import show_history
from tasks.refusals import TamperError
from tasks.run.carrier import checked_carrier, read_carriers, record_carrier
from tasks.run.context import RunContext
from tasks.run.ending import close_run
from tests.run.test_trust_state import remember_import
from tests.support.bundles import NOW
from tests.support.runs import open_test_run, reserved, write_site_file

DIGEST = "a" * 64


def test_the_same_name_for_the_same_bundle_is_one_line_and_another_name_another(
    disconnected: RunContext,
) -> None:
    for name in ("Anna", "Anna", "Bob", None, "Anna"):  # the last puts a mistake right
        record_carrier(disconnected, "alpha-3", DIGEST, name=name)
    record_carrier(disconnected, "alpha-3", DIGEST, name="Anna", is_receipt=True)

    assert [(line.event, line.bundle, line.text) for line in read_lines(disconnected.ledger)] == [
        ("carried", "alpha-3", "by Anna (typed, not proved)"),
        ("carried", "alpha-3", "by Bob (typed, not proved)"),
        ("carried", "alpha-3", "by Anna (typed, not proved)"),
        ("carried", "alpha-3", "the receipt, by Anna (typed, not proved)"),
    ]


def test_a_rehearsal_records_nobody_and_says_so(disconnected: RunContext) -> None:
    disconnected.rehearses = True

    record_carrier(disconnected, "alpha-3", DIGEST, name="Anna")

    assert list(read_lines(disconnected.ledger)) == []
    assert "does not record who carried" in disconnected.report.lines[0]


def test_the_chain_and_its_table_name_who_carried_each_bundle(disconnected: RunContext) -> None:
    remember_import(disconnected, 1)
    remember_import(disconnected, 2)
    digest = f"{2:064x}"
    for name in ("Anna", "=Bob"):  # the newest counts
        record_carrier(disconnected, "alpha-2", digest, name=name)
    record_carrier(disconnected, "alpha-1", DIGEST, name="Carl")  # a bundle of another chain
    record_carrier(disconnected, "alpha-2", digest, name="Dora", is_receipt=True)

    shown = show_history("alpha", as_csv=False, verify=False, clock=lambda: NOW)
    table = show_history("alpha", as_csv=True, verify=False, clock=lambda: NOW)

    assert [line.carried_by for line in shown.chain or ()] == [None, "=Bob"]
    assert any("carried by =Bob" in line for line in shown.lines)
    rows = [row for row in csv.DictReader(table.lines) if row["kind"] == "bundle"]
    assert [row["carried_by"] for row in rows] == ["", "'=Bob"]


def test_a_name_is_found_however_many_lines_came_after_it(disconnected: RunContext) -> None:
    record_carrier(disconnected, "alpha-1", DIGEST, name="Anna")
    (line,) = disconnected.ledger.connection.execute("SELECT line FROM custody").fetchone()
    later = line.replace('"event":"carried"', '"event":"imported"')
    disconnected.ledger.connection.executemany(
        "INSERT INTO custody (number, line, written) VALUES (?, ?, 1)",
        [(number, later) for number in range(2, 1_100)],
    )

    assert read_carriers(disconnected.ledger) == {DIGEST: "Anna"}


def test_the_chain_of_staging_names_who_carried_a_bundle_that_was_verified_there(
    staging: RunContext, tmp_path: Path
) -> None:
    digest = Blake3.from_hex(DIGEST)
    staging.exports.reserve(reserved(1, tmp_path))
    staging.exports.commit(1, header_digest=digest, fingerprint="")
    record_carrier(staging, "alpha-1", DIGEST, name="Anna")

    shown = show_history("alpha", as_csv=False, verify=False, clock=lambda: NOW)

    assert [line.carried_by for line in shown.chain or ()] == ["Anna"]


@pytest.mark.parametrize("is_rehearsed", [False, True])
def test_a_refusal_names_the_carrier_first_and_a_rehearsal_nobody(
    tmp_path: Path, *, is_rehearsed: bool
) -> None:
    with open_test_run(write_site_file(tmp_path, side="disconnected"), command="import") as run:
        run.carried_by, run.rehearses = "Anna", is_rehearsed
        close_run(run, TamperError(path="x" * 3_000, expected="a", found="b"))
        (line,) = read_lines(run.ledger)

    assert line.event == "refused"
    assert line.text.startswith("import: " if is_rehearsed else "carried by Anna, as typed; import")
    assert ("Anna" in line.text) != is_rehearsed


@pytest.mark.parametrize(
    "name", ["", " \n ", "x" * 201, "Anna\x1b[2J", "Anna \u202eretsuM", "Anna\ud83d"]
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--carried-by"):
        checked_carrier(name)


def test_a_name_is_one_line_of_words() -> None:
    assert checked_carrier(" Anna\n Muster ") == "Anna Muster"
    assert checked_carrier(None) is None
