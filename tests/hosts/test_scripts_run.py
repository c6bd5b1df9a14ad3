"""Running scripts: installed or brought, torn answers, reruns, and the real engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tasks.errors import (
    PathMissingError,
    ScriptDigestError,
    ScriptFailedError,
    TimeLimitError,
)
from tasks.hosts import script_run
from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import FileHash, Host, Json
from tasks.hosts.local import LocalHost
from tasks.hosts.script_run import ScriptFiles, ScriptSetup
from tasks.scripts import load_script
from tests.hosts.conftest import INTERPRETER, made_up, ssh_address, wait_for
from tests.support import needs
from tests.support.sshd import Sshd

DEEP = '{"a":' + "[" * 100_000 + "]" * 100_000 + '}\n{"kind": "end"}\n'
REPOSITORY = Path(__file__).parents[2]
RUNNER = """
import sys
from tasks.hosts.local import LocalHost
from tasks.hosts.script_run import ScriptSetup
from tests.hosts.conftest import INTERPRETER, made_up
host = LocalHost(ScriptSetup(INTERPRETER))
folder = host.path(sys.argv[1])
list(host.run_script(made_up("slow"), [{"seconds": 1.5}], folder=folder, timeout_seconds=60))
"""


@pytest.fixture
def host() -> Host:
    """This machine with the tests' own interpreter."""
    return LocalHost(ScriptSetup(INTERPRETER))


def run(
    host: Host, name: str, request: list[Json], folder: Path, *, limit: float = 30
) -> list[Json]:
    """Run a made-up script and read all of its answer."""
    where = host.path(str(folder))
    return list(host.run_script(made_up(name), request, folder=where, timeout_seconds=limit))


def test_another_exit_code_is_a_failure_whatever_the_answer_says(
    host: Host, tmp_path: Path
) -> None:
    with pytest.raises(ScriptFailedError) as caught:
        run(host, "fail", [], tmp_path)
    assert "exit code 5" in caught.value.message
    assert "it went wrong" in caught.value.message


def test_a_script_has_run_when_the_call_returns_even_if_nobody_reads(
    host: Host, tmp_path: Path
) -> None:
    folder = host.path(str(tmp_path))
    host.run_script(made_up("echo"), [], folder=folder, timeout_seconds=30)
    assert (tmp_path / "echo.out.jsonl").exists()


def test_an_appending_script_finds_what_an_earlier_run_wrote(host: Host, tmp_path: Path) -> None:
    assert run(host, "append", [{"n": 1}], tmp_path)[-1] == {"kind": "end", "found": 0}
    answer = run(host, "append", [{"n": 1}, {"n": 2}], tmp_path)
    assert answer == [
        {"n": 1}, {"kind": "end", "found": 0}, {"n": 2}, {"kind": "end", "found": 2}
    ]  # fmt: skip


def test_half_a_line_of_a_killed_run_is_taken_away(host: Host, tmp_path: Path) -> None:
    output = tmp_path / "append.out.jsonl"
    output.write_text('{"n": 1}\n{"n": 2', encoding="utf-8")
    answer = run(host, "append", [{"n": 1}, {"n": 2}], tmp_path)
    assert answer == [{"n": 1}, {"n": 2}, {"kind": "end", "found": 1}]
    assert all(json.loads(line) for line in output.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    "answer", ["", "{}\n", '{"kind": "end"', "[1]\n", "no json\n", "\xff\n", DEEP]
)
def test_what_is_no_answer_is_not_taken_for_one(host: Host, tmp_path: Path, answer: str) -> None:
    stub = tmp_path / "stub"
    stub.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\n"
        f"pathlib.Path(sys.argv[-1]).write_bytes({answer.encode('latin-1')!r})\n",
        encoding="utf-8",
    )
    stub.chmod(0o755)
    odd = LocalHost(ScriptSetup((str(stub),)))
    with pytest.raises(ScriptFailedError):
        run(odd, "echo", [], tmp_path)


