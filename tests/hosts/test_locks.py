"""Locks: one holder, taken over only from an owner that is proved gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tasks.hosts.host import Outcome
from tasks.hosts.local import LocalHost
from tasks.hosts.locks import (
    Lock,
    LockOwner,
    acquire,
    acquire_as,
    current_owner,
    is_gone,
    remove_stale,
)
from tasks.hosts.paths import HostPath
from tasks.refusals import LockHeldError
from tests.hosts.conftest import World
from tests.support.memory_host import MemoryHost
from tests.support.memory_power import PowerLostError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MACHINE = "5f0c7d5e"
REPOSITORY = Path(__file__).parents[2]
HOLDER = """
import sys, time
from datetime import UTC, datetime
from tasks.hosts.local import LocalHost
from tasks.hosts.locks import acquire
host = LocalHost()
acquire(host, host.path(sys.argv[1]), machine=sys.argv[2], run="dead", now=datetime.now(UTC))
print("held", flush=True)
time.sleep(600)
"""


def take(world: World, *, run: str = "ours", take_over: str | None = None) -> Lock:
    """Take the lock of the world's folder."""
    path = world.root.joined("server.lock")
    return acquire(world.host, path, machine=MACHINE, run=run, now=NOW, take_over=take_over)


def us(**changes: object) -> LockOwner:
    """This process as an owner, with something changed."""
    return current_owner(machine=MACHINE, run="ours", now=NOW).model_copy(update=changes)


def left_behind(world: World, owner: LockOwner) -> None:
    """A lock that somebody did not give back."""
    assert world.host.create(world.root.joined("server.lock"), owner.content())


def names(world: World) -> list[str]:
    """What lies in the folder."""
    return sorted(entry.name for entry in world.host.list_folder(world.root))


@pytest.fixture
def dead(tmp_path: Path) -> LockOwner:
    """The owner of a lock whose process was killed."""
    path = tmp_path / "lock-of-the-dead"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), MACHINE],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        owner = LockOwner.model_validate_json(path.read_bytes())
        assert not is_gone(owner, us())
        process.send_signal(signal.SIGKILL)
    return owner


def test_a_lock_has_one_holder_and_leaves_nothing(world: World) -> None:
    with take(world) as lock:
        assert lock.is_ours()
        with pytest.raises(LockHeldError) as caught:
            take(world, run="other")
        assert "2026-11-22" in str(caught.value.facts["since"])
        assert "run ours" in str(caught.value.facts["owner"])
    assert names(world) == []
    take(world, run="other").release()


def test_the_file_of_a_lock_names_no_host_and_no_user(world: World) -> None:
    with take(world):
        text = world.bytes_of(world.root.joined("server.lock")).decode()
    assert set(LockOwner.model_fields) == {
        "machine", "boot", "pid", "started", "run", "since", "token"
    }  # fmt: skip
    assert os.uname().nodename not in text
    assert str(Path.home()) not in text


def test_a_lock_of_a_killed_process_is_taken_over(world: World, dead: LockOwner) -> None:
    left_behind(world, dead)
    with take(world) as lock:
        assert lock.is_ours()
    assert names(world) == []


def test_a_stale_lock_is_removed_and_that_of_a_living_owner_stays(
    world: World, dead: LockOwner
) -> None:
    path = world.root.joined("server.lock")
    remove_stale(world.host, path, us())
    left_behind(world, dead)
    remove_stale(world.host, path, us())
    assert names(world) == []

    with take(world, run="another"):
        remove_stale(world.host, path, us())
        assert names(world) == ["server.lock"]


def test_of_many_who_find_a_dead_owner_one_takes_over(world: World, dead: LockOwner) -> None:
    left_behind(world, dead)

    def try_to_take(number: int) -> Lock | None:
        try:
            return take(world, run=f"run-{number}")
        except LockHeldError:
            return None

    with ThreadPoolExecutor(8) as pool:
        locks = [lock for lock in pool.map(try_to_take, range(16)) if lock is not None]
    assert [lock.is_ours() for lock in locks] == [True]
    locks[0].release()
    assert names(world) == []


