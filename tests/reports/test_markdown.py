"""What Prefect's pages show: the flagged first, never too much, nothing that is not text."""

from __future__ import annotations

import re

from tasks.metadata.audit import MissingFile
from tasks.reports.markdown import MAX_ROWS, artifacts_of, section_text
from tasks.reports.model import Column, CommandReport, Section
from tasks.reports.summary import missing_section
from tests.reports import examples
from tests.reports.examples import missing_file


def many(number: int) -> tuple[MissingFile, ...]:
    return tuple(missing_file(n) for n in range(1, number + 1))


def test_the_first_artifact_of_a_flagged_run_says_what_was_flagged() -> None:
    first, *_ = artifacts_of(examples.flagged_report())

    assert first.key == "alpha-import-attention"
    assert first.text.startswith("# import alpha: flagged")
    assert "3 content files are missing" in first.text


def test_a_done_run_has_no_attention() -> None:
    keys = [artifact.key for artifact in artifacts_of(CommandReport(command="export", site="a"))]

    assert keys == ["a-export-outcome"]


def test_a_refused_run_shows_the_error_and_what_to_do() -> None:
    first, *_ = artifacts_of(examples.refused_report())

    assert "expected 9f…, found 11…" in first.text.replace("\\", "")
    assert "Next: Do not use this medium" in first.text


def test_keys_are_what_prefect_takes() -> None:
    for report in (examples.flagged_report(), examples.hostile_report()):
        keys = [artifact.key for artifact in artifacts_of(report)]
        assert len(keys) == len(set(keys))
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) for key in keys)


def test_a_run_has_at_most_four_texts_and_the_first_links_to_the_others() -> None:
    first, *others = artifacts_of(examples.flagged_report())

    assert [other.key for other in others] == ["alpha-import-waiting", "alpha-import-details"]
    for other in others:
        assert f"[{other.description}](/artifacts/key/{other.key})" in first.text
    assert "KB890830" in others[0].text
    assert others[0].text.count("## Missing content") == 1


def test_the_findings_of_a_check_have_a_text_of_their_own_name() -> None:
    labels = ("Severity", "Finding", "Evidence", "Next step", "Rests on")
    section = Section(
        key="findings",
        title="Findings",
        columns=tuple(Column(label=label) for label in labels),
        rows=(("failure", "The clock is wrong.", "ten days ahead", "Set the clock.", ""),),
    )
    report = CommandReport(command="check", site="alpha", sections=(section,))

    first, second = artifacts_of(report)

    assert (second.key, second.description) == ("alpha-check-findings", "Findings")
    assert "[Findings](/artifacts/key/alpha-check-findings)" in first.text
    text = second.text.replace("\\", "")
    # As paragraphs, since Prefect's page does not wrap the cells of the table below them.
    assert "**failure: The clock is wrong.**\n\nEvidence: ten days ahead\n\nNext step: Set" in text
    assert "| failure | The clock is wrong. | ten days ahead |" in text


def test_a_table_ends_at_its_limit_and_says_so() -> None:
    section = missing_section(many(MAX_ROWS + 734))

    written = section_text(section)

    assert written.count("\n| 2026") == MAX_ROWS
    assert "734 more rows in the report's files." in written
    assert len(written) < 500_000


def test_every_row_has_as_many_cells_as_the_head() -> None:
    for section in (
        missing_section(many(3)),
        missing_section(examples.hostile_report().missing or ()),
    ):
        table = [line for line in section_text(section).splitlines() if line.startswith("|")]
        table = table[
            table.index(next(line for line in table if "Update" in line and "KB" in line)) :
        ]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}


def test_no_foreign_text_becomes_markup() -> None:
    for artifact in artifacts_of(examples.hostile_report()):
        assert "<script" not in artifact.text
        foreign = artifact.text.replace("](/artifacts/key/", "")  # our own links
        assert not re.search(r"(?<!\\)\]\(", foreign)
        assert "\u202e" not in artifact.text
        assert "\r" not in artifact.text