def test_a_line_that_does_not_end_is_read_no_further(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script_run, "_LINE_LIMIT_BYTES", 1_000)
    with pytest.raises(ScriptFailedError, match="half a line"):
        run(host, "echo", [{"long": "x" * 5_000_000}], tmp_path)


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_is_no_answer_and_is_not_in_the_way_of_the_next(
    host: Host, tmp_path: Path, kind: str
) -> None:
    where = host.path(str(tmp_path))
    output = tmp_path / "append.out.jsonl"
    output.mkdir() if kind == "folder" else output.symlink_to(tmp_path / "elsewhere")
    files = ScriptFiles.of(made_up("append"), where)
    with pytest.raises(ScriptFailedError, match="no answer"):
        list(script_run.read_answer(host, made_up("append"), files, ""))
    assert run(host, "append", [{"n": 1}], tmp_path) == [{"n": 1}, {"kind": "end", "found": 0}]
    assert not (tmp_path / "elsewhere").exists()


def test_an_interpreter_that_is_not_there_is_a_failed_script(tmp_path: Path) -> None:
    with pytest.raises(ScriptFailedError, match="127"):
        run(LocalHost(ScriptSetup(("/no/such/powershell",))), "echo", [], tmp_path)


def test_a_script_at_its_limit_goes_on_and_the_next_run_waits_for_it(
    host: Host, tmp_path: Path
) -> None:
    with pytest.raises(TimeLimitError):
        run(host, "slow", [{"seconds": 1.0}], tmp_path, limit=0.3)
    run(host, "slow", [{"seconds": 0.0}], tmp_path)
    runs = (tmp_path / "slow.out.jsonl.runs").read_text(encoding="utf-8").split()
    assert runs == ["begin", "end", "begin", "end"]


def test_a_rerun_after_a_kill_never_works_beside_the_first_run(host: Host, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as first:
        wait_for((tmp_path / "slow.out.jsonl.runs").exists)
        first.send_signal(signal.SIGKILL)
    run(host, "slow", [{"seconds": 0.0}], tmp_path)
    runs = (tmp_path / "slow.out.jsonl.runs").read_text(encoding="utf-8").split()
    assert runs == ["begin", "end", "begin", "end"]


def test_scripts_in_folders_of_their_own_run_side_by_side(host: Host, tmp_path: Path) -> None:
    def work(number: int) -> None:
        folder = tmp_path / f"{number}"
        folder.mkdir()
        assert run(host, "echo", [{"n": number}], folder)[0] == {"n": number}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.glob("*/echo.out.jsonl"))) == 4


def test_installed_scripts_are_compared_not_brought(tmp_path: Path) -> None:
    scripts, folder = tmp_path / "scripts", tmp_path / "run"
    scripts.mkdir()
    folder.mkdir()
    host = open_host(HostAddress("local", powershell=INTERPRETER, scripts_dir=str(scripts)))
    with pytest.raises(PathMissingError):
        run(host, "echo", [], folder)
    (scripts / "echo.ps1").write_bytes(made_up("echo").content)
    assert run(host, "echo", [], folder) == [{"kind": "end", "count": 0}]
    assert not (folder / "echo.ps1").exists()
    (scripts / "echo.ps1").write_bytes(made_up("echo").content + b" ")
    with pytest.raises(ScriptDigestError) as caught:
        run(host, "echo", [], folder)
    assert caught.value.facts["expected"] == made_up("echo").sha256


def _hash_with_engine(host: Host, folder: Path) -> None:
    names = ["plain", "with blank", "ümlaut", "日本"]
    for name in names:
        (folder / name).write_bytes(name.encode() * 1_000)
    paths = [host.path(str(folder / name)) for name in [*names, "none"]]
    answers = list(host.hash_files(paths))
    hashes = {answer.path.name for answer in answers if isinstance(answer, FileHash)}
    assert hashes == set(names)
    assert len(answers) == 5
    lines = host.run_script(
        load_script("hash-files"),
        [{"kind": "settings"}, *({"path": path.text} for path in paths)],
        folder=host.path(str(folder)),
        timeout_seconds=60,
    )
    assert [line["kind"] for line in lines] == ["file"] * 5 + ["end"]


@needs.pwsh
def test_the_real_engine_runs_our_script_on_this_machine(tmp_path: Path) -> None:
    _hash_with_engine(LocalHost(ScriptSetup(("pwsh",))), tmp_path)


@needs.pwsh
@needs.sshd
def test_the_real_engine_runs_our_script_over_ssh(sshd: Sshd, tmp_path: Path) -> None:
    address = ssh_address(sshd)
    host = open_host(
        HostAddress(
            address.address,
            identity_file=address.identity_file,
            known_hosts=address.known_hosts,
            powershell=("pwsh",),
        )
    )
    _hash_with_engine(host, tmp_path)
    host.close()
