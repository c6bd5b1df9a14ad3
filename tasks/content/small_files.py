"""Copy or prove small files, many of them by one call.

To or from another machine many are in flight at a time: each waits for several answers, so that one
file after the other would take a few round trips each. On this machine a folder is opened once for
all files in it. The bytes of each file are in memory as a whole, are judged, and only right ones
are written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from blake3 import blake3

from tasks.content.copy_item import (
    FATAL,
    CopyItem,
    CopyResult,
    judge,
    judge_sealed,
    too_long,
)
from tasks.content.digest import digest_bytes
from tasks.content.names import Blake3
from tasks.errors import AirGapError
from tasks.hosts.host import Host, Readable
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_many, write_many
from tasks.progress import Progress


def copy_small_files(
    source: Readable,
    destination: Host | None,
    group: Sequence[tuple[int, CopyItem]],
    progress: Progress,
) -> dict[int, CopyResult]:
    """Copy or prove small files of one source each; wrong bytes are not written at all."""
    results: dict[int, CopyResult] = {}
    written: list[tuple[int, CopyItem]] = []
    reads = read_many(source, ((item.sources[0], item.size_bytes) for _, item in group))

    def judged_files() -> Iterator[tuple[HostPath, bytes]]:
        for position, content in reads:
            index, item = group[position]
            result = results[index] = _judge_content(item, content)
            if isinstance(content, bytes):
                progress.advance(len(content))
                if result.error is None and item.beside is not None:
                    written.append(group[position])
                    yield item.beside, content

    if destination is None:
        deque(judged_files(), maxlen=0)
        return results
    for number, error in write_many(destination, judged_files()):
        index, item = written[number]
        if isinstance(error, FATAL):
            raise error
        digests = results[index].digests if error is None else None
        results[index] = CopyResult(item, digests, error, written=True)
    return results


def _judge_content(item: CopyItem, content: bytes | AirGapError) -> CopyResult:
    if isinstance(content, AirGapError):
        return CopyResult(item, None, content)
    if len(content) > item.size_bytes:
        return CopyResult(item, None, too_long(item.sources[0], item.size_bytes))
    if item.is_sealed_only:
        return judge_sealed(item, Blake3(blake3(content).digest()), len(content))
    return judge(item, digest_bytes(content), is_written=False)
