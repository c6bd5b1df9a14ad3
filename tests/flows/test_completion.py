"""Completion by the Tab key, installed by a command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.labs import run_here


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_new_bash_completes_commands_once_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    result = run_here("install-completion", "--shell", "bash", "--json", expect=0)

    (line,) = result.document["lines"]
    assert line.startswith(str(tmp_path))
    asked = "COMP_WORDS=(wsus-airgap exp); COMP_CWORD=1; _wsus_airgap; echo ${COMPREPLY[@]}"
    shell = ["bash", "--rcfile", str(tmp_path / ".bashrc"), "-i", "-c", asked]
    said = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert set(said.split()) == {"export", "explain"}
