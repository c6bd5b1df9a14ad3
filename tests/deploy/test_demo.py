"""What the demo needs is asked for before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.command_line import run


def test_a_demo_over_ssh_without_sshd_names_the_package_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("deploy.lab.sshd._SSHD_FOLDERS", ())

    code = run(["demo", str(tmp_path / "lab"), "--ssh"])

    said = capsys.readouterr().err.splitlines()
    assert code == 64
    assert "OpenSSH server (sshd), which is not on this machine" in said[-2]
    assert "apt install openssh-server" in said[-1]
    assert not (tmp_path / "lab").exists()
