"""Copy or prove small files to or from another machine, many of them at a time.

Each file on another machine waits for several answers, so that one file after the other would take
a few round trips each. The bytes of each file are in memory as a whole, are judged, and only right
ones are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tasks.content.copy_item import FATAL, CopyItem, CopyResult, judge, read_bounded, too_long
from tasks.content.digest import Digester
from tasks.errors import AirGapError, FailedError
from tasks.hosts.host import FilesInFlight, Host, Readable
from tasks.hosts.paths import HostPath
from tasks.progress import Progress
from tasks.refusals import FolderUnsafeError

# Larger files are streamed.
SMALL_IN_FLIGHT_BYTES = 4 * 1_048_576


def copy_in_flight(
    source: Readable,
    destination: Host | None,
    group: Sequence[tuple[int, CopyItem]],
    progress: Progress,
) -> dict[int, CopyResult]:
    """Copy or prove small files, many of them at a time; wrong bytes are not written at all."""
    results: dict[int, CopyResult] = {}
    written: list[int] = []

    def judged_files() -> Iterator[tuple[HostPath, bytes]]:
        for position, content in _read_files(source, [item for _, item in group]):
            index, item = group[position]
            results[index] = _judge_content(item, content)
            if isinstance(content, bytes):
                progress.advance(len(content))
                if results[index].is_ok and item.beside is not None:
                    written.append(position)
                    yield item.beside, content

    for number, error in _write_files(destination, judged_files()):
        index, item = group[written[number]]
        if isinstance(error, FATAL):
            raise error
        results[index] = replace(results[index], written=True)
        if error is not None:
            results[index] = CopyResult(item, None, error, written=True)
    return results


def _judge_content(item: CopyItem, content: bytes | AirGapError) -> CopyResult:
    if isinstance(content, AirGapError):
        return CopyResult(item, None, content)
    if len(content) > item.size_bytes:
        return CopyResult(item, None, too_long(item.sources[0], item.size_bytes))
    digester = Digester()
    digester.update(content)
    return judge(item, digester.result(), is_written=False)


def _read_files(
    source: Readable, items: Sequence[CopyItem]
) -> Iterator[tuple[int, bytes | AirGapError]]:
    """Yield the bytes of small files with their places in ``items``."""
    if isinstance(source, FilesInFlight):
        yield from source.read_files((item.sources[0], item.size_bytes) for item in items)
        return
    for position, item in enumerate(items):
        try:
            content = bytearray()
            for chunk in read_bounded(source, item.sources, item.size_bytes):
                content += chunk  # a chunk is valid only until the next one
            yield position, bytes(content)
        except FATAL:
            raise
        except (FailedError, FolderUnsafeError) as error:
            yield position, error


def _write_files(
    destination: Host | None, files: Iterable[tuple[HostPath, bytes]]
) -> Iterator[tuple[int, AirGapError | None]]:
    """Write small files, and yield how each ended with its place in ``files``."""
    host: object = destination  # mypy takes both protocols together for impossible
    if isinstance(host, FilesInFlight):
        yield from host.write_files(files)
        return
    for position, (path, content) in enumerate(files):
        try:
            if destination is not None:
                destination.write(path, [content])
            yield position, None
        except FATAL:
            raise
        except (FailedError, FolderUnsafeError) as error:
            yield position, error
