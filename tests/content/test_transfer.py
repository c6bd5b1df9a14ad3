"""Copying and proving content in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from tasks.content.copy_item import CopyItem, CopyResult
from tasks.content.digest import digest_chunks
from tasks.content.names import Blake3, ContentName
from tasks.content.place import beside_of, content_path
from tasks.content.scan import scan
from tasks.content.transfer import SMALL_FILE_BYTES, BatchLimits, copy_files
from tasks.errors import (
    AirGapError,
    ConnectionLostError,
    ContentWrongError,
    DiskFullError,
    HostFileError,
)
from tasks.hosts.host import FileHash, Host, Outcome
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.progress import Silence
from tests.support.bundles import fill_content, tree, write_content
from tests.support.memory_host import MemoryHost
from tests.support.memory_power import PowerLostError

LIMITS = BatchLimits(files=7, size_bytes=20_000)


def _items(source: Path, host: Host, root: HostPath, *, present: bool = False) -> list[CopyItem]:
    local = LocalHost()
    items = []
    for file in scan(local, local.path(str(source))):
        host.make_folder(root.joined(file.name.folder))
        items.append(
            CopyItem(
                (file.path,),
                file.size_bytes,
                file.name.digest,
                digest_chunks(local.read(file.path)).blake3,
                beside_of(content_path(root, file.name)),
                content_path(root, file.name),
                present=present,
            )
        )
    return items


def _copy(
    items: list[CopyItem], destination: Host | None, *, source: Host | None = None
) -> list[CopyResult]:
    batches = copy_files(source or LocalHost(), destination, items, limits=LIMITS)
    return [result for batch in batches for result in batch]


def _names(host: Host, root: HostPath) -> dict[str, bytes]:
    found = {}
    for folder in host.list_folder(root):
        for stat in host.list_folder(root.joined(folder.name)):
            path = root.joined(folder.name, stat.name)
            found[f"{folder.name}/{stat.name}"] = b"".join(map(bytes, host.read(path)))
    return found


def test_copies_are_whole_and_results_stand_in_the_order_of_the_items(tmp_path: Path) -> None:
    fill_content(tmp_path / "from", 60)
    write_content(tmp_path / "from", bytes(3_000_000), "esd")
    host = LocalHost()
    items = _items(tmp_path / "from", host, host.path(str(tmp_path / "to")))

    results = _copy(items, host)

    assert [result.item for result in results] == items
    assert all(result.is_ok and result.written for result in results)
    assert tree(tmp_path / "to") == tree(tmp_path / "from")


def test_without_a_destination_bytes_are_only_proved(tmp_path: Path) -> None:
    name = write_content(tmp_path, b"good")
    host = LocalHost()
    path = content_path(host.path(str(tmp_path)), name)

    (right,) = _copy([CopyItem((path,), 4, name.digest)], None)
    (wrong,) = _copy([CopyItem((path,), 4, blake3=Blake3(bytes(32)))], None)

    assert right.digests == digest_chunks([b"good"])
    assert not right.written
    assert isinstance(wrong.error, ContentWrongError)


@pytest.mark.parametrize("content", [b"GOOD", b"goo", b"goods"], ids=["bytes", "short", "long"])
def test_wrong_bytes_never_get_their_final_name(tmp_path: Path, content: bytes) -> None:
    name = write_content(tmp_path / "from", b"good")
    other = write_content(tmp_path / "from", b"other")
    host = LocalHost()
    items = _items(tmp_path / "from", host, host.path(str(tmp_path / "to")))
    (tmp_path / "from" / name.folder / name.text).write_bytes(content)

    results = _copy(items, host)

    assert sorted(result.is_ok for result in results) == [False, True]
    assert [type(result.error) for result in results if result.error] == [ContentWrongError]
    assert list(tree(tmp_path / "to")) == [f"{other.folder}/{other.text}"]


def test_a_file_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    fill_content(tmp_path / "from", 20)
    host = LocalHost()
    items = _items(tmp_path / "from", host, host.path(str(tmp_path / "to")))
    Path(items[3].sources[0].text).unlink()

    results = _copy(items, host)

    assert [result.is_ok for result in results].count(False) == 1
    assert isinstance(results[3].error, HostFileError)


def test_what_is_present_is_proved_and_not_written_again(tmp_path: Path) -> None:
    fill_content(tmp_path / "from", 20)
    host = LocalHost()
    root = host.path(str(tmp_path / "to"))
    _copy(_items(tmp_path / "from", host, root), host)
    items = _items(tmp_path / "from", host, root, present=True)
    assert items[5].final is not None
    damaged = Path(items[5].final.text)
    damaged.write_bytes(bytes(items[5].size_bytes))

    results = _copy(items, host)

    assert [index for index, result in enumerate(results) if result.written] == [5]
    assert all(result.is_ok for result in results)
    assert tree(tmp_path / "to") == tree(tmp_path / "from")


def test_several_sources_become_one_file(tmp_path: Path) -> None:
    host = LocalHost()
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
    sources = (host.path(str(tmp_path / "one")), host.path(str(tmp_path / "two")))
    digests = digest_chunks([b"onetwo"])
    final = host.path(str(tmp_path / "whole"))

    item = CopyItem(
        sources, 6, digests.sha1, digests.blake3, host.path(str(tmp_path / "beside")), final
    )
    (result,) = _copy([item], host)

    assert result.is_ok
    assert (tmp_path / "whole").read_bytes() == b"onetwo"


def test_another_machine_reads_what_it_wrote(tmp_path: Path) -> None:
    fill_content(tmp_path / "from", 20)
    server = MemoryHost()
    root = server.path("/intake")

    results = _copy(_items(tmp_path / "from", server, root), server)

    assert all(result.is_ok for result in results)
    assert _names(server, root) == tree(tmp_path / "from")


class _LyingHost(MemoryHost):
    """Writes one file wrong, as a bad disk or connection would, and says nothing."""

    def __init__(self, spoiled: str) -> None:
        super().__init__()
        self.spoiled = spoiled

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        content = b"".join(map(bytes, chunks))
        if path.name.startswith(self.spoiled):
            content = bytes(len(content))
        return super().write(path, [content])


class _SilentHost(MemoryHost):
    """Answers no digest at all."""

    def hash_files(
        self, paths: Sequence[HostPath]
    ) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
        yield from super().hash_files(paths[:0])


def test_what_another_machine_wrote_wrong_does_not_get_its_name(tmp_path: Path) -> None:
    names = fill_content(tmp_path / "from", 10)
    spoiled = names[4]
    server = _LyingHost(spoiled.digest.hex)
    root = server.path("/intake")

    results = _copy(_items(tmp_path / "from", server, root), server)

    assert [result.is_ok for result in results].count(False) == 1
    expected = {path for path in tree(tmp_path / "from") if spoiled.digest.hex not in path}
    assert set(_names(server, root)) == expected


def test_no_answer_of_another_machine_is_no_proof(tmp_path: Path) -> None:
    fill_content(tmp_path / "from", 5)
    server = _SilentHost()
    root = server.path("/intake")

    results = _copy(_items(tmp_path / "from", server, root), server)

    assert not any(result.is_ok for result in results)
    assert _names(server, root) == {}


@pytest.mark.parametrize(
    "error",
    [DiskFullError(path="x"), ConnectionLostError(address="x", reason="gone")],
    ids=["disk full", "connection lost"],
)
def test_an_error_that_ends_everything_is_raised(tmp_path: Path, error: Exception) -> None:
    fill_content(tmp_path / "from", 30)
    server = MemoryHost()
    items = _items(tmp_path / "from", server, server.path("/intake"))
    server.fail_after(20, error)

    with pytest.raises(type(error)):
        _copy(items, server)


def test_a_file_that_could_not_be_made_durable_does_not_get_its_name(tmp_path: Path) -> None:
    write_content(tmp_path / "from", b"one")
    server = MemoryHost()
    root = server.path("/intake")
    items = _items(tmp_path / "from", server, root)
    # Of four changes (the name, its bytes, the flush, the rename) the flush fails.
    server.fail_after(2, HostFileError(operation="flush", path="x", reason="Input/output error"))

    (result,) = _copy(items, server)

    assert isinstance(result.error, HostFileError)
    assert _names(server, root) == {}


@pytest.mark.parametrize("seed", range(25))
def test_after_a_power_loss_every_final_name_holds_its_bytes(tmp_path: Path, seed: int) -> None:
    fill_content(tmp_path / "from", 24, seed=seed)
    server = MemoryHost()
    root = server.path("/intake")
    items = _items(tmp_path / "from", server, root)
    server.flush_folders([root.parent, root, *{item.final.parent for item in items if item.final}])
    server.fail_after(1 + seed * 4, PowerLostError())
    reported: list[CopyResult] = []

    def copy_until_dark() -> None:
        for batch in copy_files(LocalHost(), server, items, limits=LIMITS):
            reported.extend(batch)

    with pytest.raises(PowerLostError):
        copy_until_dark()
    server.lose_power(seed)

    whole = tree(tmp_path / "from")
    found = {
        path: content
        for path, content in _names(server, root).items()
        if ContentName.parse(path.split("/")[1])
    }
    assert found.items() <= whole.items()
    assert {result.item.final for result in reported} <= {root.joined(*p.split("/")) for p in found}

    results = _copy(_items(tmp_path / "from", server, root, present=True), server)

    assert all(result.is_ok for result in results)
    assert _names(server, root) == whole


def test_batches_are_bounded_by_files_and_by_bytes(tmp_path: Path) -> None:
    fill_content(tmp_path / "from", 40)
    write_content(tmp_path / "from", bytes(25_000))
    host = LocalHost()
    items = _items(tmp_path / "from", host, host.path(str(tmp_path / "to")))

    batches = list(copy_files(host, host, items, limits=LIMITS))

    assert all(len(batch) <= LIMITS.files for batch in batches)
    sizes = [sum(result.item.size_bytes for result in batch[:-1]) for batch in batches]
    assert all(size < LIMITS.size_bytes for size in sizes)


def test_a_file_that_has_grown_is_not_read_to_its_end(tmp_path: Path) -> None:
    class Counting(LocalHost):
        """Says how much was read."""

        total = 0

        def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
            for view in super().read(path, offset=offset):
                self.total += len(view)
                yield view

        def read_files(
            self, files: Iterable[tuple[HostPath, int]]
        ) -> Iterator[tuple[int, bytes | AirGapError]]:
            for number, content in super().read_files(files):
                self.total += len(content) if isinstance(content, bytes) else 0
                yield number, content

    host = Counting()
    with (tmp_path / "grown").open("wb") as stream:
        stream.truncate(50_000_000)
    path = host.path(str(tmp_path / "grown"))
    items = [CopyItem((path,), size_bytes) for size_bytes in (10, SMALL_FILE_BYTES + 1)]

    (results,) = copy_files(host, None, items)

    assert all(isinstance(result.error, ContentWrongError) for result in results)
    assert 0 < host.total < 2_000_000


def test_the_next_batches_are_read_while_a_large_file_is_not_yet_whole(tmp_path: Path) -> None:
    small_was_read = threading.Event()

    class Waiting(LocalHost):
        """Reads the large file to its end only when the small one was read."""

        def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
            yield from super().read(path, offset=offset)
            assert small_was_read.wait(10), "the small file waited for the large one"

        def read_files(
            self, files: Iterable[tuple[HostPath, int]]
        ) -> Iterator[tuple[int, bytes | AirGapError]]:
            yield from super().read_files(files)
            small_was_read.set()

    host = Waiting()
    sizes = {"large": SMALL_FILE_BYTES + 1, "small": 10}
    for name, size_bytes in sizes.items():
        (tmp_path / name).write_bytes(bytes(size_bytes))
    items = [CopyItem((host.path(str(tmp_path / name)),), size) for name, size in sizes.items()]

    batches = copy_files(host, None, items, limits=BatchLimits(files=1))

    assert [result.is_ok for batch in batches for result in batch] == [True, True]


def _large_items(folder: Path, host: Host, count: int) -> list[CopyItem]:
    target = folder / "target"
    target.mkdir()
    items = []
    for number in range(count):
        source = folder / str(number)
        source.write_bytes(bytes(SMALL_FILE_BYTES + 1))
        final = host.path(str(target / f"{number}"))
        beside = final.parent.joined(f"{number}.part")
        path = host.path(str(source))
        items.append(CopyItem((path,), SMALL_FILE_BYTES + 1, beside=beside, final=final))
    return items


class Slow(LocalHost):
    """Writes slowly, and counts the files."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        time.sleep(0.03)
        self.written += 1
        return super().write(path, chunks)


