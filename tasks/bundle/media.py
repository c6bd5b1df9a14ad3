"""Read-only access to media; a disk error is a failure, never a fault of the bundle.

A medium may be pulled, decay, or lose its mount at any instant. Then opening, listing or reading
raises a ``HostFileError``, even for a folder that was listed a moment ago. A bundle is judged only
by bytes and names that were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tasks.errors import AirGapError, HostFileError
from tasks.hosts.host import FileStat, Hasher, HashesApart, Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_many
from tasks.refusals import FolderUnsafeError

_REMEDY = (
    "Is the medium there, and can it be read? Put it in again, or take another copy of the "
    "bundle, then run the same command again."
)


@dataclass(frozen=True, slots=True)
class Media:
    """Media opened for reading only. ``host`` is the machine that they are mounted on."""

    host: Host

    def stat(self, path: HostPath) -> FileStat | None:
        """Return the stat of a path without following a link; None if nothing is there.

        Raises:
            HostFileError: The medium cannot be read.
        """
        with _as_failure("stat", path):
            return self.host.stat(path)

    def list_folder(self, folder: HostPath) -> list[FileStat]:
        """List one folder that was seen before, sorted by name.

        Raises:
            HostFileError: The folder cannot be listed, does not exist any more, or holds too many
                names.
        """
        with _as_failure("list", folder):
            stats = self.host.list_folder(folder, must_exist=True)
        return sorted(stats, key=lambda stat: stat.name)

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        """Yield a file's bytes in order. A view is valid only until the next view is requested.

        Raises:
            HostFileError: The file cannot be opened or read.
        """
        try:
            yield from self.host.read(path, offset=offset)
        except (HostFileError, FolderUnsafeError) as error:
            raise _failure("read", path, error) from error

    def read_files(
        self, files: Iterable[tuple[HostPath, int]]
    ) -> Iterator[tuple[int, bytes | AirGapError]]:
        """Read small files whole, in order; a file that cannot be read is a ``HostFileError``."""
        paths: list[HostPath] = []

        def noted() -> Iterator[tuple[HostPath, int]]:
            for path, limit_bytes in files:
                paths.append(path)
                yield path, limit_bytes

        for number, content in read_many(self.host, noted()):
            if isinstance(content, (HostFileError, FolderUnsafeError)):
                yield number, _failure("read", paths[number], content)
            else:
                yield number, content

    def new_hasher(self) -> Hasher | None:
        """Start a process that hashes large files; None if the host cannot."""
        return self.host.new_hasher() if isinstance(self.host, HashesApart) else None


@contextmanager
def _as_failure(operation: str, path: HostPath) -> Iterator[None]:
    try:
        yield
    except (HostFileError, FolderUnsafeError) as error:
        raise _failure(operation, path, error) from error


def _failure(
    operation: str, path: HostPath, error: HostFileError | FolderUnsafeError
) -> HostFileError:
    facts = {"remedy": _REMEDY} | error.facts
    return HostFileError(
        operation=operation, path=path, reason=facts["reason"], remedy=facts["remedy"]
    )
