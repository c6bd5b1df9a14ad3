"""No more is read of a file that somebody else may have written than is wanted of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited


class Counting(LocalHost):
    """A host that knows how many bytes were taken from it."""

    taken_bytes = 0

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        for view in super().read(path, offset=offset):
            self.taken_bytes += len(view)
            yield view


@pytest.mark.parametrize(("size_bytes", "given_bytes"), [(0, 0), (10, 10), (11, 11), (40, 11)])
def test_one_byte_beyond_the_limit_shows_that_there_is_more(
    tmp_path: Path, size_bytes: int, given_bytes: int
) -> None:
    (tmp_path / "file").write_bytes(bytes(size_bytes))
    host = LocalHost()
    assert len(read_limited(host, host.path(str(tmp_path / "file")), limit_bytes=10)) == given_bytes


def test_a_giant_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "giant").open("wb") as stream:
        stream.truncate(1 << 30)
    host = Counting()
    read_limited(host, host.path(str(tmp_path / "giant")), limit_bytes=10)
    assert host.taken_bytes < 1 << 26