def test_after_an_error_of_the_flush_files_that_nobody_waits_for_are_not_copied(
    tmp_path: Path,
) -> None:
    class Full(Slow):
        def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
            raise DiskFullError(path=paths[0])

    host = Full()
    items = _large_items(tmp_path, host, 20)
    with pytest.raises(DiskFullError):
        list(copy_files(host, host, items, limits=BatchLimits(files=5), threads=1))
    assert host.written <= 12


def test_a_caller_that_stops_early_has_nothing_copied_that_it_does_not_wait_for(
    tmp_path: Path,
) -> None:
    host = Slow()
    batches = copy_files(
        host, host, _large_items(tmp_path, host, 20), limits=BatchLimits(files=5), threads=1
    )
    assert isinstance(batches, Generator)
    next(batches)
    batches.close()
    assert host.written <= 17


def test_batches_before_one_that_fails_in_a_small_file_are_still_whole(tmp_path: Path) -> None:
    class Full(Slow):
        def write_files(
            self, files: Iterable[tuple[HostPath, bytes]]
        ) -> Iterator[tuple[int, AirGapError | None]]:
            for number, (path, _) in enumerate(files):
                yield number, DiskFullError(path=path)

    host = Full()
    items = _large_items(tmp_path, host, 3)
    small = tmp_path / "small"
    small.write_bytes(b"x")
    final = host.path(str(tmp_path / "target" / "small"))
    beside = final.parent.joined("small.part")
    items[2] = CopyItem((host.path(str(small)),), 1, beside=beside, final=final)
    results: list[CopyResult] = []
    batches = copy_files(host, host, items, limits=BatchLimits(files=1))
    with pytest.raises(DiskFullError):
        results.extend(result for batch in batches for result in batch)
    assert [result.is_ok for result in results] == [True, True]


