"""Lines of the custody log as runs record them: who, which run, and to syslog when set."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from tasks.custody.log import LOG
from tasks.run.context import RunContext
from tasks.run.custody import BY_API, record_event, who_of
from tasks.run.made_by import account
from tests.support.runs import open_test_run, write_site_file


def test_a_line_names_the_account_or_the_api(staging: RunContext) -> None:
    assert who_of(staging) == account()
    assert who_of(replace(staging, by_api=True)) == BY_API


def test_a_line_goes_to_syslog_too(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        address = f"127.0.0.1:{receiver.getsockname()[1]}"
        with site.open("a", encoding="utf-8") as stream:
            stream.write(f'\n[custody]\nsyslog = "{address}"\n')
        with open_test_run(site) as run:
            record_event(run, "decided", "KB1 for Servers: reject, by the board")
            line = (run.site.state_dir / LOG).read_bytes().strip()
        packet = receiver.recv(65_536)

    assert b'"event":"decided"' in line
    assert line in packet


def test_a_line_goes_into_the_event_log_too(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    program = tmp_path / "eventcreate"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path / "event"}\nexit 1\n')
    program.chmod(0o755)
    with site.open("a", encoding="utf-8") as stream:
        stream.write(f'\n[custody]\nevent_command = ["{program}"]\n')
    with open_test_run(site) as run:
        record_event(run, "decided", 'KB1 for Servers: reject, "by the board"')
        line = (run.site.state_dir / LOG).read_text(encoding="utf-8").strip()

    *options, text = (tmp_path / "event").read_text(encoding="utf-8").splitlines()
    assert options == [
        "/L",
        "APPLICATION",
        "/T",
        "INFORMATION",
        "/SO",
        "wsus-airgap",
        "/ID",
        "1",
        "/D",
    ]
    assert text == line


def test_a_log_that_cannot_be_written_flags_the_run_and_no_more(staging: RunContext) -> None:
    (staging.site.state_dir / LOG).mkdir(parents=True)

    record_event(staging, "verified", "nothing")

    assert LOG in staging.report.notices[0]
