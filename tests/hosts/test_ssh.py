"""SSH in bad weather: keys that are not pinned, lines that break, servers that go away."""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from paramiko.common import cMSG_CHANNEL_EOF
from paramiko.message import Message

from tasks.errors import (
    CommandFailedError,
    ConnectionLostError,
    PathMissingError,
    TimeLimitError,
    UsageError,
)
from tasks.hosts import ssh_connection, ssh_login
from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import Host
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_address import parse_ssh_address
from tasks.hosts.ssh_connection import MOST_CHANNELS, SshConnection
from tasks.hosts.ssh_login import SshAccess
from tasks.hosts.ssh_sftp import Limits, SftpChannel
from tasks.hosts.waiting import Patience
from tasks.refusals import HostKeyError
from tests.hosts.conftest import made_up, shell, ssh_address, wait_for
from tests.support import needs
from tests.support.sshd import Sshd, running_sshd

pytestmark = needs.sshd


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server that the test may restart."""
    with running_sshd(tmp_path / "sshd") as server:
        yield server


# Few tries, for tests in which none can succeed.
IMPATIENT = Patience(retry_delays_seconds=(0.05, 0.05))


@contextmanager
def cutting(sshd: Sshd, mark: Path, *, pause_seconds: float = 0.0) -> Iterator[None]:
    """Cut all connections once a file is there, while the block runs."""

    def cut() -> None:
        wait_for(mark.exists)
        time.sleep(pause_seconds)
        sshd.drop_connections()

    thread = threading.Thread(target=cut)
    thread.start()
    yield
    thread.join()


def _refusal(address: HostAddress) -> HostKeyError:
    host = open_host(address)
    with pytest.raises(HostKeyError) as caught:
        host.stat(host.path("/"))
    host.close()
    return caught.value


# --- keys ----------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_refused_with_the_line_that_pins_it(own_sshd: Sshd) -> None:
    own_sshd.known_hosts.write_text("# nobody\nother.example ssh-ed25519 AAAA\n", encoding="ascii")
    refusal = _refusal(ssh_address(own_sshd))
    assert own_sshd.host_key_line in refusal.next_step
    assert "ssh-ed25519 SHA256:" in refusal.message
    own_sshd.known_hosts.write_text(str(refusal.facts["line"]), encoding="ascii")
    host = open_host(ssh_address(own_sshd))
    assert host.stat(host.path("/")) is not None
    host.close()


def test_a_file_of_pinned_keys_that_is_not_there_pins_nothing(own_sshd: Sshd) -> None:
    own_sshd.known_hosts.unlink()
    assert _refusal(ssh_address(own_sshd)).facts["expected"] == "none for it"


def test_a_changed_host_key_is_refused_and_both_fingerprints_are_shown(own_sshd: Sshd) -> None:
    host = open_host(ssh_address(own_sshd))
    assert host.run(["true"], timeout_seconds=30).exit_code == 0
    old_line = own_sshd.host_key_line
    own_sshd.stop()
    own_sshd.new_host_key()
    own_sshd.start()
    with pytest.raises(HostKeyError) as caught:
        host.stat(host.path("/"))
    host.close()
    facts = caught.value.facts
    assert str(facts["found"]) != str(facts["expected"])
    assert str(facts["expected"]).startswith("ssh-ed25519 SHA256:")
    assert facts["line"] == own_sshd.host_key_line != old_line


def test_a_revoked_host_key_is_refused_although_it_is_pinned(own_sshd: Sshd) -> None:
    line = own_sshd.host_key_line
    own_sshd.known_hosts.write_text(f"{line}\n@revoked {line}\n", encoding="ascii")
    assert str(_refusal(ssh_address(own_sshd)).facts["found"]).endswith(" (revoked)")


def test_a_hashed_name_and_a_second_key_are_understood(own_sshd: Sshd) -> None:
    other = own_sshd.host_key_line.replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAJ")
    own_sshd.known_hosts.write_text(f"{other}\n{own_sshd.host_key_line}\n", encoding="ascii")
    keygen = str(needs.find("ssh-keygen"))
    command = [keygen, "-q", "-H", "-f", str(own_sshd.known_hosts)]
    subprocess.run(command, check=True, capture_output=True)
    assert own_sshd.known_hosts.read_text(encoding="ascii").startswith("|1|")
    host = open_host(ssh_address(own_sshd))
    assert host.stat(host.path("/")) is not None
    host.close()


def test_a_user_key_that_the_server_does_not_know_is_said_at_once(own_sshd: Sshd) -> None:
    (own_sshd.folder / "authorized_keys").write_text("", encoding="ascii")
    host = open_host(ssh_address(own_sshd))
    with pytest.raises(ConnectionLostError, match="the server refuses user"):
        host.stat(host.path("/"))


def test_a_missing_identity_file_is_a_usage_error(sshd: Sshd, tmp_path: Path) -> None:
    address = HostAddress(
        sshd.address, identity_file=tmp_path / "none", known_hosts=sshd.known_hosts
    )
    host = open_host(address)
    with pytest.raises(PathMissingError):
        host.stat(host.path("/"))


def test_without_an_agent_and_identity_file_nobody_is_let_in(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    host = open_host(HostAddress(sshd.address, known_hosts=sshd.known_hosts))
    with pytest.raises(ConnectionLostError, match="agent"):
        host.stat(host.path("/"))


# --- lines that break ----------------------------------------------------------------------------


def test_reading_goes_on_where_the_connection_broke(
    sshd: Sshd, ssh_host: Host, tmp_path: Path
) -> None:
    content = hashlib.sha512(b"x").digest() * 800_000  # 51 MB
    (tmp_path / "large").write_bytes(content)
    digest, size, dropped = hashlib.sha256(), 0, 0
    for view in ssh_host.read(ssh_host.path(str(tmp_path / "large"))):
        digest.update(view)
        size += len(view)
        if size > (dropped + 1) * 12_000_000 and dropped < 3:
            assert sshd.drop_connections()
            dropped += 1
    assert dropped == 3
    assert digest.digest() == hashlib.sha256(content).digest()


def test_writing_goes_on_where_the_connection_broke(
    sshd: Sshd, ssh_host: Host, tmp_path: Path
) -> None:
    def chunks() -> Iterator[bytes]:
        for number in range(60):
            if number in (5, 33, 59):
                assert sshd.drop_connections()
            yield bytes([number]) * 700_001

    path = ssh_host.path(str(tmp_path / "large"))
    assert ssh_host.write(path, chunks()) == 60 * 700_001
    expected = b"".join(bytes([number]) * 700_001 for number in range(60))
    assert hashlib.sha256((tmp_path / "large").read_bytes()).digest() == (
        hashlib.sha256(expected).digest()
    )


def test_threads_that_take_turns_keep_to_the_channels_that_a_server_allows(
    ssh_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[SftpChannel] = []
    read, give = SftpChannel.read_limits, SshConnection.give_sftp

    def count_and_read(sftp: SftpChannel) -> None:
        opened.append(sftp)
        read(sftp)

    def give_slowly(connection: SshConnection, sftp: SftpChannel) -> None:
        time.sleep(0.02)  # as a thread does that the system does not let on
        give(connection, sftp)

    monkeypatch.setattr(SftpChannel, "read_limits", count_and_read)
    monkeypatch.setattr(SshConnection, "give_sftp", give_slowly)
    with ThreadPoolExecutor(2 * MOST_CHANNELS) as pool:
        found = list(pool.map(lambda _: ssh_host.stat(ssh_host.path("/")), range(60)))
    assert None not in found
    assert len(opened) <= MOST_CHANNELS


def test_a_program_that_ends_at_once_does_not_cost_the_connection(
    ssh_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SshAccess] = []
    connect, send = ssh_login.connect, paramiko.Transport._send_user_message  # type: ignore[attr-defined]

    def connect_and_count(access: SshAccess) -> paramiko.Transport:
        made.append(access)
        return connect(access)

    def send_late(transport: paramiko.Transport, message: Message) -> None:
        if message.asbytes()[:1] == cMSG_CHANNEL_EOF:
            time.sleep(0.1)  # by now the program has ended, and the server closes the session
        send(transport, message)

    monkeypatch.setattr(ssh_connection, "connect", connect_and_count)
    monkeypatch.setattr(paramiko.Transport, "_send_user_message", send_late)
    for _ in range(3):
        assert ssh_host.run(["true"], timeout_seconds=30).exit_code == 0
        time.sleep(0.1)
    assert len(made) == 1


def test_a_server_that_answers_with_less_than_was_asked_for_is_asked_on(
    ssh_host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # OpenSSH gives at most 255 KiB for one request, whatever it is asked for.
    monkeypatch.setattr(SftpChannel, "read_limits", lambda _: None)
    monkeypatch.setattr(SftpChannel, "limits", Limits(read_bytes=700_000, write_bytes=32_768))
    content = random.Random(1).randbytes(5_000_001)
    (tmp_path / "file").write_bytes(content)
    path = ssh_host.path(str(tmp_path / "file"))
    for offset in (0, 1_234_567):
        assert b"".join(map(bytes, ssh_host.read(path, offset=offset))) == content[offset:]


def test_calls_from_threads_go_on_while_connections_keep_breaking(
    sshd: Sshd, ssh_host: Host, tmp_path: Path
) -> None:
    ended = threading.Event()

    def saboteur() -> None:
        while not ended.wait(0.7):
            sshd.drop_connections()

    thread = threading.Thread(target=saboteur)
    thread.start()
    try:
        root = ssh_host.path(str(tmp_path / "work"))
        ssh_host.make_folder(root)
        for number in range(15):
            part, final = root.joined(f"{number}.part"), root.joined(f"{number}")
            assert ssh_host.write(part, [b"%d" % number]) == len(str(number))
            assert not ssh_host.flush_files([part]).failed
            assert ssh_host.rename([(part, final)]).ok
            assert ssh_host.create(root.joined(f"lock-{number}"), b"random %d" % number)
        assert not ssh_host.remove([root.joined(f"lock-{n}") for n in range(15)]).failed
    finally:
        ended.set()
        thread.join()
    found = {path.name: path.read_bytes() for path in (tmp_path / "work").iterdir()}
    assert found == {str(number): b"%d" % number for number in range(15)}


@pytest.mark.parametrize("count", [2, 40])
@pytest.mark.parametrize("sync_works", [True, False])
def test_what_sftp_may_not_flush_the_servers_sync_does(
    own_sshd: Sshd, tmp_path: Path, count: int, *, sync_works: bool
) -> None:
    own_sshd.stop()
    own_sshd.subsystem = "internal-sftp -P fsync"
    if not sync_works:
        own_sshd.environment["PATH"] = f"{_failing_sync(tmp_path / 'bin')}:/usr/bin:/bin"
    own_sshd.start()
    host = open_host(ssh_address(own_sshd))
    there = [host.path(str(tmp_path / f"file-{number}")) for number in range(count)]
    for path in there:
        host.write(path, [b"x"])
    missing = host.path(str(tmp_path / "none"))
    outcome = host.flush_files([*there, missing])
    assert outcome.ok == (tuple(there) if sync_works else ())
    assert len(outcome.failed) == (1 if sync_works else count + 1)
    host.close()


def _failing_sync(folder: Path) -> Path:
    return _own_sync(folder, "exit 1")


def _own_sync(folder: Path, line: str) -> Path:
    folder.mkdir()
    (folder / "sync").write_text(f"#!/bin/sh\n{line}\n", encoding="ascii")
    (folder / "sync").chmod(0o755)
    return folder


def test_a_volume_is_flushed_once_however_many_of_its_folders_are_asked_for(
    own_sshd: Sshd, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    bin_dir = _own_sync(tmp_path / "bin", f'echo "$@" >>{calls}')
    own_sshd.stop()
    own_sshd.environment["PATH"] = f"{bin_dir}:/usr/bin:/bin"
    own_sshd.start()
    host = open_host(ssh_address(own_sshd))
    folders = [host.path(str(tmp_path / f"folder-{number}")) for number in range(20)]
    files = [folder.joined("file") for folder in folders]
    for folder, file in zip(folders, files, strict=True):
        host.make_folder(folder)
        host.write(file, [b"x"])

    assert host.flush_files(files).ok == tuple(files)
    host.flush_folders(folders)

    assert [len(call.split()) for call in calls.read_text().splitlines()] == [2, 2]
    host.close()


def test_a_job_outlives_the_connection_and_is_found_again(
    sshd: Sshd, ssh_host: Host, tmp_path: Path
) -> None:
    job = ssh_host.path(str(tmp_path / "job"))
    marks = tmp_path / "marks"
    program = 'echo begin >>"$1"; until [ -e "$1.go" ]; do sleep 0.05; done; echo out'
    command = [*shell(program), "x", str(marks)]
    ssh_host.start_detached(command, job=job)
    assert ssh_host.poll_detached(job).state == "running"
    assert sshd.drop_connections()
    ssh_host.start_detached(command, job=job)
    status = ssh_host.poll_detached(job)
    assert status.state == "running"
    assert status.cpu_seconds is not None
    ssh_host.close()
    Path(f"{marks}.go").touch()
    again = open_host(ssh_address(sshd))
    wait_for(lambda: again.poll_detached(job).state == "exited")
    assert again.poll_detached(job).stdout == "out\n"
    assert marks.read_text(encoding="ascii") == "begin\n"
    again.close()


def test_a_script_goes_on_when_the_connection_breaks_under_it(
    sshd: Sshd, ssh_host: Host, tmp_path: Path
) -> None:
    folder = ssh_host.path(str(tmp_path / "run"))
    ssh_host.make_folder(folder)
    runs = tmp_path / "run" / "slow.out.jsonl.runs"

    with cutting(sshd, runs):
        answer = ssh_host.run_script(
            made_up("slow"), [{"seconds": 1.0}], folder=folder, timeout_seconds=60
        )
    assert list(answer) == [{"kind": "end"}]
    assert runs.read_text(encoding="utf-8") == "begin\nend\n"


def test_a_program_whose_connection_broke_is_not_run_twice(
    sshd: Sshd, ssh_host: Host, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    command = [*shell('echo begin >>"$1"; sleep 1'), "x", str(marks)]
    with cutting(sshd, marks), pytest.raises(ConnectionLostError, match="not known"):
        ssh_host.run(command, timeout_seconds=30)
    assert marks.read_text(encoding="ascii") == "begin\n"


def test_a_program_whose_exit_code_came_before_its_connection_broke_has_not_said_all(
    sshd: Sshd, ssh_host: Host, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    command = [*shell('{ sleep 2; echo out; } & echo end >"$1"'), "x", str(marks)]
    # By then the exit code has come; what holds the output says nothing yet.
    later = cutting(sshd, marks, pause_seconds=0.5)
    with later, pytest.raises(ConnectionLostError, match="before its output did"):
        ssh_host.run(command, timeout_seconds=30)


def test_a_server_that_is_gone_is_a_lost_connection_and_may_come_back(own_sshd: Sshd) -> None:
    host = open_host(replace(ssh_address(own_sshd), patience=IMPATIENT))
    assert host.run(["true"], timeout_seconds=30).exit_code == 0
    own_sshd.stop()
    with pytest.raises(ConnectionLostError) as caught:
        host.stat(host.path("/"))
    assert caught.value.retryable
    own_sshd.start()
    assert host.stat(host.path("/")) is not None
    host.close()


@pytest.mark.parametrize("is_reached_again", [False, True])
def test_a_host_that_was_given_up_is_closed_without_connecting_again(
    own_sshd: Sshd, *, is_reached_again: bool
) -> None:
    host = open_host(replace(ssh_address(own_sshd), patience=IMPATIENT))
    folder = Path(host.request_folder().parent.text)
    own_sshd.stop()
    with pytest.raises(ConnectionLostError):
        host.stat(host.path("/"))
    own_sshd.start()
    if is_reached_again:
        assert host.stat(host.path("/")) is not None
    host.close()
    assert folder.exists() is not is_reached_again
    shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_does_not_answer_is_given_up(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = HostAddress(
            f"ssh://user@127.0.0.1:{silent.getsockname()[1]}",
            identity_file=sshd.identity_file,
            known_hosts=sshd.known_hosts,
            patience=replace(IMPATIENT, connect_seconds=0.3),
        )
        host = open_host(address)
        began = time.monotonic()
        with pytest.raises(ConnectionLostError):
            host.stat(host.path("/"))
        assert time.monotonic() - began < 20


# --- commands ------------------------------------------------------------------------------------


def test_a_program_at_its_limit_is_left_alone(ssh_host: Host, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    command = [*shell('sleep 1; echo much; echo end >"$1"'), "x", str(marks)]
    with pytest.raises(TimeLimitError):
        ssh_host.run(command, timeout_seconds=0.2)
    wait_for(marks.exists)


def test_windows_commands_need_a_windows_shell(sshd: Sshd) -> None:
    address = HostAddress(sshd.address, Platform.WINDOWS, sshd.identity_file, sshd.known_hosts)
    host = open_host(address)
    with pytest.raises(CommandFailedError, match=r"neither cmd\.exe nor PowerShell"):
        host.run(["hostname.exe"], timeout_seconds=30)
    host.close()


@pytest.mark.parametrize(
    "address",
    ["", "remote", "ssh://", "ssh://host", "http://u@h", "ssh://u@h/path", "ssh://u:p@h",
     "ssh://u@h:99999", "ssh://u@ho st", "ssh://u@h?x"],
)  # fmt: skip
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(UsageError):
        parse_ssh_address(address)


def test_addresses_know_their_name_in_known_hosts() -> None:
    assert parse_ssh_address("ssh://svc-wsus@wsus01.example:22").known_name == "wsus01.example"
    assert parse_ssh_address("ssh://u@10.0.0.1:2222").known_name == "[10.0.0.1]:2222"
    assert parse_ssh_address("ssh://u@wsus").port == 22
