"""The WSUS cmdlets, and the commands of Windows itself that scripts use."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import lab
from deploy.lab.rules import windows
from tests.lab.scripts import run_admin_script
from tests.support import needs


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    lab.create(folder, updates=60, content_bytes=400_000)
    return folder


@needs.pwsh
def test_cmdlets_find_approve_and_decline(pair: Path) -> None:
    assert run_admin_script(pair, "use-cmdlets") == [
        "wsus-staging",
        "8530",
        "True",
        "Microsoft.UpdateServices.Internal.BaseApi.Update",
        "Install",
        "Declined",
        "0",
        "0",
        "1",
        "0",
        "1",
        "0",
        "0",
        "The computer group no such group could not be found.",
        "Windows 11",
        "upstream",
        "no computer",
        "ArgumentNullException",
        "InvalidOperationException",
        "1",
    ]


@needs.pwsh
def test_clean_up_declines_and_frees_and_leaves_what_is_needed(pair: Path) -> None:
    nothing = "Obsolete Updates Declined:0"
    assert run_admin_script(pair, "clean-up") == [nothing, "True", "True", "True", "0", "0 0 0"]


@needs.pwsh
def test_the_service_stops_and_starts_and_disks_are_ntfs(pair: Path) -> None:
    assert run_admin_script(pair, "use-windows") == [
        "Running WsusService WSUS Service",
        "Stopped",
        "Running",
        "Running",
        "Stopped",
        "Running",
        "0",
        "Cannot find any service with service name 'NoSuchService'.",
        "Running",
        "NTFS True True",
        "Invalid class: the simulated server has no Win32_Nothing.",
    ]


@needs.pwsh
def test_faults_keep_the_service_down_and_the_disk_full(pair: Path) -> None:
    for fault in ("service-down", "disk-full"):
        lab.set_fault(pair, "staging", fault, on=True)
    assert run_admin_script(pair, "use-faulty-windows") == [
        "Stopped",
        "Failed to start service 'WSUS Service (WsusService)'.",
        "Stopped",
        "0",
    ]


@needs.pwsh
def test_scripts_find_the_computer_and_the_assembly_where_windows_has_them(pair: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has its own places")
    *paths, health, code = run_admin_script(pair, "use-places")
    assert paths == ["wsus-staging", "8530", "3"]
    assert (health.startswith("Done."), code) == (True, "0")


@needs.pwsh
def test_a_found_update_says_what_replaces_it_or_none(pair: Path) -> None:
    assert run_admin_script(pair, "find-superseded") == [
        "True True True",
        "True True",
        "False",
        "None False",
    ]


@needs.pwsh
def test_a_process_made_through_cim_outlives_the_script(pair: Path, tmp_path: Path) -> None:
    mark = tmp_path / "the mark"
    lines = run_admin_script(pair, "start-process", "-Python", sys.executable, "-Mark", str(mark))
    assert lines == ["0 True", "9"]
    limit = time.monotonic() + 20
    while not mark.exists() or mark.read_text() != "two words":
        assert time.monotonic() < limit
        time.sleep(0.05)


@given(st.lists(st.text(alphabet='ab \t"\\', max_size=8), min_size=1))
def test_a_command_line_comes_apart_as_windows_put_it_together(arguments: list[str]) -> None:
    assert windows.split_command_line(subprocess.list2cmdline(arguments)) == arguments


@needs.pwsh
def test_the_commands_of_an_administrators_hand_show_what_was_set(pair: Path) -> None:
    for knob in ("endpoint-fe2", "name-unresolved", "strong-cryptography-off"):
        lab.set_fault(pair, "staging", knob, on=True)
    lines = run_admin_script(pair, "seed-commands")
    settings, port, names, endpoint, proxy, newest, events, classic, setup, *rest = lines
    repaired, services = rest
    assert settings == (
        "True|False|https://fe2.update.microsoft.com/v6|4000||8530|False|False||80|True|False"
        "|False||443"
    )
    assert (port, names, endpoint) == ("False", "1", "not resolved")
    assert "Direct access" in proxy
    assert newest.startswith("Failed Uss")
    assert events == classic == "386 10022"
    assert setup == "True True"
    assert repaired == "https://sws.update.microsoft.com 4002 1"
    assert services == "Running Running"
