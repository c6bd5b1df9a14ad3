"""A ledger that cannot be read, or whose rows are not what this product writes: one sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from tasks.errors import HostFileError

_REMEDY = (
    "Check the disk and the account's rights there. If the file is damaged, restore the state "
    "folder from its backup; do not begin an empty one, it guards what may be imported."
)


def ledger_fault(operation: str, path: Path, reason: str) -> HostFileError:
    """Make the error of a ledger that cannot be used."""
    return HostFileError(operation=operation, path=path, reason=reason, remedy=_REMEDY)


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Name the ledger in place of what reading its rows raises.

    Raises:
        HostFileError: A row is damaged, or cannot be read.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _damaged(connection, f"{where}: {first['msg']}") from error
    except (KeyError, OverflowError, TypeError, ValueError, sqlite3.Error) as error:
        raise _damaged(connection, str(error)) from error


def _damaged(connection: sqlite3.Connection, reason: str) -> HostFileError:
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    return ledger_fault("read", Path(path), f"a row of it is damaged ({reason})")
