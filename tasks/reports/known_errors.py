"""Translation of errors of Python and SQLite into ours: a disk may fail at any small write."""

from __future__ import annotations

import errno
import sqlite3

from tasks.errors import AirGapError, DiskFullError, HostFileError
from tasks.hosts.os_errors import file_fault

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


def foreseen(error: Exception) -> AirGapError | None:
    """Translate an error that was not translated where it was raised; None if it was unforeseen.

    A disk may be full, read-only or broken at any write of our own small files.
    """
    if isinstance(error, AirGapError):
        return error
    # The other classes of sqlite3 errors show mistakes in our own code.
    if type(error) in (sqlite3.OperationalError, sqlite3.DatabaseError):
        database = "a database in the state folder"
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            return DiskFullError(path=database)
        return HostFileError(operation="use", path=database, reason=str(error))
    if isinstance(error, OSError) and (error.filename or error.errno in _DISK):
        return file_fault("use", error.filename or "a file in the state folder", error)
    return None
