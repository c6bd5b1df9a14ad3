"""Write one file atomically, or read the start of a small one."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.hosts.host import Host, Readable
from tasks.hosts.paths import HostPath

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
