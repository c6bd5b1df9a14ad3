"""Running scripts: installed or brought, torn answers, reruns, and the real engine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.errors import PathMissingError, ScriptFailedError, TimeLimitError
from tasks.hosts import script_run
from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import FileHash, Host, Json
from tasks.hosts.local import LocalHost
from tasks.hosts.script_run import ScriptFiles, ScriptSetup, provide_script
from tasks.hosts.waiting import Pace
from tasks.refusals import ScriptDigestError
from tasks.scripts import AnswerLimits, load_script
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


def test_a_name_that_is_nearly_a_jobs_is_passed_over(host: Host, tmp_path: Path) -> None:
    for name in ("echo.job-²", "echo.job-", "echo.job-x"):
        (tmp_path / name).mkdir()
    assert run(host, "echo", [{"n": 1}], tmp_path)[0] == {"n": 1}
    assert (tmp_path / "echo.job-001").is_dir()


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


def run_within(host: Host, limits: AnswerLimits, request: list[Json], folder: Path) -> list[Json]:
    """Run the script that answers with its request, and read only so much of it."""
    script = replace(made_up("echo"), limits=limits)
    where = host.path(str(folder))
    return list(host.run_script(script, request, folder=where, timeout_seconds=30))


def test_a_line_that_does_not_end_is_read_no_further(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ScriptFailedError, match="half a line"):
        run_within(host, AnswerLimits(line_bytes=1_000), [{"long": "x" * 5_000_000}], tmp_path)


def test_an_answer_with_more_lines_than_were_asked_for_is_refused(
    host: Host, tmp_path: Path
) -> None:
    limits = AnswerLimits(own_lines=1, lines_each=1)
    assert len(run_within(host, limits, [{}, {}], tmp_path)) == 3
    with pytest.raises(ScriptFailedError, match="too large: 1 lines or more, at most 0"):
        run_within(host, AnswerLimits(own_lines=0, lines_each=0), [{}], tmp_path)


HUGE = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from tasks.errors import ScriptFailedError
from tasks.hosts.local import LocalHost
from tasks.hosts.script_run import ScriptFiles, read_answer
from tasks.hosts.waiting import Pace
from tasks.scripts import AnswerLimits, load_script
host, script = LocalHost(), load_script("read-approvals")
files = ScriptFiles.of(script, host.path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_AS, (350 * 2**20, 350 * 2**20))
try:
    for line in read_answer(host, script, files, ""):
        pass
except ScriptFailedError as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    ("lines", "sparse_bytes", "reason"),
    [(1, 2**30, "1,073,741,8.. bytes"), (800_000, 0, "700,001 lines")],
    ids=["a gigabyte", "hundreds of thousands of groups"],
)
def test_an_answer_that_is_too_large_costs_nothing_and_is_refused_by_name(
    tmp_path: Path, lines: int, sparse_bytes: int, reason: str
) -> None:
    with (tmp_path / "read-approvals.out.jsonl").open("wb") as stream:
        for first in range(0, lines, 10_000):
            some = range(first, min(lines, first + 10_000))
            stream.writelines(b'{"kind":"group","id":"%036d"}\n' % number for number in some)
        stream.truncate(stream.tell() + sparse_bytes)
    command = [sys.executable, "-c", HUGE, str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(f"read-approvals .*its answer is too large: {reason} or more", ended.stdout)


def test_an_answer_that_was_too_large_is_not_in_the_way_of_the_next(
    host: Host, tmp_path: Path
) -> None:
    limits = AnswerLimits(size_bytes=1_000)
    (tmp_path / "append.out.jsonl").write_bytes(b"{}\n" * 1_000)
    script = replace(made_up("append"), limits=limits)
    where = host.path(str(tmp_path))
    lines = list(host.run_script(script, [{"n": 1}], folder=where, timeout_seconds=30))
    assert lines == [{"n": 1}, {"kind": "end", "found": 0}]


def test_a_script_that_takes_long_is_reported_with_how_far_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    patient = LocalHost(ScriptSetup(INTERPRETER, pace=Pace(0.01, 0.05, report_every_seconds=0.2)))
    run(patient, "steady", [{"lines": 12}], tmp_path)
    lines = [record.getMessage() for record in caplog.records]
    assert 2 <= len(lines) <= 7
    assert "still waiting for script steady, for 0 min 0" in lines[0]
    answered = [int(re.findall(r"\((\d+) bytes of its answer so far\)", line)[0]) for line in lines]
    assert answered == sorted(set(answered)), "it does not show how far the script is"


def test_an_exit_code_of_many_digits_is_none(tmp_path: Path) -> None:
    host = LocalHost()
    job = host.path(str(tmp_path))
    (tmp_path / "started").write_text("1 1 1 1")
    (tmp_path / "exit-code").write_text("1" * 10_000_000)
    assert host.poll_detached(job).state == "lost"


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


_BLOCK = (
    b"\r\n# SIG # Begin signature block\r\n# MIIFlAYJKoZIhvcNAQcCoIIFhTCCBYEC\r\n"
    b"# AQE+/w==\r\n# SIG # End signature block\r\n"
)


@pytest.mark.parametrize(
    ("appended", "is_ours"),
    [
        (_BLOCK, True),
        (_BLOCK.replace(b"\r\n", b"\n"), True),
        (_BLOCK + b"Get-Process", False),
        (_BLOCK.replace(b"# AQE", b"AQE"), False),
        (_BLOCK.replace(b"# AQE", b"# \rAQE"), False),
        (b"\nGet-Process" + _BLOCK, False),
    ],
)
def test_an_installed_script_may_be_signed_and_nothing_else_may_be_added(
    tmp_path: Path, appended: bytes, *, is_ours: bool
) -> None:
    host, script = LocalHost(), made_up("echo")
    setup = ScriptSetup(("pwsh",), host.path(str(tmp_path)))
    (tmp_path / script.file_name).write_bytes(script.content + appended)
    refused = nullcontext() if is_ours else pytest.raises(ScriptDigestError)
    with refused:
        path = provide_script(host, setup, script, host.path(str(tmp_path / "run")))
        assert path.text == str(tmp_path / script.file_name)


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
