"""Look at media and read them: a fault of the disk is a failure, never a fault of the bundle.

A medium may be pulled, rot, or lose its mount at any instant. What cannot be opened, listed or read
then, a folder that was listed a moment ago included, is a ``HostFileError``; only bytes and names
that were read may be judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tasks.errors import HostFileError
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.refusals import FolderUnsafeError

_REMEDY = (
    "Is the medium there, and can it be read? Put it in again, or take another copy of the "
    "bundle, then run the same command again."
)


@dataclass(frozen=True, slots=True)
class Media:
    """Media that are only looked at and read. ``host`` is the machine that they are mounted on."""

    host: Host

    def stat(self, path: HostPath) -> FileStat | None:
        """Say what is at a path, link not followed; None when nothing is.

        Raises:
            HostFileError: It cannot be said.
        """
        with _as_failure("stat", path):
            return self.host.stat(path)

    def list_folder(self, folder: HostPath) -> list[FileStat]:
        """List one folder that was seen before, sorted by name.

        Raises:
            HostFileError: It cannot be listed; also when it is gone, or holds too many names.
        """
        with _as_failure("list", folder):
            listed = self.host.list_folder(folder, must_exist=True)
        return sorted(listed, key=lambda stat: stat.name)

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        """Yield a file's bytes in order. A view is valid only until the next one is asked for.

        Raises:
            HostFileError: It cannot be opened or read.
        """
        with _as_failure("read", path):
            yield from self.host.read(path, offset=offset)


@contextmanager
def _as_failure(operation: str, path: HostPath) -> Iterator[None]:
    try:
        yield
    except (HostFileError, FolderUnsafeError) as error:
        facts = {"remedy": _REMEDY} | error.facts
        raise HostFileError(
            operation=operation, path=path, reason=facts["reason"], remedy=facts["remedy"]
        ) from error
