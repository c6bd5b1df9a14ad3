"""The site's scanner goes over the media first; what it does not call clean is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.refusals import MalwareError
from tasks.run.context import RunContext
from tasks.run.media_scan import scan_media
from tasks.server.anchor import find_anchor
from tests.support.runs import open_test_run, write_site_file


def _with_scanner(folder: Path, script: str) -> RunContext:
    scanner = folder / "scanner"
    scanner.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    scanner.chmod(0o755)
    site = write_site_file(folder, side="disconnected")
    text = site.read_text(encoding="utf-8")
    command = f'scan_command = ["{scanner}", "--all"]'
    site.write_text(text.replace("[media]\n", f"[media]\n{command}\n"), encoding="utf-8")
    return open_test_run(site)


def test_a_clean_medium_is_said_with_engine_and_time(tmp_path: Path) -> None:
    with _with_scanner(tmp_path, 'echo "engine 7, $2: OK"') as run:
        verdict = scan_media(run, ["/media/alpha-1"])

    assert verdict is not None
    assert verdict.startswith("scanned at 2026-11-22 12:00:00 UTC, clean")
    assert verdict.endswith("scanner: engine 7, /media/alpha-1: OK")


@pytest.mark.parametrize("code", [1, 2])
def test_any_other_exit_code_refuses_the_medium(tmp_path: Path, code: int) -> None:
    with (
        _with_scanner(tmp_path, f"echo 'Eicar FOUND'; exit {code}") as run,
        pytest.raises(MalwareError, match="Eicar FOUND"),
    ):
        scan_media(run, ["/media/alpha-1"])


def test_a_folder_is_scanned_once_in_a_run_and_again_for_another_medium(tmp_path: Path) -> None:
    with _with_scanner(tmp_path, f"echo again >> {tmp_path}/times; echo OK") as run:
        for is_new_medium in (False, False, True):
            scan_media(run, ["/media/alpha-1"], is_new_medium=is_new_medium)

    assert (tmp_path / "times").read_text().split() == ["again", "again"]


def test_a_bundle_that_is_to_be_the_anchor_of_a_chain_is_scanned_too(tmp_path: Path) -> None:
    with (
        _with_scanner(tmp_path, "echo 'Eicar FOUND'; exit 1") as run,
        pytest.raises(MalwareError, match="Eicar FOUND"),
    ):
        find_anchor(run, bundle=str(tmp_path / "media" / "alpha-1"), digest=None)


def test_without_a_command_nothing_is_scanned(disconnected: RunContext) -> None:
    assert scan_media(disconnected, ["/media/alpha-1"]) is None
