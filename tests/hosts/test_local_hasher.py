"""The second process that hashes large files: right answers or none, whatever happens to it."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from tasks.content.copy_item import CopyItem
from tasks.content.names import Blake3
from tasks.content.transfer import copy_files
from tasks.errors import ContentWrongError
from tasks.hosts import hash_process
from tasks.hosts.local import LocalHost
from tasks.hosts.local_hasher import LocalHasher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open files cannot be handed over")
CONTENT = os.urandom(1_000_000) * 20  # more than one window


@pytest.fixture
def host() -> LocalHost:
    """This machine."""
    return LocalHost()


@pytest.fixture
def hasher(host: LocalHost) -> Iterator[LocalHasher]:
    """A process of its own."""
    started = host.new_hasher()
    assert isinstance(started, LocalHasher)
    yield started
    started.close()


def test_it_gives_size_and_digests_and_says_how_far_it_is(
    host: LocalHost, hasher: LocalHasher, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    path = host.path(str(tmp_path / "file"))
    parts: list[int] = []

    numbers = [hasher.ask(path, len(CONTENT), with_sha1=with_sha1) for with_sha1 in (True, False)]
    one, both = (hasher.answer(number, parts.append) for number in numbers[::-1])

    assert both is not None
    assert one is not None
    assert both.sha1 == hashlib.sha1(CONTENT).digest()
    assert both.blake3 == one.blake3 == blake3(CONTENT).digest()
    assert both.size_bytes == len(CONTENT)
    assert len(parts) == 4
    assert sum(parts) == 2 * len(CONTENT)


def test_no_link_is_followed_and_a_longer_or_missing_file_has_no_answer(
    host: LocalHost, hasher: LocalHasher, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    def ask(name: str, limit_bytes: int) -> object:
        path = host.path(str(tmp_path / name))
        number = hasher.ask(path, limit_bytes, with_sha1=False)
        return hasher.answer(number, lambda _: None)

    assert ask("file", 7) is not None
    assert [ask("link", 7), ask("none", 7), ask("file", 6)] == [None, None, None]
    assert ask("file", 7) is not None


def test_more_files_than_it_is_sent_at_a_time_are_all_answered(
    host: LocalHost, hasher: LocalHasher, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    path = host.path(str(tmp_path / "file"))

    numbers = [hasher.ask(path, 7, with_sha1=False) for _ in range(400)]

    assert all(hasher.answer(number, lambda _: None) for number in numbers[::-1])


def test_after_its_end_there_are_no_answers_and_nobody_waits(
    host: LocalHost, hasher: LocalHasher, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    path = host.path(str(tmp_path / "file"))
    counted: list[int] = []
    before = [hasher.ask(path, 7, with_sha1=False) for _ in range(200)]
    os.kill(hasher._process.pid, signal.SIGBUS)  # as when a medium with a mapped file is pulled out
    after = [hasher.ask(path, 7, with_sha1=False) for _ in range(200)]

    answers = [hasher.answer(number, counted.append) for number in (*before, *after)]

    assert not any(answers[200:])
    assert sum(counted) == 7 * sum(answer is not None for answer in answers)


@pytest.mark.parametrize("dies", [False, True], ids=["alive", "dead"])
def test_files_are_proved_with_it_and_without_it(tmp_path: Path, *, dies: bool) -> None:
    class Host(LocalHost):
        """Its process ends as soon as it is there."""

        hasher: LocalHasher | None = None

        def new_hasher(self) -> LocalHasher | None:
            self.hasher = LocalHasher(self._anchors)
            if dies:
                self.hasher._process.kill()
            return self.hasher

    host = Host()
    content = bytes(70_000_000)
    for name in ("right", "wrong"):
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "wrong").open("r+b") as stream:
        stream.seek(60_000_000)
        stream.write(b"?")
    proof = Blake3(blake3(content).digest())
    items = [
        CopyItem((host.path(str(tmp_path / name)),), len(content), blake3=proof)
        for name in ("right", "wrong")
    ]

    (results,) = copy_files(host, None, items)

    assert host.hasher is not None
    assert [result.is_ok for result in results] == [True, False]
    assert isinstance(results[1].error, ContentWrongError)
    ((again,),) = copy_files(host, None, [CopyItem(items[0].sources, len(content))])
    assert again.digests is not None
    assert again.digests.sha1.raw == hashlib.sha1(content).digest()


def test_a_file_that_grows_while_it_is_hashed_has_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1_000))

    def grow(_: int) -> None:
        with path.open("ab") as stream:
            stream.write(b"x")

    hashed = hash_process.Hashed(blake3(), None)
    with path.open("rb") as stream:
        assert hash_process.hash_file(stream.fileno(), 2_000, hashed, id) == 1_000
        assert hash_process.hash_file(stream.fileno(), 2_000, hashed, grow) is None
