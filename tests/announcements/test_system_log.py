"""The end of each run is a line in the system's logs; a log that is away changes nothing."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path

import pytest

from tasks.announcements.notify import announce_crash, announce_end
from tasks.ledger.runs import RunRecord
from tasks.ledger.store import Ledger
from tasks.refusals import TamperError
from tasks.reports.model import CommandReport, failure_report
from tasks.site.reading import read_site
from tasks.site.settings import Site
from tests.support.bundles import NOW
from tests.support.runs import write_site_file

# The priority of syslog is 8 * facility (daemon: 3) + severity.
PRIORITIES = {"done": 30, "flagged": 28, "refused": 27}


def site_with(folder: Path, lines: str) -> Site:
    path = write_site_file(folder, side="disconnected")
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\n[notify]\n{lines}\n", encoding="utf-8")
    return read_site(path)


def event_program(folder: Path) -> str:
    """Keys for a program in the place of ``eventcreate.exe`` that notes its words."""
    program = folder / "eventcreate"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        f"pathlib.Path({str(folder / 'said')!r}).write_text('\\n'.join(sys.argv[1:]))\n"
    )
    program.chmod(0o755)
    return f'event_log = true\nevent_program = "{program}"'


def end(site: Site, report: CommandReport) -> None:
    with Ledger(site.state_dir) as ledger:
        announce_end(site, ledger, report, now=NOW)


def reports() -> dict[str, CommandReport]:
    refusal = TamperError(path="/media/alpha-1", expected="a", found="b")
    return {
        "done": CommandReport(command="import", site="alpha", run="run-1"),
        "flagged": CommandReport(
            command="import", site="alpha", exit_code=2, notices=("the title of an update",)
        ),
        "refused": failure_report("import", refusal, site="alpha"),
    }


def test_each_end_is_a_line_in_syslog_with_its_severity_and_nothing_of_content(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        site = site_with(tmp_path, f'syslog = "127.0.0.1:{receiver.getsockname()[1]}"')
        packets = {}
        for outcome, report in reports().items():
            end(site, report)
            packets[outcome] = receiver.recv(65_536).decode().rstrip("\0")
        announce_crash(site, RunRecord(id="run-9", command="audit", started=NOW))
        crashed = receiver.recv(65_536).decode()

    assert {name: int(text[1 : text.index(">")]) for name, text in packets.items()} == PRIORITIES
    assert packets["done"].endswith("wsus-airgap: alpha import is done. Run run-1, exit code 0.")
    assert "1 notice" in packets["flagged"]
    assert "title" not in packets["flagged"]
    assert "Kind of error: tamper." in packets["refused"]
    assert "alpha audit crashed. Run run-9" in crashed


@pytest.mark.parametrize(
    ("outcome", "event_type", "number"),
    [("done", "INFORMATION", "100"), ("flagged", "WARNING", "200"), ("refused", "ERROR", "300")],
)
def test_the_event_log_gets_a_number_and_a_type_of_its_own_for_each_outcome(
    tmp_path: Path, outcome: str, event_type: str, number: str
) -> None:
    end(site_with(tmp_path, event_program(tmp_path)), reports()[outcome])

    *words, _text = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
    assert words == [
        "/L", "APPLICATION", "/T", event_type, "/SO", "wsus-airgap", "/ID", number, "/D",
    ]  # fmt: skip


def test_the_end_of_a_run_is_given_to_the_program_that_writes_events(tmp_path: Path) -> None:
    end(site_with(tmp_path, event_program(tmp_path)), reports()["done"])

    said = (tmp_path / "said").read_text(encoding="utf-8").splitlines()[-1]
    assert said == "wsus-airgap: alpha import is done. Run run-1, exit code 0."


@pytest.mark.parametrize(
    "lines",
    ['syslog = "/no/such/socket"', 'event_log = true\nevent_program = "/no/such/program"'],
)
def test_a_log_that_is_away_is_a_line_in_ours(
    tmp_path: Path, lines: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    end(site_with(tmp_path, lines), reports()["done"])

    assert "did not take a line" in caplog.text
