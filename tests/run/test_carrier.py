"""Who carried a bundle, as it was typed: one line of the custody log, and shown with the chain."""

from __future__ import annotations

import csv

import pytest

from tasks.custody.log import read_lines
from tasks.errors import UsageError
from tasks.inspection.history import show_history
from tasks.run.carrier import read_carrier, record_carrier
from tasks.run.context import RunContext
from tests.run.test_trust_state import remember_import
from tests.support.bundles import NOW

DIGEST = "a" * 64


def test_the_same_name_for_the_same_bundle_is_one_line_and_another_name_another(
    disconnected: RunContext,
) -> None:
    for name in ("Anna", "Anna", "Bob", None):
        record_carrier(disconnected, "alpha-3", DIGEST, name=name)
    record_carrier(disconnected, "alpha-3", DIGEST, name="Anna", is_receipt=True)

    assert [(line.event, line.bundle, line.text) for line in read_lines(disconnected.ledger)] == [
        ("carried", "alpha-3", "by Anna (typed, not proved)"),
        ("carried", "alpha-3", "by Bob (typed, not proved)"),
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
    for name in ("Anna", "=Bob"):  # the newest counts
        record_carrier(disconnected, "alpha-2", DIGEST, name=name)

    shown = show_history("alpha", as_csv=False, verify=False, clock=lambda: NOW)
    table = show_history("alpha", as_csv=True, verify=False, clock=lambda: NOW)

    assert [line.carried_by for line in shown.chain or ()] == [None, "=Bob"]
    assert any("carried by =Bob" in line for line in shown.lines)
    rows = [row for row in csv.DictReader(table.lines) if row["kind"] == "bundle"]
    assert [row["carried_by"] for row in rows] == ["", "'=Bob"]


@pytest.mark.parametrize("name", ["", " \n ", "x" * 201])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--carried-by"):
        read_carrier(name)


def test_a_name_is_one_line_of_words() -> None:
    assert read_carrier(" Anna\n Muster ") == "Anna Muster"
    assert read_carrier(None) is None