def test_a_wrong_file_that_is_read_twice_counts_once_in_the_progress(tmp_path: Path) -> None:
    class Counted(Silence):
        total = 0

        def advance(self, amount: int) -> None:
            self.total += amount

    size_bytes = 70 * 1_048_576
    path = tmp_path / "file"
    with path.open("wb") as stream:
        stream.truncate(size_bytes)
    host, progress = LocalHost(), Counted()
    item = CopyItem((host.path(str(path)),), size_bytes, blake3=Blake3(bytes(32)))
    ((result,),) = copy_files(host, None, [item], progress=progress)
    assert isinstance(result.error, ContentWrongError)
    assert progress.total == size_bytes


def test_after_an_error_no_thread_writes_any_more(tmp_path: Path) -> None:
    class Full(LocalHost):
        """Has no room for the first large file, while others are being written."""

        def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
            if path.name.startswith("0"):
                raise DiskFullError(path=path)
            time.sleep(0.05)
            return super().write(path, chunks)

    host = Full()
    items = _large_items(tmp_path, host, 6)

    with pytest.raises(DiskFullError):
        list(copy_files(host, host, items, limits=BatchLimits(files=4)))

    target = tmp_path / "target"
    written = {path.name: path.stat() for path in target.iterdir()}
    time.sleep(0.2)
    assert {path.name: path.stat() for path in target.iterdir()} == written
    assert "5.part" not in written
