"""The memory of hashes: a damaged one costs time, never a run that cannot go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.content.hash_cache import HashCache
from tasks.content.names import Blake3, FileDigests
from tasks.content.scan import ContentFile, scan
from tasks.errors import HostFileError
from tasks.hosts.local import LocalHost
from tests.support.bundles import NOW, fill_content

# The first page tells what tables there are; it can be whole when the others are not.
_PAGE_BYTES = 4_096


def _filled(folder: Path) -> tuple[Path, list[ContentFile]]:
    content, path = folder / "WsusContent", folder / "hashes.sqlite"
    fill_content(content, 400)
    host = LocalHost()
    with HashCache(path) as memory:
        found = list(scan(host, host.path(str(content)), remembered=memory.lookup))
        memory.remember([(file, _digests(file)) for file in found], now=NOW)
    return path, found


def _digests(file: ContentFile) -> FileDigests:
    return FileDigests(file.name.digest, Blake3(bytes(32)), file.size_bytes)


def _junk(content: bytes) -> bytes:
    return b"junk" * 2_000


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("spoil", [_junk, _half])
def test_a_memory_that_cannot_be_opened_is_thrown_away(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path, (first, *_) = _filled(tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    with HashCache(path) as memory:
        assert memory.lookup(first) is None
        memory.remember([(first, _digests(first))], now=NOW)
        memory.flush()
    with HashCache(path) as memory:
        assert memory.knows(first.name.digest)


def test_a_digest_is_seen_as_soon_as_it_is_remembered(tmp_path: Path) -> None:
    """Else a second scan of the run counts the file as not proved, and a receipt as missing."""
    path, (first, second, *_) = _filled(tmp_path)
    path.unlink()
    with HashCache(path) as memory:
        memory.remember([(first, _digests(first))], now=NOW)
        assert memory.lookup(first) == _digests(first)
        assert memory.lookup(replace(first, mtime_ns=first.mtime_ns + 1)) is None
        assert memory.lookup(second) is None
        assert memory.knows(first.name.digest)
        assert not memory.knows(second.name.digest)


def _look_up(memory: HashCache, found: list[ContentFile]) -> None:
    memory.lookup(found[0])


def _remember(memory: HashCache, found: list[ContentFile]) -> None:
    memory.remember([(file, _digests(file)) for file in found], now=NOW)
    memory.flush()


@pytest.mark.parametrize("use", [_look_up, _remember])
def test_a_memory_that_turns_out_to_be_damaged_ends_one_run_and_no_other(
    tmp_path: Path, use: Callable[[HashCache, list[ContentFile]], None]
) -> None:
    path, found = _filled(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:_PAGE_BYTES] + b"\xff" * (len(content) - _PAGE_BYTES))
    with (
        HashCache(path) as memory,
        pytest.raises(HostFileError, match="only saved time and was removed"),
    ):
        use(memory, found)
    with HashCache(path) as memory:
        assert memory.lookup(found[0]) is None
