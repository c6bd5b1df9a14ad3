"""The most memory that this process has had."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_mib() -> float:
    """Peak memory in MiB; on Linux not ``ru_maxrss``, which a child inherits from its parent."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no such figure in the standard library")
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").split("VmHWM:")[1].split()[0]) / 1024
    import resource  # POSIX only

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # macOS counts bytes
