"""The disk in memory: what a power loss may do, and what it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ConnectionLostError, DiskFullError, HostFileError
from tasks.hosts.host import CommandResult
from tasks.hosts.paths import HostPath, Platform
from tests.support.memory_host import MemoryHost
from tests.support.memory_power import PowerLostError

SEEDS = st.integers(0, 1_000_000)


def started(**options: object) -> tuple[MemoryHost, HostPath]:
    """A host with one durable folder."""
    host = MemoryHost(**options)  # type: ignore[arg-type]
    folder = host.path("C:\\work" if host.platform is Platform.WINDOWS else "/work")
    host.make_folder(folder)
    host.flush_folders([folder.parent])
    return host, folder


def content(host: MemoryHost, path: HostPath) -> bytes | None:
    """A file's bytes, None when it is not there."""
    return None if host.stat(path) is None else b"".join(map(bytes, host.read(path)))


@given(SEEDS, st.binary(max_size=50))
def test_what_was_flushed_outlives_a_power_loss(seed: int, written: bytes) -> None:
    host, folder = started()
    path = folder.joined("file")
    host.write(path, [written])
    assert host.flush_files([path]).ok
    host.flush_folders([folder])
    host.lose_power(seed)
    assert content(host, path) == written


def outcomes(make: object, count: int = 300) -> set[object]:
    """All that chance made of one course of events."""
    found: set[object] = set()
    for seed in range(count):
        host, folder = started()
        make(host, folder)  # type: ignore[operator]
        host.lose_power(seed)
        names = {entry.name: content(host, folder.joined(entry.name)) for entry in
                 host.list_folder(folder)}  # fmt: skip
        found.add(tuple(sorted(names.items())))
    return found


def test_a_name_without_a_flush_may_stay_or_go_and_its_bytes_may_be_anything() -> None:
    def make(host: MemoryHost, folder: HostPath) -> None:
        host.write(folder.joined("file"), [b"1234"])

    found = outcomes(make)
    assert () in found
    for survivor in (b"1234", b"", b"12", b"\0\0\0\0", b"1\0\0\0"):
        assert (("file", survivor),) in found


def test_a_flushed_file_without_a_flushed_name_may_be_gone_but_not_damaged() -> None:
    def make(host: MemoryHost, folder: HostPath) -> None:
        host.write(folder.joined("file"), [b"1234"])
        host.flush_files([folder.joined("file")])

    assert outcomes(make) == {(), (("file", b"1234"),)}


def test_a_rename_within_a_folder_is_whole_or_not_at_all() -> None:
    def make(host: MemoryHost, folder: HostPath) -> None:
        for name in ("old", "new"):
            host.write(folder.joined(name), [name.encode()])
        host.flush_files([folder.joined("old"), folder.joined("new")])
        host.flush_folders([folder])
        host.rename([(folder.joined("old"), folder.joined("new"))])

    assert outcomes(make) == {(("new", b"new"), ("old", b"old")), (("new", b"old"),)}


def test_a_rename_before_the_flush_of_its_bytes_may_show_damaged_ones() -> None:
    def make(host: MemoryHost, folder: HostPath) -> None:
        host.write(folder.joined("file.part"), [b"1234"])
        host.rename([(folder.joined("file.part"), folder.joined("file"))])

    assert (("file", b""),) in outcomes(make)


@given(SEEDS, st.booleans(), st.booleans())
def test_a_rename_between_folders_never_loses_the_file(
    seed: int, flush_source: bool, flush_target: bool
) -> None:
    host, folder = started()
    source, target = folder.joined("from"), folder.joined("to")
    host.make_folder(source)
    host.make_folder(target)
    host.write(source.joined("file"), [b"x"])
    host.flush_files([source.joined("file")])
    host.flush_folders([source, target, folder])
    host.rename([(source.joined("file"), target.joined("file"))])
    host.flush_folders([f for f, do in ((source, flush_source), (target, flush_target)) if do])
    host.lose_power(seed)
    there = [content(host, folder_.joined("file")) for folder_ in (source, target)]
    assert b"x" in there
    if flush_target:
        assert there[1] == b"x"


