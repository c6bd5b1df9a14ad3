"""The demo checks its needs before it makes anything, and its output can be printed anywhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from deploy.demo.two_months import _Demo
from flows.command_line import run


def test_a_demo_over_ssh_without_sshd_names_the_package_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("deploy.lab.sshd._SSHD_FOLDERS", ())

    code = run(["demo", str(tmp_path / "lab"), "--ssh"])

    errors = capsys.readouterr().err.splitlines()
    assert code == 64
    assert "OpenSSH server (sshd), which is not on this machine" in errors[-2]
    assert "apt install openssh-server" in errors[-1]
    assert not (tmp_path / "lab").exists()


def test_the_demo_speaks_on_a_terminal_of_any_code_page(tmp_path: Path) -> None:
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="cp1252", newline="\n")

    _Demo(tmp_path, out).say("\nUpdate ベース for Büro")

    assert written.getvalue().decode("cp1252") == "\nUpdate \\u30d9\\u30fc\\u30b9 for Büro\n"
