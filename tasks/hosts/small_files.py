"""Write one file atomically, read the start of a small one, or read and write many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.errors import AirGapError, ConnectionLostError, FailedError, TimeLimitError
from tasks.hosts.host import Host, Readable, ReadsMany, WritesMany
from tasks.hosts.paths import HostPath
from tasks.refusals import FolderUnsafeError

_BESIDE = ".part"


def write_atomic(host: Host, target: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
    """Write a file beside, flush it, rename it, and flush the name; return its size.

    An existing file of the name is replaced. After a kill on the way only ``<name>.part`` is left,
    and the next call overwrites it. The folder must exist.

    Raises:
        DiskFullError, HostFileError: As from the host; the existing file is unchanged.
    """
    beside = target.parent.joined(target.name + _BESIDE)
    size_bytes = host.write(beside, chunks)
    host.flush_files([beside]).require_all()
    host.rename([(beside, target)]).require_all()
    host.flush_folders([target.parent])
    return size_bytes


def read_limited(host: Readable, path: HostPath, *, limit_bytes: int) -> bytes:
    """Read a file up to a limit, plus one byte if it is longer, so that the caller notices.

    Raises:
        HostFileError, FolderUnsafeError: As from the host.
    """
    content = bytearray()
    for view in host.read(path):
        content += view
        if len(content) > limit_bytes:
            break
    return bytes(content[: limit_bytes + 1])


def read_many(
    host: Readable, files: Iterable[tuple[HostPath, int]]
) -> Iterator[tuple[int, bytes | AirGapError]]:
    """Read small files, each up to its limit in bytes and one byte more, as ``ReadsMany`` does."""
    if isinstance(host, ReadsMany):
        yield from host.read_files(files)
        return
    for number, (path, limit_bytes) in enumerate(files):
        content: bytes | AirGapError
        try:
            content = read_limited(host, path, limit_bytes=limit_bytes)
        except (ConnectionLostError, TimeLimitError):
            raise
        except (FailedError, FolderUnsafeError) as error:
            content = error
        yield number, content


def write_many(
    host: Host, files: Iterable[tuple[HostPath, bytes]]
) -> Iterator[tuple[int, AirGapError | None]]:
    """Create or replace small files, and yield how each ended, as ``WritesMany`` does."""
    writer: object = host  # mypy takes both protocols together for impossible
    if isinstance(writer, WritesMany):
        yield from writer.write_files(files)
        return
    for number, (path, content) in enumerate(files):
        fault: AirGapError | None = None
        try:
            host.write(path, [content])
        except (ConnectionLostError, TimeLimitError):
            raise
        except (FailedError, FolderUnsafeError) as error:
            fault = error
        yield number, fault
