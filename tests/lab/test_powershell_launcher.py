"""A lab server's ``powershell`` is the engine, with the API in it and nothing else changed."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import lab
from deploy.lab.powershell import assembly, command_line, launcher
from tests.lab.scripts import powershell, run_admin_script
from tests.support import needs

_TYPE = "[Microsoft.UpdateServices.Administration.UpdateState]::Ready"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launcher") / "lab"
    lab.create(folder, updates=12, content_bytes=100_000)
    return folder


def text(outcome: subprocess.CompletedProcess[bytes]) -> str:
    return outcome.stdout.decode().strip()


# Both ways to bring the types: the start-up hook, and the one for Windows.
both_ways = pytest.mark.parametrize("way", [{}, {launcher.CHOICE: launcher.PREFIX}])


@needs.pwsh
@both_ways
def test_file_gets_its_parameters_its_own_place_and_the_current_directory(
    pair: Path, tmp_path: Path, way: dict[str, str]
) -> None:
    script = tmp_path / "with blank" / "asks.ps1"
    script.parent.mkdir()
    script.write_text(
        "param([string]$First, [switch]$Flag)\r\n"
        f"{_TYPE}\r\n"
        '"$First|$Flag|$args|$PSScriptRoot|$($MyInvocation.MyCommand.Name)|$(Get-Location)"\r\n'
        "exit 7\r\n"
    )
    arguments = ("-NoProfile", "-File", str(script), "-First", "a 'b'", "-Flag")
    outcome = powershell(pair, *arguments, cwd=tmp_path, environment=way)
    expected = f"Ready\na 'b'|True||{script.parent}|asks.ps1|{tmp_path}"
    assert (outcome.returncode, text(outcome)) == (7, expected)


@needs.pwsh
@both_ways
def test_exit_codes_are_those_of_the_engine(
    pair: Path, tmp_path: Path, way: dict[str, str]
) -> None:
    scripts = {"throw 'bad'": 1, "Write-Error bad": 0, "sh -c 'exit 3'": 0, "exit 9": 9}
    for number, (body, code) in enumerate(scripts.items()):
        script = tmp_path / f"{number}.ps1"
        script.write_text(body)
        outcome = powershell(pair, "-NoProfile", "-File", str(script), environment=way)
        assert outcome.returncode == code, body
    missing = str(tmp_path / "none.ps1")
    assert powershell(pair, "-NoProfile", "-File", missing, environment=way).returncode == 64
    command = ("-NoProfile", "-Command", "exit 3")
    assert powershell(pair, *command, environment=way).returncode == 3


@needs.pwsh
@both_ways
def test_commands_come_as_text_as_base64_through_a_pipe_and_without_an_option(
    pair: Path, way: dict[str, str]
) -> None:
    encoded = base64.b64encode(_TYPE.encode("utf-16-le")).decode()
    for arguments in (
        ("-Command", _TYPE),
        ("-EncodedCommand", encoded),
        ("-Command", "-"),
        ("-ExecutionPolicy", "Bypass", _TYPE),
    ):
        given = _TYPE.encode() if arguments[-1] == "-" else b""
        outcome = powershell(pair, "-NoProfile", *arguments, given=given, environment=way)
        assert text(outcome) == "Ready", arguments


@needs.pwsh
def test_input_and_errors_pass_through(pair: Path) -> None:
    command = "[Console]::In.ReadLine(); [Console]::Error.WriteLine('to the error stream')"
    outcome = powershell(pair, "-NoProfile", "-Command", command, given=b"a line\n")
    assert text(outcome) == "a line"
    assert outcome.stderr.decode().strip() == "to the error stream"


@needs.pwsh
def test_programs_that_a_script_starts_see_no_hook(pair: Path) -> None:
    outcome = powershell(pair, "-NoProfile", "-Command", "/usr/bin/env")
    assert "DOTNET_STARTUP_HOOKS" not in text(outcome)


def _processor_seconds(act: Callable[[], object]) -> float:
    """The processor time of the programs that an act starts, without that of other programs."""
    before = os.times()
    act()
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


@needs.pwsh
def test_starting_and_two_thousand_calls_are_quick(pair: Path) -> None:
    start = _processor_seconds(lambda: powershell(pair, "-NoProfile", "-Command", "1"))
    assert start < 1.2
    often = _processor_seconds(lambda: run_admin_script(pair, "call-often"))
    # Engine and rules take turns, so together they take of the processors what they take of time.
    assert often - start < 2.0


@needs.pwsh
def test_a_signal_ends_engine_and_launcher(pair: Path) -> None:
    process = subprocess.Popen(
        [str(pair / "staging" / "powershell"), "-NoProfile", "-Command", "'up'; Start-Sleep 60"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) != 0


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wsus-airgap-lab"


@needs.pwsh
def test_types_are_compiled_once_even_by_two_at_the_same_time(pair: Path, own_cache: Path) -> None:
    command = [str(pair / "staging" / "powershell"), "-NoProfile", "-Command", _TYPE]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0].strip() for process in started]
    assert answers == [b"Ready", b"Ready"]
    (folder,) = own_cache.iterdir()
    assert [path.name for path in folder.iterdir()] == [assembly.ASSEMBLY]
    first = (folder / assembly.ASSEMBLY).stat().st_mtime_ns
    assert text(powershell(pair, "-NoProfile", "-Command", _TYPE)) == "Ready"
    assert (folder / assembly.ASSEMBLY).stat().st_mtime_ns == first


@needs.pwsh
def test_without_a_cache_the_types_lie_with_the_server(pair: Path, own_cache: Path) -> None:
    own_cache.parent.mkdir()
    own_cache.touch()
    assert text(powershell(pair, "-NoProfile", "-Command", _TYPE)) == "Ready"
    assert list((pair / "staging" / "server").glob(f"types-*/{assembly.ASSEMBLY}"))


def test_the_stand_in_refuses_what_it_does_not_know(pair: Path, tmp_path: Path) -> None:
    script = tmp_path / "mine.ps1"
    script.write_text("1")
    stand_in = {"WSUS_LAB_POWERSHELL": "stand-in"}
    for arguments in (("-Command", "1"), ("-NoProfile", "-File", str(script)), ()):
        outcome = powershell(pair, *arguments, environment=stand_in)
        assert outcome.returncode == 1
        assert b"no PowerShell engine" in outcome.stderr
    missing = powershell(pair, "-File", str(tmp_path / "none.ps1"), environment=stand_in)
    assert missing.returncode == 64


def test_the_stand_in_answers_where_no_engine_is(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath if not Path("/bin/pwsh").exists() else str(tmp_path))
    monkeypatch.delenv("WSUS_LAB_POWERSHELL", raising=False)
    assert launcher.find_engine() is None
    assert b"no PowerShell engine" in powershell(pair, "-Command", "1").stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["-NoProfile", "Get-Date"], ["-NoProfile", "-Command", "Get-Date"]),
        (["-NoP", "-Ex", "Bypass", "1"], ["-NoP", "-Ex", "Bypass", "-Command", "1"]),
        (["-File", "x.ps1", "a"], ["-File", "x.ps1", "a"]),
        (["-OutputFormat", "Text", "-c", "1"], ["-OutputFormat", "Text", "-c", "1"]),
        (["-enc", "AAAA"], ["-enc", "AAAA"]),
        (["-"], ["-"]),
        ([], []),
    ],
)
def test_text_without_an_option_is_a_command_as_on_windows(
    given: list[str], expected: list[str]
) -> None:
    assert command_line.as_windows_takes_them(given) == expected
