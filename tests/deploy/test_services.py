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
