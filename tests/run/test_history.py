"""The history of a side says since when content is missing, and its page does too."""

from __future__ import annotations

import csv
from datetime import timedelta

from tasks.inspection.history import show_history
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.history import write_index
from tasks.run.made_by import account
from tests.reports.examples import missing_file
from tests.run.test_trust_state import remember_import
from tests.support.bundles import NOW

LATER = NOW + timedelta(days=30)


def test_a_file_is_missing_since_the_first_run_of_an_unbroken_line_that_missed_it(
    disconnected: RunContext,
) -> None:
    memory = disconnected.imports.missing
    memory.remember([missing_file(1), missing_file(2)], now=NOW)
    memory.remember([missing_file(1), missing_file(3)], now=LATER)
    memory.remember([missing_file(1), missing_file(2), missing_file(3)], now=LATER)

    report = show_history(disconnected.site.name, as_csv=False, verify=False, clock=lambda: LATER)

    since = {line.kb: line.since for line in report.missing_since or ()}
    assert since == {"KB5000001": NOW, "KB5000002": LATER, "KB5000003": LATER}
    assert any(f"{NOW:%Y-%m-%d}" in line and missing_file(1).title in line for line in report.lines)


def test_the_page_of_a_side_names_what_is_missing_the_longest_missing_first(
    disconnected: RunContext,
) -> None:
    disconnected.imports.missing.remember([missing_file(7, title="<b>7</b>")], now=NOW)
    disconnected.imports.missing.remember(
        [missing_file(1), missing_file(7, title="<b>7</b>")], now=LATER
    )

    page = write_index(disconnected.ledger, disconnected.site, now=LATER).read_text("utf-8")

    assert f"{NOW:%Y-%m-%d}" in page
    assert page.index("&lt;b&gt;7&lt;/b&gt;") < page.index(missing_file(1).title)


def test_page_and_command_say_who_did_what_with_which_bundle(disconnected: RunContext) -> None:
    record_event(disconnected, "imported", "7 files <placed>", bundle="alpha-3")

    page = write_index(disconnected.ledger, disconnected.site, now=NOW).read_text("utf-8")
    report = show_history(disconnected.site.name, as_csv=False, verify=True, clock=lambda: NOW)

    assert "7 files &lt;placed&gt;" in page
    (line,) = report.custody or ()
    assert (line.number, line.event, line.who, line.bundle) == (1, "imported", account(), "alpha-3")
    assert any(f"imported alpha-3, {account()}" in text for text in report.lines)


def test_the_table_for_a_spreadsheet_has_runs_chain_and_custody_log(
    disconnected: RunContext,
) -> None:
    record_event(disconnected, "imported", "7 files, =placed", bundle="alpha-3")
    remember_import(disconnected, 1)
    remember_import(disconnected, 3)

    report = show_history(disconnected.site.name, as_csv=True, verify=False, clock=lambda: NOW)

    rows = list(csv.DictReader(report.lines))
    chain = [(row["sequence"], row["kind"]) for row in rows if row["kind"] in {"bundle", "gap"}]
    assert chain == [("1", "bundle"), ("2", "gap"), ("3", "bundle")]
    (custody,) = (row for row in rows if row["kind"] == "custody")
    assert (custody["number"], custody["who"], custody["text"]) == (
        "1", account(), "7 files, =placed",
    )  # fmt: skip
    assert len(rows) == len(report.runs or ()) + len(report.chain or ()) + 1


def test_a_page_with_more_missing_files_than_a_person_reads_names_the_rest(
    disconnected: RunContext,
) -> None:
    disconnected.imports.missing.remember(map(missing_file, range(1, 131)), now=NOW)

    page = write_index(disconnected.ledger, disconnected.site, now=NOW).read_text("utf-8")

    assert "30 files more: in `history --json`, and in missing.csv of the newest report." in page
