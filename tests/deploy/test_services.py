"""Units for systemd and tasks for Windows: sound, and what they start is a command of ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from flows.command_line import app
from tests.support import needs

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
TASKS = sorted((ROOT / "deploy" / "windows").glob("*.xml"))
NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def options(unit: Path) -> list[tuple[str, str, list[str]]]:
    """Each setting of a unit with its value and the comment lines right above it or its group."""
    settings, comments, is_open = [], list[str](), False
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comments = [*comments, line] if is_open else [line]
            is_open = True
        elif not line or line.startswith("["):
            comments, is_open = [], False
        else:
            name, _, value = line.partition("=")
            settings.append((name, value, comments))
            is_open = False
    return settings


def require_command(words: list[str]) -> None:
    """Have the command line read the words; nothing is carried out."""
    app.parse_args(words, exit_on_error=False, print_error=False)


def test_there_are_units_and_tasks() -> None:
    assert [unit.name for unit in UNITS] == [
        "wsus-airgap-import@.path",
        "wsus-airgap-import@.service",
        "wsus-airgap.service",
    ]
    assert [task.name for task in TASKS] == ["import.xml", "up.xml"]


@pytest.mark.parametrize("unit", [u for u in UNITS if u.suffix == ".service"], ids=lambda u: u.name)
def test_a_service_starts_a_command_of_ours(unit: Path) -> None:
    ((_, command, _),) = [option for option in options(unit) if option[0] == "ExecStart"]
    program, *words = shlex.split(command)

    assert program == "/opt/wsus-airgap/.venv/bin/wsus-airgap"
    require_command(words)


def test_every_switch_of_the_service_has_its_reason() -> None:
    unit = next(unit for unit in UNITS if unit.name == "wsus-airgap.service")
    plain = {"Description", "Type", "ExecStart", "User", "WantedBy"}
    bare = [name for name, _, comments in options(unit) if name not in plain and not comments]

    assert bare == []


def test_the_other_service_is_hardened_as_the_first() -> None:
    def switches(name: str) -> dict[str, str]:
        (unit,) = (unit for unit in UNITS if unit.name == name)
        prefixes = ("Protect", "Restrict", "Private", "NoNew", "Lock", "SystemCall", "Capability")
        return {name: value for name, value, _ in options(unit) if name.startswith(prefixes)}

    assert switches("wsus-airgap-import@.service") == switches("wsus-airgap.service")


@needs.systemd
def test_systemd_reads_every_unit_without_a_complaint(tmp_path: Path) -> None:
    copies = []
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        text = re.sub(r"/opt/wsus-airgap/\S+/wsus-airgap ", f"{sys.executable} ", text)
        copy = tmp_path / unit.name.replace("@", "@alpha")
        copy.write_text(text.replace("User=wsus-airgap", "User=root"), encoding="utf-8")
        copies.append(str(copy))
    verified = subprocess.run(
        [str(needs.path("systemd")), "verify", "--man=no", *copies],
        check=False,
        capture_output=True,
        text=True,
    )
    ours = [line for line in verified.stderr.splitlines() if "wsus-airgap" in line]

    assert (verified.returncode, ours) == (0, []), verified.stderr


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_starts_a_command_of_ours_and_is_never_ended_by_time(task: Path) -> None:
    root = ET.fromstring(task.read_text(encoding="utf-8"))
    texts = {element.tag.removeprefix(NAMESPACE): element.text for element in root.iter()}
    # The order that the schema of Task Scheduler prescribes.
    order = [element.tag.removeprefix(NAMESPACE) for element in root]

    assert order == ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]
    assert str(texts["Command"]).endswith(r"\.venv\Scripts\wsus-airgap.exe")
    assert texts["ExecutionTimeLimit"] == "PT0S"
    assert texts["MultipleInstancesPolicy"] == "IgnoreNew"
    assert texts["DisallowStartIfOnBatteries"] == "false"
    require_command(str(texts["Arguments"]).split(" "))


# --- the SSH server of a WSUS host ----------------------------------------------------------------

# What only Windows has, noted instead of done.
_WINDOWS = """
$global:done = @()
function Get-Service { 'sshd' }
function Set-Service { $global:done += "Set-Service $args" }
function Start-Service {
    $global:done += "Start-Service $args"
    $made = New-Item -ItemType Directory -Force -Path (Join-Path $env:ProgramData 'ssh')
    $folder = $made.FullName
    [IO.File]::WriteAllText("$folder/sshd_config", "Subsystem sftp sftp-server.exe`n")
    [IO.File]::WriteAllText("$folder/ssh_host_ed25519_key.pub", 'ssh-ed25519 AAAA')
}
function Restart-Service { $global:done += "Restart-Service $args" }
function Get-NetFirewallRule { 'OpenSSH-Server-In-TCP' }
function Set-NetFirewallRule { $global:done += "Set-NetFirewallRule $args" }
function icacls.exe { $global:LASTEXITCODE = 0; $global:done += "icacls $args" }
function ssh-keygen.exe { $global:done += "ssh-keygen $args" }
$env:ProgramData = '%s'
"""


def set_up_ssh(folder: Path, *, key: str, calls: str) -> subprocess.CompletedProcess[str]:
    """Run lines that call ``setup`` with a key file, on a machine that has Windows' commands."""
    (folder / "key.pub").write_text(key, encoding="utf-8")
    script = folder / "run.ps1"
    program = ROOT / "deploy" / "windows" / "ssh-server.ps1"
    setup = f"function setup {{ & '{program}' -PublicKey '{folder / 'key.pub'}' @args }}\n"
    script.write_text(_WINDOWS % folder + setup + calls + "\n$global:done\n", encoding="utf-8")
    command = [str(needs.path("pwsh")), "-NoProfile", "-NonInteractive", "-File", str(script)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@needs.pwsh
def test_a_windows_host_lets_in_one_key_from_one_address(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.mkdir()
    (ssh / "sshd_config").write_text("PasswordAuthentication yes\n", encoding="utf-8")
    keys = ssh / "administrators_authorized_keys"
    keys.write_text("ssh-ed25519 AAAAother other\nssh-ed25519 AAAAours older\n", encoding="utf-8")
    calls = "setup -Address 192.0.2.10\nsetup -Address 192.0.2.10"

    result = set_up_ssh(tmp_path, key="ssh-ed25519 AAAAours orchestrator\n", calls=calls)

    assert result.returncode == 0, result.stderr + result.stdout
    assert keys.read_text().splitlines() == [
        "ssh-ed25519 AAAAother other",
        'restrict,from="192.0.2.10" ssh-ed25519 AAAAours orchestrator',
    ]
    config = (ssh / "sshd_config").read_text().splitlines()
    assert config.index("PasswordAuthentication no") < config.index("PasswordAuthentication yes")
    assert config.count("PasswordAuthentication no") == 1
    assert "-RemoteAddress 192.0.2.10" in result.stdout
    assert "Restart-Service -Name sshd" in result.stdout


@needs.pwsh
def test_an_ssh_server_that_never_ran_is_restricted_and_then_started_once(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAours orchestrator\n"
    shown = set_up_ssh(tmp_path, key=key, calls="setup -Address ::1 -WhatIf")
    assert (shown.returncode, list(tmp_path.glob("ssh/*"))) == (0, []), shown.stderr

    result = set_up_ssh(tmp_path, key=key, calls="setup -Address 192.0.2.10")

    assert result.returncode == 0, result.stderr + result.stdout
    done = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert done.index("Set-NetFirewallRule") < done.index("Start-Service")
    assert "ssh-keygen" in done
    config = (tmp_path / "ssh" / "sshd_config").read_text().splitlines()
    assert config[-1] == "Subsystem sftp sftp-server.exe"
    assert "PasswordAuthentication no" in config


@needs.pwsh
def test_nothing_is_changed_with_what_if_or_a_key_that_is_none(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.mkdir()
    (ssh / "sshd_config").write_text("Port 22\n", encoding="utf-8")

    shown = set_up_ssh(tmp_path, key="ssh-ed25519 AAAAours\n", calls="setup -Address ::1 -WhatIf")
    refused = set_up_ssh(tmp_path, key="-----BEGIN\n", calls="setup -Address ::1")

    assert (shown.returncode, "What if" in shown.stdout) == (0, True), shown.stderr
    assert refused.returncode != 0
    assert "is no public key" in refused.stderr
    assert [path.name for path in ssh.iterdir()] == ["sshd_config"]
    assert (ssh / "sshd_config").read_text() == "Port 22\n"
