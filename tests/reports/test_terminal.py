"""A terminal gets bars and a summary, a pipe gets neither bars nor surprises."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.checks.finding import Finding
from tasks.errors import SiteFileError
from tasks.logs import log
from tasks.progress import LoggedProgress, Silence
from tasks.reports.model import CommandReport, failure_report
from tasks.reports.summary import next_step
from tasks.reports.terminal import (
    TerminalProgress,
    print_report,
    summarise,
)
from tasks.visible import visible
from tests.reports import examples


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_json_is_one_document_on_stdout_and_nothing_else() -> None:
    out, err = io.StringIO(), io.StringIO()

    print_report(examples.flagged_report(), as_json=True, out=out, err=err)

    assert json.loads(out.getvalue()) == examples.flagged_report().as_json()
    assert out.getvalue().isascii()
    assert err.getvalue().startswith("next: Have the next bundle bring")


def test_the_last_line_on_stderr_says_what_to_do() -> None:
    out, err = io.StringIO(), io.StringIO()

    print_report(examples.refused_report(), as_json=False, out=out, err=err)

    lines = err.getvalue().splitlines()
    assert lines[0].startswith("error: /media/alpha-7/volume-001")
    assert lines[-1] == "next: Do not use this medium. Find out where it has been."


def plain(text: str) -> str:
    """What a terminal shows, without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize("no_colour", [False, True])
def test_a_terminal_gets_the_same_words_in_colour(
    monkeypatch: pytest.MonkeyPatch, no_colour: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "20")  # long lines are the terminal's to break
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    pipe, terminal = (io.StringIO(), io.StringIO()), (Terminal(), Terminal())

    for out, err in (pipe, terminal):
        print_report(examples.flagged_report(), as_json=False, out=out, err=err)

    for expected, shown in zip(pipe, terminal, strict=True):
        assert plain(shown.getvalue()) == expected.getvalue()
    assert ("\x1b[1;33mflagged" in terminal[0].getvalue()) is not no_colour


def test_each_fault_of_a_site_file_is_a_line_and_the_document_has_them_in_one_sentence() -> None:
    path, second = "/a\x1b/site.toml", "line 2: y\nerror: z"
    error = SiteFileError(path=path, problems=("line 1: x", second))
    report = failure_report("site check", error)
    out, err = io.StringIO(), io.StringIO()

    print_report(report, as_json=True, out=out, err=err)

    assert err.getvalue().splitlines()[:3] == [
        f"error: site file {visible(path)}:",
        "  line 1: x",
        f"  {visible(second)}",
    ]
    (told,) = json.loads(out.getvalue())["errors"]
    assert told.keys() == {"kind", "message", "next_step"}
    assert told["message"].endswith("site.toml: line 1: x; line 2: y[U+000A]error: z")


def test_a_summary_is_aligned_and_names_what_misses() -> None:
    lines = summarise(examples.flagged_report())

    assert lines[0] == "import alpha: flagged"
    starts = {
        line.index(value) for line in lines for value in ("23.5 GB", "1,399") if value in line
    }
    assert len(starts) == 1
    assert any("KB890830" in line and "never-downloaded" in line for line in lines)


def test_the_findings_of_a_check_are_lines_and_the_first_is_the_next_step() -> None:
    cause = Finding(id="proxy-authentication", severity="failure", evidence="(407)",
                    meaning="The proxy wants credentials.", next_step="Enter them.")  # fmt: skip
    consequence = cause.model_copy(
        update={"id": "synchronisation-failed", "consequence_of": (cause.id,)}
    )
    report = CommandReport(
        command="check", site="alpha", run="r", exit_code=2, findings=(cause, consequence)
    )
    shown = summarise(report)
    assert "  failure: proxy-authentication: The proxy wants credentials." in shown
    assert shown.index("    seen: (407)") < shown.index("    next: Enter them.")
    assert "      follows from proxy-authentication" in shown
    assert next_step(report) == "Begin with proxy-authentication: Enter them."


def test_a_long_list_of_missing_files_ends() -> None:
    missing = tuple(examples.missing_file(n) for n in range(1, 1_001))

    lines = summarise(CommandReport(command="audit", site="a", exit_code=2, missing=missing))

    assert len(lines) < 40
    assert "980 more" in lines[-1]


