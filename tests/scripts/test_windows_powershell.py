"""Each script is one self-contained file that Windows PowerShell 5.1 reads as we mean it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

import tasks.scripts
from tasks.scripts import load_script
from tests.support import needs

FOLDER = Path(tasks.scripts.__file__).parent
SCRIPTS = sorted(FOLDER.glob("*.ps1"))
_NAMES = """
read-server read-approvals apply-approvals read-updates read-license-files control-service
hash-files place-files prepare-folder start-detached read-volume control-downloads apply-repair
start-synchronisation catalog-import probe-server
"""
INTERFACE = _NAMES.split()


@needs.pwsh
def test_no_script_uses_what_only_newer_versions_have(tmp_path: Path) -> None:
    check = [str(needs.path("pwsh")), "-Check51"]
    newer = tmp_path / "newer.ps1"
    newer.write_text("$x = $true ? 1 : 2\n", "utf-8")
    if subprocess.run([*check, str(newer)], capture_output=True, check=False).returncode != 1:
        pytest.skip("this PowerShell has no -Check51")
    run = subprocess.run(
        [*check, *map(str, SCRIPTS)], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_script_of_the_interface_is_there() -> None:
    assert {path.stem for path in SCRIPTS} == {*INTERFACE, "supervise-job"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_plain_ascii_with_one_kind_of_line_end(path: Path) -> None:
    content = path.read_bytes()
    content.decode("ascii")  # without a byte order mark, anything else would be read as 1252
    assert b"\r" not in content
    assert b"\t" not in content
    assert content.endswith(b"exit 0\n")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_at_its_top_what_it_reads_and_writes(path: Path) -> None:
    top = path.read_text("ascii").split("[CmdletBinding()]")[0]
    assert all(line.startswith("#") for line in top.splitlines())
    assert "# Reads " in top
    assert "# Writes " in top


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_strict_stops_at_errors_and_shows_no_progress(path: Path) -> None:
    text = path.read_text("ascii")
    assert "Set-StrictMode -Version 2\n" in text
    assert "$ErrorActionPreference = 'Stop'\n" in text
    assert "$ProgressPreference = 'SilentlyContinue'\n" in text
    assert "exit 1 }" in text


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_keeps_away_from_what_changes_text(path: Path) -> None:
    text = path.read_text("ascii")
    for trap in (
        "Get-Content",
        "Set-Content",
        "Out-File",
        "Add-Content",
        "Write-Host",
        "Invoke-Expression",
    ):
        assert trap not in text


@pytest.mark.parametrize("name", INTERFACE)
def test_a_script_takes_an_input_and_an_output_file(name: str) -> None:
    text = load_script(name).content.decode("ascii")
    for parameter in ("InputFile", "OutputFile"):
        assert f"[Parameter(Mandatory = $true)][string]${parameter}" in text


def test_the_product_knows_the_bytes_of_its_scripts() -> None:
    for path in SCRIPTS:
        script = load_script(path.stem)
        assert script.content == path.read_bytes()
        assert script.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert script.file_name == path.name