def test_a_process_number_that_somebody_else_has_now_is_no_owner(world: World) -> None:
    left_behind(world, us(started="1"))
    take(world).release()


def test_an_owner_before_the_last_boot_is_gone(world: World) -> None:
    left_behind(world, us(boot="another-boot"))
    take(world).release()


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": "another", "pid": 1, "boot": "another", "started": "1"},
        {"boot": "", "since": datetime(2001, 1, 1, tzinfo=UTC)},
        {"since": datetime(2001, 1, 1, tzinfo=UTC)},
        {"started": "unknown"},
    ],
)
def test_an_owner_that_may_live_keeps_the_lock_whatever_its_age(
    world: World, changes: dict[str, object]
) -> None:
    left_behind(world, us(**changes))
    with pytest.raises(LockHeldError):
        take(world)
    assert names(world) == ["server.lock"]


def test_a_person_may_take_any_lock_over(world: World) -> None:
    left_behind(world, us(machine="another"))
    with take(world, take_over="the other machine burnt down") as lock:
        assert lock.is_ours()
    assert names(world) == []


def test_a_lock_that_cannot_be_read_needs_a_person(world: World) -> None:
    assert world.host.create(world.root.joined("server.lock"), b"")
    with pytest.raises(LockHeldError, match="cannot read"):
        take(world)
    take(world, take_over="it is empty").release()
    assert names(world) == []


def test_giving_back_a_lock_that_was_taken_over_leaves_the_new_one(world: World) -> None:
    first = take(world)
    second = take(world, run="second", take_over="the first hangs")
    first.release()
    assert not first.is_ours()
    assert second.is_ours()
    second.release()


def test_a_lock_that_is_taken_over_just_while_it_is_given_back_is_put_back() -> None:
    other = us(token="other")

    class Hasty(MemoryHost):
        """Somebody takes the lock over between our last look at it and our rename."""

        def rename(
            self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool = False
        ) -> Outcome[tuple[HostPath, HostPath]]:
            self.write(moves[0][0], [other.content()])
            return super().rename(moves, inherit=inherit)

    host = Hasty()
    path = host.path("/server.lock")
    acquire(host, path, machine=MACHINE, run="ours", now=NOW).release()

    assert b"".join(map(bytes, host.read(path))) == other.content()
    assert [entry.name for entry in host.list_folder(path.parent)] == ["server.lock"]


def test_a_lock_is_given_back_when_the_work_under_it_fails(world: World) -> None:
    with pytest.raises(KeyError), take(world):
        raise KeyError("work")
    assert names(world) == []


def test_a_claim_of_somebody_who_died_while_taking_over_is_taken_over_too(
    dead: LockOwner,
) -> None:
    for changes in range(12):
        host = MemoryHost()
        root = host.path("/root")
        host.make_folder(root)
        host.flush_folders([root.parent])
        world = World(host, root, lambda _path, _target: None)
        left_behind(world, dead)
        host.fail_after(changes, PowerLostError())
        with suppress(PowerLostError):
            acquire_as(
                dead.model_copy(update={"token": "another"}), host, root.joined("server.lock")
            )
        host.lose_power(changes)
        with take(world) as lock:
            assert lock.is_ours()
            with pytest.raises(LockHeldError):
                take(world, run="other")
        assert names(world) == []


def test_a_lock_on_this_machine_is_durable_and_atomic(tmp_path: Path) -> None:
    host = LocalHost()
    path: HostPath = host.path(str(tmp_path / "lock"))
    with acquire(host, path, machine=MACHINE, run="r", now=NOW):
        assert LockOwner.model_validate_json((tmp_path / "lock").read_bytes()).run == "r"
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_of_any_size_is_not_read_to_its_end(tmp_path: Path) -> None:
    host = LocalHost()
    path = tmp_path / "server.lock"
    with path.open("wb") as stream:
        stream.truncate(1 << 30)
    before = psutil.Process().memory_info().rss
    with pytest.raises(LockHeldError, match="an owner we cannot read"):
        acquire(host, host.path(str(path)), machine=MACHINE, run="ours", now=NOW)
    assert psutil.Process().memory_info().rss - before < 100_000_000