def test_foreign_text_cannot_steer_the_terminal() -> None:
    out, err = io.StringIO(), io.StringIO()

    print_report(examples.hostile_report(), as_json=False, out=out, err=err)

    for line in (out.getvalue() + err.getvalue()).split("\n"):
        assert line.isprintable()
        assert "\u202e" not in line


def test_a_console_with_an_old_code_page_takes_the_summary() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="cp850")

    print_report(examples.flagged_report(), as_json=False, out=out, err=io.StringIO())

    assert b"\\u306e" in raw.getvalue()


def test_a_small_command_prints_its_lines_only() -> None:
    report = CommandReport(command="keygen", site=None, lines=("made a", "made b"))

    assert summarise(report) == ["made a", "made b"]


def test_a_pipe_gets_no_bars() -> None:
    pipe = io.StringIO()

    progress = TerminalProgress(pipe)
    progress.start("Copy", total=10, unit="bytes")
    progress.advance(10)
    progress.finish()

    assert pipe.getvalue() == ""


def test_a_step_without_work_leaves_no_bar() -> None:
    terminal = Terminal()

    progress = TerminalProgress(terminal)
    progress.start("Read package", total=0, unit="bytes")
    progress.finish()
    progress.start("Place content", total=None, unit="files")
    progress.finish()

    assert terminal.getvalue() == ""


def test_a_long_step_logs_a_line_with_amount_rate_and_time_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "wsus_airgap"):
        progress = LoggedProgress(Silence(), line_seconds=0.02)
        progress.start("Unpack bundle", total=4_000_000_000, unit="bytes")
        progress.advance(1_000_000_000)
        assert caplog.messages == []
        time.sleep(0.03)
        progress.advance(1_000_000_000)
        progress.advance(1)
        progress.finish()
        time.sleep(0.03)
        progress.advance(1)

    (line,) = caplog.messages
    pattern = r"Unpack bundle: 2\.0 GB of 4\.0 GB, [\d.]+ [GT]B a second, 0 s left"
    assert re.fullmatch(pattern, line), line


def test_a_bar_starts_where_it_resumes_and_says_how_far_that_is_proved() -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    progress.start("Pack", total=4_000_000, unit="bytes", resumed_at=3_000_000)
    time.sleep(0.25)
    progress.check(1_000_000)
    progress.advance(1_000_000)
    progress.finish()

    first, *_, last = terminal.getvalue().strip("\r\n").split("\r")
    assert "75%" in first
    assert "proved 1.0 MB of 3.0 MB" in terminal.getvalue()
    assert "100%" in last


def test_a_resumed_step_logs_what_was_there(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "wsus_airgap"):
        progress = LoggedProgress(Silence(), line_seconds=0.02)
        progress.start("Pack", total=4_000_000_000, unit="bytes", resumed_at=3_000_000_000)
        time.sleep(0.03)
        progress.check(1_000_000_000)

    (line,) = caplog.messages
    assert line.startswith("Pack: 3.0 GB of 4.0 GB, 3.0 GB of it from before (1.0 GB proved again)")


def test_a_bar_ends_at_what_was_counted_by_all_threads() -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    progress.start("Copy\u202e", total=80_000, unit="files")

    def count() -> None:
        for _ in range(10_000):
            progress.advance(1)

    with ThreadPoolExecutor(8) as threads:
        for _ in range(8):
            threads.submit(count)
    progress.finish()

    drawn = terminal.getvalue()
    assert "80000/80000" in drawn
    assert "Copy[U+202E]" in drawn


def test_advancing_is_cheap_and_draws_seldom() -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    progress.start("Hash", total=None, unit="files")
    begun = time.process_time()

    for _ in range(200_000):
        progress.advance(1)

    assert time.process_time() - begun < 2
    assert terminal.getvalue().count("\r") < 40
    progress.finish()


def test_a_second_step_ends_the_first() -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)

    progress.start("One", total=1, unit="files")
    progress.advance(1)
    progress.start("Two", total=1, unit="files")
    progress.finish()
    progress.finish()
    progress.advance(5)

    assert "One" in terminal.getvalue()
    assert "1/1" in terminal.getvalue()


def test_a_log_line_cannot_steer_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    name = "KB1\x1b]0;owned\x07\nnext: all is well\u202e"
    log.info("read %s", name)
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert record.getMessage().startswith("read KB1[U+001B]")