@given(SEEDS)
def test_a_created_file_is_durable_at_once(seed: int) -> None:
    host, folder = started()
    host.write(folder.joined("other"), [b"not flushed"])
    assert host.create(folder.joined("lock"), b"whole")
    host.lose_power(seed)
    assert content(host, folder.joined("lock")) == b"whole"


def test_a_removed_name_may_come_back_until_its_folder_is_flushed() -> None:
    def make(host: MemoryHost, folder: HostPath) -> None:
        assert host.create(folder.joined("file"), b"x")
        host.remove([folder.joined("file")])

    assert outcomes(make) == {(), (("file", b"x"),)}


def test_a_power_loss_comes_at_the_chosen_change_and_stops_everything() -> None:
    host, folder = started()
    host.fail_after(2, PowerLostError())
    with pytest.raises(PowerLostError):
        host.write(folder.joined("file"), [b"1", b"2", b"3"])
    with pytest.raises(PowerLostError):
        host.list_folder(folder)
    host.lose_power(1)
    host.write(folder.joined("file"), [b"4"])
    assert content(host, folder.joined("file")) == b"4"


def test_an_error_comes_once_at_the_chosen_change() -> None:
    host, folder = started()
    moves = [(folder.joined(f"{n}"), folder.joined(f"{n}.new")) for n in range(3)]
    for source, _ in moves:
        host.write(source, [b"x"])
    error = HostFileError(operation="rename", path="1", reason="chosen")
    host.fail_after(1, error)
    outcome = host.rename(moves)
    assert outcome.failed == ((moves[1], error),)
    host.fail_after(0, ConnectionLostError(address="memory", reason="chosen"))
    with pytest.raises(ConnectionLostError):
        host.flush_files([folder.joined("0.new")])
    assert host.flush_files([folder.joined("0.new")]).ok


def test_a_full_disk_keeps_what_fitted() -> None:
    host, folder = started(capacity_bytes=10)
    with pytest.raises(DiskFullError):
        host.write(folder.joined("file"), [b"12345678", b"9abc"])
    assert content(host, folder.joined("file")) == b"123456789a"
    assert host.space(folder).free_bytes == 0
    with pytest.raises(DiskFullError):
        host.create(folder.joined("lock"), b"x")
    host.remove([folder.joined("file")])
    assert host.space(folder).free_bytes == 10


def test_windows_names_are_the_same_in_any_case() -> None:
    host, folder = started(platform=Platform.WINDOWS)
    host.write(folder.joined("File.CAB"), [b"x"])
    assert content(host, folder.joined("file.cab")) == b"x"
    assert [entry.name for entry in host.list_folder(folder)] == ["File.CAB"]


def test_a_running_job_is_lost_with_the_power() -> None:
    host, folder = started(start_detached=lambda _command: None)
    job = folder.joined("job")
    host.start_detached(["wsusutil"], job=job)
    host.flush_folders([folder])
    assert host.poll_detached(job).state == "running"
    host.lose_power(0)
    assert host.poll_detached(job).state == "lost"


def test_a_job_ends_when_the_test_says_so() -> None:
    host, folder = started(start_detached=lambda _command: None)
    host.start_detached(["wsusutil"], job=folder.joined("job"))
    host.finish_job(folder.joined("job"), 3, "said")
    status = host.poll_detached(folder.joined("job"))
    assert (status.state, status.exit_code, status.stdout) == ("exited", 3, "said")


def test_a_job_that_ends_at_once_keeps_its_answer() -> None:
    host, folder = started(start_detached=lambda command: CommandResult(0, command[0], ""))
    host.start_detached(["wsusutil"], job=folder.joined("job"))
    assert host.poll_detached(folder.joined("job")).stdout == "wsusutil"
