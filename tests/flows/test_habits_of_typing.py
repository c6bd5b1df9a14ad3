"""What people type by habit is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.command_line import run
from tasks.version import VERSION
from tests.support.labs import run_here
from tests.support.runs import write_site_file


def test_an_option_may_come_before_its_command(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")

    result = run_here("--json", "--site", str(site), "site", "check")

    assert result.document["command"] == "site check"
    assert "this side's own key" in result.error["message"]  # it has read that site file


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--sites", "none"), "the folder of site files is not there"),
        (("--site", "none.toml"), "the site file is not there"),
    ],
)
def test_an_option_of_up_takes_the_place_of_both_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSUS_AIRGAP_SITE", "other.toml")
    monkeypatch.setenv("WSUS_AIRGAP_SITES", "others")

    result = run_here("up", *words, "--json", expect=64)

    assert error in result.error["message"]
    assert words[1] in result.error["message"]


def test_a_receipt_that_is_not_there_is_said_before_a_server_is_started(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")

    result = run_here("accept", "nonsense", "--site", str(site), "--json", expect=64)

    assert result.error["kind"] == "path-missing"
    assert not [*tmp_path.rglob("prefect")]


def test_help_and_version_are_words_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    assert capsys.readouterr().out.strip() == VERSION
    assert run(["help"]) == 0
    shown = capsys.readouterr().out
    assert "Exit codes: 0 done" in shown
    assert "deploy/README.md" in shown.replace("\n", "")
