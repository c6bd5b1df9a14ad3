"""Whose wsusutil a process is, by what the server's process list says of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.metadata.wsusutil import export_command, import_command, new_file_names
from tasks.metadata.wsusutil_process import Process, is_read_only, of_job, of_process, refusal

TOOL = [r"C:\Program Files\Update Services\Tools\WsusUtil.exe"]
SINCE = datetime(2031, 5, 1, 3, 0, tzinfo=UTC)
RUN = "20310501T030000Z-import-0a1b2c"
SITES = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True)
WORKS = st.from_regex(r"(export-[1-9][0-9]?|import-[1-9][0-9]?-[0-9a-f]{16})", fullmatch=True)


def process(command_line: str, since: datetime | None = SINCE) -> Process:
    return Process(process_id=4711, command_line=command_line, since=since)


@given(SITES, WORKS, st.sampled_from([("C:\\our work", "\\"), ("/srv/own", "/")]), st.booleans())
def test_a_command_line_of_ours_tells_run_and_site_and_the_job_does_too(
    site: str, work: str, place: tuple[str, str], is_import: bool
) -> None:
    folder, slash = place
    names = new_file_names("import" if is_import else "export", run=RUN)
    paths = [slash.join([folder, "runs", f"{site}-{work}", n]) for n in (names.package, names.log)]
    command = (import_command if is_import else export_command)(TOOL, *paths)
    line = " ".join(f'"{word}"' for word in command)
    running = of_process(process(line))
    verb = "import" if is_import else "export"
    assert running.what == f"wsusutil {verb} of run {RUN} of site {site}"
    assert running == of_job(f"{site}-{work}", names.stem, SINCE)


def test_a_job_of_the_first_version_is_told_by_its_run_folder() -> None:
    stem = "import-20310501T030000Z-0123456789abcdef"
    line = rf"WsusUtil.exe import C:\w\runs\alpha-import-2-{'a' * 16}\package C:\w\runs\alpha-"
    line += rf"import-2-{'a' * 16}\{stem}.log.xml"
    running = of_process(process(line))
    assert running.what == f"wsusutil import of run alpha-import-2-{'a' * 16} of site alpha"
    assert running.stem == stem
    assert running.sentence.endswith(" is still working since 2031-05-01 03:00:00 UTC")


@pytest.mark.parametrize(
    "line",
    [
        "WsusUtil.exe reset",
        r"WsusUtil.exe export C:\runs\alpha-export-1\p.xml.gz C:\runs\alpha-export-1\own.log.xml",
        r"WsusUtil.exe import D:\package.xml.gz D:\import.log",
        "",
    ],
)
def test_any_other_is_named_by_its_process_and_never_taken_for_ours(line: str) -> None:
    running = of_process(process(line, since=None))
    assert running.what.startswith("a wsusutil that is not ours (process 4711")
    assert running.stem == ""
    assert line in running.sentence
    assert running.sentence.endswith(" is still working")


def test_what_a_command_line_says_is_shown_bounded_and_harmless() -> None:
    running = of_process(process("WsusUtil.exe \x1b[2J\r\n\u202e" + "x" * 100_000))
    assert running.what.isprintable()
    assert len(running.what) < 300


@given(st.text())
def test_no_command_line_is_too_odd_to_be_named(line: str) -> None:
    assert of_process(process(line)).sentence.isprintable()


def test_a_process_without_a_number_or_with_a_time_of_no_zone_is_no_answer() -> None:
    for odd in ({"process_id": -1}, {"since": "2031-05-01T03:00:00"}, {"command_line": None}):
        with pytest.raises(ValidationError):
            Process.model_validate({"process_id": 1, "command_line": "", "since": None} | odd)


def test_the_refusal_names_them_all() -> None:
    two = [of_process(process("WsusUtil.exe reset")), of_job("alpha-export-1", "x", None)]
    error = refusal(two)
    assert error.message == f"{two[0].sentence}; {two[1].sentence}"
    assert error.exit_code == 4


@pytest.mark.parametrize(
    ("command_line", "only_reads"),
    [
        ('"C:\\Program Files\\Update Services\\Tools\\WsusUtil.exe" listinactiveapprovals', True),
        ('"C:\\Tools\\WsusUtil.exe" "ListInactiveApprovals" ', True),
        ('"C:\\Tools\\WsusUtil.exe" removeinactiveapprovals', False),
        ('"C:\\Tools\\WsusUtil.exe" export C:\\listinactiveapprovals C:\\log.xml', False),
        ('"C:\\Tools\\WsusUtil.exe" import C:\\a\\listinactiveapprovals', False),
        ("", False),
    ],
)
def test_only_a_wsusutil_that_lists_approvals_changes_nothing(
    command_line: str, only_reads: bool
) -> None:
    assert is_read_only(process(command_line)) is only_reads
