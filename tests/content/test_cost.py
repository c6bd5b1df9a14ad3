"""What copying, proving and scanning cost: counts and processor time, never seconds passed."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from blake3 import blake3

from tasks.content.content_listing import ContentListing
from tasks.content.copy_item import CopyItem
from tasks.content.hash_cache import HashCache
from tasks.content.names import Blake3
from tasks.content.rescan import refresh_proofs, rescan
from tasks.content.transfer import copy_files
from tasks.errors import AirGapError
from tasks.hosts import folder_states
from tasks.hosts.host import FileStat, Outcome
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tests.support.bundles import Workshop, fill_content, write_content

NOW = datetime(2031, 5, 1, tzinfo=UTC)
FILES = 1_200


class CountingHost(LocalHost):
    """This machine, with its work counted."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        for chunk in super().read(path, offset=offset):
            self.counts["bytes read"] += len(chunk)
            yield chunk

    def read_files(
        self, files: Iterable[tuple[HostPath, int]]
    ) -> Iterator[tuple[int, bytes | AirGapError]]:
        for number, content in super().read_files(files):
            if isinstance(content, bytes):
                self.counts["bytes read"] += len(content)
            yield number, content

    def write_files(
        self, files: Iterable[tuple[HostPath, bytes]]
    ) -> Iterator[tuple[int, AirGapError | None]]:
        listed = list(files)
        self.counts["bytes written"] += sum(len(content) for _, content in listed)
        return super().write_files(listed)

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        written = super().write(path, chunks)
        self.counts["bytes written"] += written
        return written

    def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        self.counts["flushes of files"] += bool(paths)
        return super().flush_files(paths)

    def list_folder(self, folder: HostPath, *, must_exist: bool = False) -> list[FileStat]:
        self.counts["listings"] += 1
        return super().list_folder(folder, must_exist=must_exist)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A workshop whose server and medium are counted apart."""
    made = Workshop(tmp_path, server=CountingHost(), media=CountingHost())
    fill_content(made.content, FILES, most_bytes=3_000)
    return made


def counts_of(host: object) -> Counter[str]:
    assert isinstance(host, CountingHost)
    return host.counts


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_packing_reads_and_writes_each_byte_once_and_flushes_by_the_batch(
    workshop: Workshop,
) -> None:
    workshop.pack()

    content_bytes = size_of(workshop.content)
    assert counts_of(workshop.server)["bytes read"] == content_bytes
    written = counts_of(workshop.media)["bytes written"]
    assert written == size_of(workshop.bundle())
    assert counts_of(workshop.media)["bytes read"] == 0
    # 500 files make a batch; the documents are one more.
    assert counts_of(workshop.media)["flushes of files"] <= FILES // 500 + 3


def test_verifying_reads_each_byte_of_the_medium_once(workshop: Workshop) -> None:
    workshop.export()
    counts_of(workshop.media).clear()

    workshop.require_whole()

    read = counts_of(workshop.media)["bytes read"]
    headers = workshop.volume().joinpath("header.json").stat().st_size
    assert read - size_of(workshop.bundle()) <= headers


def test_an_unchanged_tree_is_not_listed_and_a_changed_folder_alone_is(tmp_path: Path) -> None:
    content, saved = tmp_path / "WsusContent", tmp_path / "saved.sqlite"
    names = fill_content(content, 400)
    host = CountingHost()

    def scan() -> tuple[int, set[str]]:
        host.counts.clear()
        listing = ContentListing(tmp_path / "listing.sqlite", host.path(str(content)), saved=saved)
        with HashCache(tmp_path / "hashes.sqlite") as cache:
            rescan(host, listing, cache)
            cache.forget_recent(refresh_proofs(listing, cache))
            listing.save(saved)
        found = {file.name.text for file in listing}
        listing.close()
        return host.counts["listings"], found

    folders = len(list(content.iterdir()))
    assert scan() == (folders + 1, {name.text for name in names})
    assert scan() == (1, {name.text for name in names})
    new = write_content(content, b"a file more")
    (content / names[0].folder / names[0].text).unlink()
    changed = {new.folder, names[0].folder}
    assert scan() == (1 + len(changed), {name.text for name in names[1:]} | {new.text})


@pytest.mark.parametrize("spoil", ["bytes", "digest", "cache"])
def test_a_saved_listing_that_is_damaged_or_of_another_cache_is_not_used(
    tmp_path: Path, spoil: str
) -> None:
    content, saved = tmp_path / "WsusContent", tmp_path / "saved.sqlite"
    (name, *_) = fill_content(content, 2)
    host = LocalHost()
    listing = ContentListing(tmp_path / "one.sqlite", host.path(str(content)))
    with HashCache(tmp_path / "hashes.sqlite") as cache:
        rescan(host, listing, cache)
    listing.record_digests([(file, None) for file in listing])  # all are taken for wrong
    listing.save(saved)
    if spoil == "bytes":
        saved.write_bytes(saved.read_bytes()[:-1] + b"?")
    elif spoil == "digest":
        saved.with_name(saved.name + ".blake3").unlink()
    else:
        (tmp_path / "hashes.sqlite").unlink()

    again = ContentListing(tmp_path / "two.sqlite", host.path(str(content)), saved=saved)
    with HashCache(tmp_path / "hashes.sqlite") as cache:
        rescan(host, again, cache)
    found = again.look_up(name)
    assert found is not None
    assert found.is_valid is None


def test_what_was_hashed_since_the_last_scan_is_proof_in_the_next(tmp_path: Path) -> None:
    content, saved = tmp_path / "WsusContent", tmp_path / "saved.sqlite"
    fill_content(content, 3)
    host = LocalHost()
    with HashCache(tmp_path / "hashes.sqlite") as cache:
        first = ContentListing(tmp_path / "one.sqlite", host.path(str(content)))
        rescan(host, first, cache)
        first.save(saved)
        files = list(first)
        items = [CopyItem((file.path,), file.size_bytes) for file in files]
        results = [result for batch in copy_files(host, None, items) for result in batch]
        pairs = zip(files, results, strict=True)
        cache.remember(((file, r.digests) for file, r in pairs if r.digests), now=NOW)

        second = ContentListing(tmp_path / "two.sqlite", host.path(str(content)), saved=saved)
        assert not rescan(host, second, cache)
        assert len(list(second.unproved())) == 3
        cache.forget_recent(refresh_proofs(second, cache))
        assert list(second.unproved()) == []
        assert cache.recent()[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a folder has no descriptor there")
def test_a_second_process_gives_the_same_states_as_this_one(tmp_path: Path) -> None:
    fill_content(tmp_path, 300)
    names = sorted(path.name for path in tmp_path.iterdir())
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        here = folder_states.read_states(descriptor, names, (), most_names=100)
        whole = [(name, True) for name in names]
        there = folder_states._read_in_two(descriptor, whole, 100)
        named = folder_states.read_states(descriptor, (), names, most_names=100)
        assert named == folder_states._read_in_two(
            descriptor, [(name, False) for name in names], 100
        )
    finally:
        os.close(descriptor)
    assert there == here
    assert sorted(here) == names


@pytest.mark.parametrize("change", ["size", "time", "name", "none"])
def test_a_state_changes_with_the_names_sizes_and_times_in_its_folder(
    tmp_path: Path, change: str
) -> None:
    name = write_content(tmp_path, b"content")
    path = tmp_path / name.folder / name.text
    host = LocalHost()

    def state() -> tuple[object, object]:
        root = host.path(str(tmp_path))
        return (
            host.folder_states(root, [name.folder]),
            host.folder_states(root, [], [name.folder]),
        )

    before = state()
    if change == "size":
        stat = path.stat()
        path.write_bytes(b"cont")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "time":
        os.utime(path, (1, 1))
    elif change == "name":
        path.rename(path.with_suffix(".exe"))
    after = state()
    assert (after[0] == before[0]) == (change == "none")
    assert (after[1] == before[1]) == (change != "name")


def cpu_seconds(work: object) -> float:
    """Least processor time of three runs."""
    assert callable(work)
    times = []
    for _ in range(3):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def test_hashing_costs_little_more_processor_time_than_its_digests_alone(tmp_path: Path) -> None:
    content = os.urandom(60_000_000)
    path = tmp_path / "file"
    path.write_bytes(content)
    host = LocalHost()
    source = (host.path(str(path)),)
    proof = blake3(content).digest()

    def run(item: CopyItem) -> None:
        ((result,),) = copy_files(host, None, [item])
        assert result.is_ok

    alone = cpu_seconds(lambda: blake3(path.read_bytes()).digest())
    both = cpu_seconds(lambda: hashlib.sha1(path.read_bytes()).digest()) + alone
    seal = CopyItem(source, len(content), blake3=Blake3(proof))
    assert cpu_seconds(lambda: run(seal)) < 1.6 * alone
    assert cpu_seconds(lambda: run(CopyItem(source, len(content)))) < 1.4 * both
