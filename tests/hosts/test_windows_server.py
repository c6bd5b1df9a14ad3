r"""A server whose paths, shells and answers are those of Windows, from our side of the wire."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from tasks.errors import CommandFailedError, HostFileError
from tasks.hosts import ssh_files
from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import FileHash, Host
from tasks.hosts.paths import HostPath, Platform
from tasks.refusals import FolderUnsafeError
from tests.support.windows_sshd import WindowsServer, running_windows


@dataclass(frozen=True, slots=True)
class Windows:
    """A host, and the machine that it reaches."""

    host: Host
    machine: WindowsServer

    @property
    def work(self) -> HostPath:
        """A folder of ours there."""
        return self.host.path("C:\\ProgramData\\wsus-airgap")


@pytest.fixture(params=["cmd", "powershell"])
def windows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Windows]:
    """The server with either default shell."""
    identity = tmp_path / "identity"
    paramiko.ECDSAKey.generate().write_private_key_file(str(identity))
    with running_windows(tmp_path / "windows", request.param) as (machine, port, host_key):
        line = f"[127.0.0.1]:{port} {host_key.get_name()} {host_key.get_base64()}\n"
        (tmp_path / "known_hosts").write_text(line, encoding="ascii")
        host = open_host(
            HostAddress(
                f"ssh://svc-wsus@127.0.0.1:{port}",
                Platform.WINDOWS,
                identity_file=identity,
                known_hosts=tmp_path / "known_hosts",
            )
        )
        yield Windows(host, machine)
        host.close()


def test_arguments_arrive_through_shell_and_program(windows: Windows) -> None:
    odd = ["a b", "", '"', "%PATH%", "it's", "^&|<>", "C:\\dir with blank\\", "ä€", "(x)", "$x;`"]
    command = ["C:\\Program Files\\Update Services\\Tools\\utf16.exe", *odd]
    result = windows.host.run(command, timeout_seconds=30)
    assert windows.machine.commands == [command]
    assert result.stdout == "Größe\n"


def test_output_and_exit_code_come_back_readable(windows: Windows) -> None:
    assert windows.host.run(["oem.exe"], timeout_seconds=30).stdout == "Größe\n"
    failed = windows.host.run(["fails.exe"], timeout_seconds=30)
    assert (failed.exit_code, failed.stderr) == (3, "it failed\n")
    with pytest.raises(CommandFailedError):
        windows.host.run(["nothing.exe"], timeout_seconds=30)


def test_files_are_written_read_flushed_and_renamed(windows: Windows) -> None:
    windows.host.make_private_folder(windows.work)
    part, final = windows.work.joined("file.part"), windows.work.joined("file")
    assert windows.host.write(part, [b"x" * 100_000, b"y"]) == 100_001
    assert windows.host.flush_files([part]).ok == (part,)
    windows.host.flush_folders([windows.work])
    assert windows.host.rename([(part, final)]).ok
    assert b"".join(map(bytes, windows.host.read(final, offset=99_999))) == b"xy"
    assert windows.host.create(windows.work.joined("lock"), b"one")
    assert not windows.host.create(windows.work.joined("lock"), b"two")
    names = {entry.name: entry.kind for entry in windows.host.list_folder(windows.work)}
    assert names == {"file": "file", "lock": "file"}
    assert (windows.machine.disk / "ProgramData" / "wsus-airgap" / "file").is_file()
    windows.host.remove_tree(windows.work)
    assert windows.host.stat(windows.work) is None


def test_without_fsync_over_sftp_the_script_flushes_what_it_renames(windows: Windows) -> None:
    windows.machine.offers_fsync = False
    windows.host.make_private_folder(windows.work)
    part, final = windows.work.joined("mark.part"), windows.work.joined("mark")
    windows.host.write(part, [b"x"])
    assert windows.host.flush_files([part]).ok == (part,)
    assert windows.host.rename([(part, final)]).ok
    assert ["inherit", "False"] in windows.machine.commands


def test_a_virus_scanner_is_waited_out(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_files, "SHARING_DELAYS_SECONDS", (0.01, 0.01, 0.01))
    windows.host.make_private_folder(windows.work)
    source, target = windows.work.joined("a"), windows.work.joined("b")
    windows.host.write(source, [b"x"])
    windows.machine.refusals = 3
    assert windows.host.rename([(source, target)]).ok
    windows.machine.refusals = 4
    assert windows.host.rename([(target, source)]).failed


def test_placing_resets_permissions_by_a_script(windows: Windows) -> None:
    content = windows.host.path("C:\\WSUS\\WsusContent\\AB")
    windows.host.make_folder(content)
    windows.host.make_private_folder(windows.work)
    moves = [(windows.work.joined(f"{n}"), content.joined(f"{n}.cab")) for n in range(3)]
    for source, _ in moves:
        windows.host.write(source, [b"x"])
    gone = (windows.work.joined("none"), content.joined("none"))
    outcome = windows.host.rename([*moves, gone], inherit=True)
    assert outcome.ok == tuple(moves)
    assert [move for move, _ in outcome.failed] == [gone]
    assert ["inherit", "True"] in windows.machine.commands


def test_the_server_hashes_its_own_files_and_knows_its_room(windows: Windows) -> None:
    path = windows.host.path("C:\\file")
    windows.host.write(path, [b"abc"])
    answers = list(windows.host.hash_files([path, windows.host.path("C:\\none")]))
    sha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D"
    assert FileHash(path, 3, sha1) in answers
    assert [answer[0].name for answer in answers if not isinstance(answer, FileHash)] == ["none"]
    space = windows.host.space(windows.host.path("C:\\not\\yet"))
    assert (space.free_bytes, space.file_system) == (123_456_789, "NTFS")


def test_a_junction_is_followed_to_the_drive_that_the_content_is_on(windows: Windows) -> None:
    host = windows.host
    content = host.path("D:\\WSUS\\WsusContent")
    assert host.real_path(content) == host.path("E:\\Big\\WsusContent")
    assert host.volume_of(content) == host.volume_of(host.path("E:\\")) == "E:\\"
    assert host.volume_of(host.path("C:\\ProgramData")) == "C:\\"


def test_a_folder_that_is_open_to_others_is_refused(windows: Windows) -> None:
    with pytest.raises(FolderUnsafeError, match="S-1-1-0"):
        windows.host.make_private_folder(windows.host.path("C:\\ProgramData\\open"))


def test_a_link_is_not_followed(windows: Windows) -> None:
    target = windows.machine.disk / "target"
    target.mkdir()
    (windows.machine.disk / "junction").symlink_to(target)
    with pytest.raises(FolderUnsafeError):
        windows.host.write(windows.host.path("C:\\junction\\file"), [b"x"])
    windows.host.remove_tree(windows.host.path("C:\\junction"))
    assert target.is_dir()
    assert not (windows.machine.disk / "junction").exists()


def test_a_job_runs_once_and_is_polled(windows: Windows) -> None:
    job = windows.work.joined("jobs", "export")
    assert windows.host.poll_detached(job).state == "absent"
    command = ["C:\\Program Files\\WsusUtil.exe", "export", "C:\\a b.xml.gz"]
    windows.host.start_detached(command, job=job)
    windows.host.start_detached(command, job=job)
    status = windows.host.poll_detached(job)
    assert (status.state, status.exit_code, status.stdout) == ("exited", 3, "Größe\n")
    assert windows.machine.jobs == [command]


def test_a_running_and_a_lost_job_are_told_apart(windows: Windows) -> None:
    job = windows.work.joined("job")
    windows.host.start_detached(["endless.exe"], job=job)
    status = windows.host.poll_detached(job)
    assert (status.state, status.cpu_seconds) == ("running", 1.5)
    (windows.machine.real(job.text) / "running").unlink()
    assert windows.host.poll_detached(job).state == "lost"


def test_nothing_of_ours_stays_in_the_profile(windows: Windows) -> None:
    windows.host.make_private_folder(windows.work)
    profile = windows.machine.disk / "Users" / "svc-wsus"
    assert len(list(profile.iterdir())) == 1
    windows.host.close()
    assert list(profile.iterdir()) == []


def test_a_path_on_another_drive_is_not_there(windows: Windows) -> None:
    with pytest.raises(HostFileError):
        windows.host.write(windows.host.path("D:\\file"), [b"x"])


def test_a_temporary_folder_that_a_lost_connection_left_is_removed_after_a_week(
    windows: Windows,
) -> None:
    profile = windows.machine.disk / "Users" / "svc-wsus"
    ours = [f".wsus-airgap-{letter * 16}" for letter in "ab"]
    for name in (*ours, "Documents", ".wsus-airgap-mine"):
        (profile / name / "000001").mkdir(parents=True)
        (profile / name / "000001" / "input.jsonl").write_text("{}")
    for name in (ours[0], "Documents", ".wsus-airgap-mine"):
        os.utime(profile / name, times=(0, time.time() - 8 * 86_400))
    windows.host.request_folder()
    left = {path.name for path in profile.iterdir()}
    assert ours[0] not in left
    assert {ours[1], "Documents", ".wsus-airgap-mine"} < left
