"""Put one file where it belongs: whole and durable under its name, or not there at all."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath

_BESIDE = ".part"


def put_file(host: Host, target: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
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
