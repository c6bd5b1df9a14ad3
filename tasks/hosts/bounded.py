"""Reading small files that somebody else may have written: never more of them than is wanted."""

from __future__ import annotations

from tasks.hosts.host import Readable
from tasks.hosts.paths import HostPath


def read_start(host: Readable, path: HostPath, *, limit_bytes: int) -> bytes:
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
