"""Write one file atomically, or read the start of a small one."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.hosts.host import Host, Readable
from tasks.hosts.paths import HostPath

_BESIDE = ".part"


def write_atomic(host: Host, target: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
    """Write beside, flush, rename, flush the name; gives how many bytes it has.

    What had the name before is replaced. Killed on the way, nothing but ``<name>.part`` is left,
    and the next call overwrites that. The folder must exist.

    Raises:
        DiskFullError, HostFileError: As from the host; the name is untouched.
    """
    beside = target.parent.joined(target.name + _BESIDE)
    size_bytes = host.write(beside, chunks)
    host.flush_files([beside]).require_all()
    host.rename([(beside, target)]).require_all()
    host.flush_folders([target.parent])
    return size_bytes


def read_limited(host: Readable, path: HostPath, *, limit_bytes: int) -> bytes:
    """Read a file up to a limit; one byte more is given where there is more, so that it shows.

    Raises:
        HostFileError, FolderUnsafeError: As from the host.
    """
    content = bytearray()
    for view in host.read(path):
        content += view
        if len(content) > limit_bytes:
            break
    return bytes(content[: limit_bytes + 1])
