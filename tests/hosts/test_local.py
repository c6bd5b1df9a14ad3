"""What only this machine can show: killed processes, full disks, permissions."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tasks.errors import CommandFailedError, DiskFullError, HostFileError, TimeLimitError
from tasks.hosts import local_durable, os_errors
from tasks.hosts.local import LocalHost
from tasks.refusals import FolderUnsafeError
from tests.hosts.conftest import shell, wait_for
from tests.support import needs

REPOSITORY = Path(__file__).parents[2]
STARTER = """
import sys, time
from tasks.hosts.local import LocalHost
host = LocalHost()
host.start_detached(sys.argv[2:], job=host.path(sys.argv[1]))
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def host() -> LocalHost:
    """This machine."""
    return LocalHost()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


# --- detached programs ---------------------------------------------------------------------------


def test_a_job_survives_the_kill_of_who_started_it_and_is_found_again(
    host: LocalHost, tmp_path: Path
) -> None:
    job, go = host.path(str(tmp_path / "job")), tmp_path / "go"
    program = 'until [ -e "$1" ]; do sleep 0.05; done; echo done; exit 4'
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, job.text, *shell(program), "x", str(go)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        os.killpg(starter.pid, signal.SIGKILL)
    assert host.poll_detached(job).state == "running"
    host.start_detached(["false"], job=job)
    go.touch()
    wait_for(lambda: host.poll_detached(job).state == "exited")
    status = host.poll_detached(job)
    assert (status.exit_code, status.stdout) == (4, "done\n")


def test_a_job_whose_supervisor_was_killed_runs_while_its_program_does_and_is_lost_then(
    host: LocalHost, tmp_path: Path
) -> None:
    job = host.path(str(tmp_path / "job"))
    host.start_detached(shell("sleep 100"), job=job)
    supervisor = psutil.Process(int((tmp_path / "job" / "started").read_text().split()[0]))
    wait_for(lambda: any(c.name() == "sleep" for c in supervisor.children(recursive=True)))
    children = supervisor.children(recursive=True)
    supervisor.kill()
    wait_for(lambda: not psutil.pid_exists(supervisor.pid))
    assert host.poll_detached(job).state == "running"
    for child in children:
        child.kill()
    wait_for(lambda: host.poll_detached(job).state == "lost")
    host.start_detached(["true"], job=job)
    assert host.poll_detached(job).state == "lost"


def test_a_job_of_an_earlier_boot_or_another_process_is_lost(
    host: LocalHost, tmp_path: Path
) -> None:
    job = tmp_path / "job"
    job.mkdir()
    pid, session, start, boot = _identity_of_a_live_job(host, tmp_path)
    for text in (f"{pid} {session} {start} other", f"{pid} {session} 1 {boot}", "", "junk"):
        (job / "started").write_text(text + "\n", encoding="ascii")
        assert host.poll_detached(host.path(str(job))).state == "lost"


def _identity_of_a_live_job(host: LocalHost, tmp_path: Path) -> list[str]:
    host.start_detached(["sleep", "3"], job=host.path(str(tmp_path / "live")))
    return (tmp_path / "live" / "started").read_text(encoding="ascii").split()


def test_the_processor_time_of_a_job_counts_what_its_children_use(
    host: LocalHost, tmp_path: Path
) -> None:
    job = host.path(str(tmp_path / "job"))
    busy = f"{sys.executable} -c 'while True: pass'"
    host.start_detached(shell(f"{busy} & sleep 100"), job=job)
    wait_for(lambda: (host.poll_detached(job).cpu_seconds or 0.0) > 0.2)
    supervisor = psutil.Process(int((tmp_path / "job" / "started").read_text().split()[0]))
    for process in [*supervisor.children(recursive=True), supervisor]:
        process.kill()


def test_a_program_that_cannot_start_ends_its_job(host: LocalHost, tmp_path: Path) -> None:
    job = host.path(str(tmp_path / "job"))
    host.start_detached(["/no/such/program"], job=job)
    wait_for(lambda: host.poll_detached(job).state == "exited")
    assert host.poll_detached(job).exit_code == 127


def test_a_job_folder_that_cannot_be_marked_is_an_error(host: LocalHost, tmp_path: Path) -> None:
    job = tmp_path / "job"
    (job / "started").mkdir(parents=True)
    (job / "started" / "x").touch()
    host.start_detached(["true"], job=host.path(str(job)))  # found: somebody's mark
    (tmp_path / "file").touch()
    with pytest.raises(HostFileError):
        host.start_detached(["true"], job=host.path(str(tmp_path / "file" / "job")))


def test_a_program_at_its_limit_is_left_alone(host: LocalHost, tmp_path: Path) -> None:
    command = [*shell('sleep 0.5; echo x; echo y >&2; echo end >"$1"'), "x", str(tmp_path / "m")]
    began = time.monotonic()
    with pytest.raises(TimeLimitError):
        host.run(command, timeout_seconds=0.1)
    assert time.monotonic() - began < 0.5
    wait_for((tmp_path / "m").exists)


