"""What a report takes up of lists that have no end."""

from __future__ import annotations

from itertools import repeat

from tasks.run.report import MOST_MISSING_LISTED, ReportDraft
from tests.reports.examples import missing_file


def test_a_list_of_missing_files_without_end_is_cut_and_the_report_says_so() -> None:
    report = ReportDraft()
    assert len(report.list_missing(repeat(missing_file(1)))) == MOST_MISSING_LISTED
    assert report.lines == ["more than 100,000 files are missing; the others are not listed"]
    assert not report.notices  # that unapproved updates lack files is normal


def test_a_short_list_of_missing_files_is_listed_whole() -> None:
    report = ReportDraft()
    files = tuple(map(missing_file, range(1, 4)))
    assert report.list_missing(files) == files
    assert not report.lines
