"""Turn errors of the operating system into ours, and retry errors that pass by waiting.

Virus scanners and indexers open new files for a moment. On Windows an operation on such a file
fails with a sharing violation, and the only cure is to try again a little later.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from tasks.errors import AirGapError, DiskFullError, HostFileError
from tasks.hosts.host import MOST_NAMES
from tasks.hosts.paths import HostPath
from tasks.hosts.waiting import repeat_after_errors
from tasks.refusals import FolderUnsafeError

Result = TypeVar("Result")

SHARING_DELAYS_SECONDS = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_SHARING_CODES = frozenset({5, 32, 33})  # access denied (a delete is pending), sharing, lock
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def _is_sharing_violation(error: Exception) -> bool:
    """Return True if another program has the file open at the moment."""
    if not isinstance(error, OSError):
        return False
    code = getattr(error, "winerror", None)
    return code in _SHARING_CODES if code is not None else error.errno == errno.EBUSY


def retry_sharing(action: Callable[[], Result]) -> Result:
    """Carry out a file operation, and repeat it while another program has the file open.

    Raises:
        OSError: The error of the last try, or the first error that waiting cannot cure.
    """
    return repeat_after_errors(
        action, delays_seconds=SHARING_DELAYS_SECONDS, passes=_is_sharing_violation
    )


def file_fault(operation: str, path: object, error: OSError) -> AirGapError:
    """Return our error for an error of the operating system, with the path and its own reason."""
    if error.errno in _FULL:
        return DiskFullError(path=path)
    if error.errno == errno.ELOOP:
        return FolderUnsafeError(path=path, reason="it is a link, which we do not follow")
    reason = error.strerror or str(error) or type(error).__name__
    return HostFileError(operation=operation, path=path, reason=reason)


def require_listable(folder: HostPath, count: int) -> None:
    """See that a folder holds no more names than we list.

    Raises:
        HostFileError: It does.
    """
    if count > MOST_NAMES:
        raise HostFileError(
            operation="list",
            path=folder,
            reason=f"it holds more than {MOST_NAMES:,} names, which no folder of a bundle or of "
            "WSUS does",
            remedy="Take away what does not belong there, then run the same command again.",
        )