def test_what_is_no_program_is_said(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program", encoding="ascii")
    for command in ([str(tmp_path / "text")], ["x\0y"]):
        with pytest.raises(CommandFailedError) as caught:
            host.run(command, timeout_seconds=5)
        assert "Errno" not in caught.value.message
        assert caught.value.message.count(str(tmp_path)) == command[0].count(str(tmp_path))


# --- disks ---------------------------------------------------------------------------------------


@needs.root
def test_a_full_disk_is_said_by_every_call_that_writes(host: LocalHost, small_disk: Path) -> None:
    root = host.path(str(small_disk))
    with pytest.raises(DiskFullError):
        host.write(root.joined("large"), (bytes(100_000) for _ in range(30)))
    found = host.stat(root.joined("large"))
    assert found is not None
    assert found.size_bytes > 800_000
    with pytest.raises(DiskFullError):
        host.create(root.joined("lock"), bytes(5_000))
    assert [entry.name for entry in host.list_folder(root)] == ["large"]
    assert host.space(root).file_system == "tmpfs"
    host.remove([root.joined("large")])
    assert host.create(root.joined("lock"), bytes(5_000))


def test_a_file_system_without_links_still_creates_once(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "no links on FAT")

    monkeypatch.setattr(os, "link", refuse)
    root = host.path(str(tmp_path))
    assert host.create(root.joined("one"), b"1")
    assert not host.create(root.joined("one"), b"2")
    monkeypatch.setattr(local_durable, "_libc", lambda: None)
    assert host.create(root.joined("two"), b"1")
    assert not host.create(root.joined("two"), b"2")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "one": b"1",
        "two": b"1",
    }


def test_a_volume_that_cannot_be_flushed_as_a_whole_is_flushed_file_by_file(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int) -> bool:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(local_durable, "_sync_volume", refuse)
    paths = [host.path(str(tmp_path / f"{number}")) for number in range(20)]
    for path in paths:
        host.write(path, [b"x"])
    assert host.flush_files(paths).ok == tuple(paths)


# --- permissions ---------------------------------------------------------------------------------


def test_a_private_folder_and_its_new_parents_are_for_us_only(
    host: LocalHost, tmp_path: Path
) -> None:
    host.make_private_folder(host.path(str(tmp_path / "a" / "b")))
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o700, 0o700]


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_is_open_to_others_is_refused(
    host: LocalHost, tmp_path: Path, mode: int
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    with pytest.raises(FolderUnsafeError, match=f"{mode:04o}"):
        host.make_private_folder(host.path(str(tmp_path / "open")))


@needs.root
def test_a_folder_of_somebody_else_is_refused(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(FolderUnsafeError, match="12345"):
        host.make_private_folder(host.path(str(tmp_path / "theirs")))


def test_a_placed_file_takes_the_permissions_of_its_folder(host: LocalHost, tmp_path: Path) -> None:
    for name, mode in (("intake", 0o700), ("content", 0o755)):
        (tmp_path / name).mkdir(mode=mode)
    source = host.path(str(tmp_path / "intake" / "file"))
    host.write(source, [b"x"])
    (tmp_path / "intake" / "file").chmod(0o600)
    host.rename([(source, host.path(str(tmp_path / "content" / "file")))], inherit=True)
    assert (tmp_path / "content" / "file").stat().st_mode & 0o777 == 0o644


def test_pipes_and_devices_are_neither_opened_nor_waited_for(
    host: LocalHost, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = host.path(str(tmp_path / "pipe"))
    assert host.list_folder(host.path(str(tmp_path)))[0].kind == "other"
    with pytest.raises(HostFileError):
        next(host.read(pipe))
    with pytest.raises(HostFileError):
        host.write(pipe, [b"x"])
    with pytest.raises(HostFileError):
        host.write(host.path("/dev/null"), [b"x"])
    assert not host.remove([pipe]).failed


# --- sharing violations --------------------------------------------------------------------------


class _ViolationError(OSError):
    """An error as Windows raises it."""

    def __init__(self, code: int) -> None:
        super().__init__(errno.EACCES, "in use")
        self.winerror = code


def test_a_sharing_violation_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os_errors, "SHARING_DELAYS_SECONDS", (0.0, 0.0, 0.0))
    answers: list[OSError | str] = [
        _ViolationError(32),
        _ViolationError(33),
        _ViolationError(5),
        "done",
    ]

    def action() -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert os_errors.retry_sharing(action) == "done"


@pytest.mark.parametrize("code", [2, 32])
def test_what_does_not_pass_comes_out(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(os_errors, "SHARING_DELAYS_SECONDS", (0.0, 0.0))
    tries = []

    def action() -> None:
        tries.append(1)
        raise _ViolationError(code)

    with pytest.raises(OSError, match="in use"):
        os_errors.retry_sharing(action)
    assert len(tries) == (3 if code == 32 else 1)


_WRITE_BEYOND_THE_LIMIT = """
import resource, sys
from tasks.hosts.local import LocalHost
host = LocalHost()
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
print(host.write(host.path(sys.argv[1]), [b"x" * 600, b"y" * 600]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_chunk_that_the_system_took_in_part_is_not_taken_for_written(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _WRITE_BEYOND_THE_LIMIT, str(tmp_path / "file")]
    written = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert written.returncode == 1
    assert "HostFileError" in written.stderr
