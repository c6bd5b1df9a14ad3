"""Listing WsusContent."""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from tasks.content.digest import digest_chunks
from tasks.content.hash_cache import HashCache
from tasks.content.scan import ContentFile, scan
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import Platform
from tests.support.bundles import fill_content, write_content
from tests.support.memory_host import MemoryHost

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _scan(folder: Path) -> list[ContentFile]:
    host = LocalHost()
    return list(scan(host, host.path(str(folder))))


def test_a_scan_finds_every_content_file_in_the_one_order(tmp_path: Path) -> None:
    names = fill_content(tmp_path, 300)

    found = _scan(tmp_path)

    assert [file.name for file in found] == sorted(set(names), key=lambda name: name.order)
    assert all(
        Path(file.path.text).stat().st_size == file.size_bytes and file.digests is None
        for file in found
    )


def test_what_is_no_content_file_is_passed_over_and_not_followed(tmp_path: Path) -> None:
    name = write_content(tmp_path, b"good")
    folder = tmp_path / name.folder
    other = "11" if name.folder != "11" else "22"
    (tmp_path / other).mkdir()
    (tmp_path / other / name.text).write_bytes(b"good")
    (tmp_path / "anonymousCheckFile.txt").write_bytes(b"")
    (folder / "BIT12.tmp").write_bytes(b"half")
    (folder / ".hidden").write_bytes(b"")
    (folder / "readme.txt").write_bytes(b"")
    (folder / name.text.lower()).write_bytes(b"good")
    (folder / ("A" * 38 + name.folder + ".cab")).symlink_to(folder / name.text)
    (tmp_path / "not-a-folder").mkdir()
    (tmp_path / "AB").symlink_to(folder)

    found = _scan(tmp_path)

    assert [file.name for file in found] == [name]


def test_two_extensions_that_differ_only_in_case_are_one_file(tmp_path: Path) -> None:
    name = write_content(tmp_path, b"good", "CAB")
    write_content(tmp_path, b"good", "cab")

    found = _scan(tmp_path)

    assert [file.name for file in found] == [name]


def test_a_windows_server_may_write_names_in_any_case() -> None:
    host = MemoryHost(platform=Platform.WINDOWS)
    root = host.path("D:\\WSUS\\WsusContent")
    host.make_folder(root.joined("aa"))
    host.write(root.joined("aa", "bb" * 19 + "aa.CAB"), [b"x"])

    (found,) = scan(host, root)

    assert found.path.text == f"D:\\WSUS\\WsusContent\\AA\\{'BB' * 19}AA.CAB"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert _scan(tmp_path / "missing") == []


def test_the_memory_knows_a_file_until_it_looks_different(tmp_path: Path) -> None:
    content = tmp_path / "content"
    name = write_content(content, b"good")
    host = LocalHost()
    root = host.path(str(content))
    digests = digest_chunks([b"good"])
    with HashCache(tmp_path / "hashes.sqlite") as memory:
        memory.remember([(file, digests) for file in scan(host, root)], now=NOW)

    with HashCache(tmp_path / "hashes.sqlite") as memory:
        (known,) = scan(host, root, remembered=memory.lookup)
        path = content / name.folder / name.text
        (content / "other").write_bytes(b"baad")
        shutil.copystat(path, content / "other")
        (content / "other").replace(path)
        (replaced,) = scan(host, root, remembered=memory.lookup)
        memory.remember([(replaced, digests)], now=NOW)
        memory.flush()
        os.utime(path, ns=(1, 1))
        (touched,) = scan(host, root, remembered=memory.lookup)

    assert known.digests == digests
    assert (known.size_bytes, known.mtime_ns) == (replaced.size_bytes, replaced.mtime_ns)
    assert replaced.digests is None
    assert touched.digests is None


def test_the_memory_writes_in_batches_and_keeps_what_an_error_leaves(tmp_path: Path) -> None:
    names = fill_content(tmp_path / "content", 1_500, most_bytes=8)
    host = LocalHost()
    root = host.path(str(tmp_path / "content"))
    digests = digest_chunks([b""])

    def remember_and_fail() -> None:
        with HashCache(tmp_path / "hashes.sqlite") as memory:
            memory.remember([(file, digests) for file in scan(host, root)], now=NOW)
            raise RuntimeError

    with contextlib.suppress(RuntimeError):
        remember_and_fail()

    with HashCache(tmp_path / "hashes.sqlite") as memory:
        known = [file.digests for file in scan(host, root, remembered=memory.lookup)]
    assert len(known) == len(set(names))
    assert all(known)
