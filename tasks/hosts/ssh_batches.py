"""Many files over SFTP at a time: read, write, flush, rename, remove and look at them.

A batch costs a few round trips, not a few for each file (``ssh_pipeline``). Each file is judged by
itself; the others go on.
"""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import paramiko

from tasks.errors import AirGapError, HostFileError
from tasks.hosts.host import FileStat, Item, Outcome
from tasks.hosts.paths import HostPath, Platform
from tasks.hosts.ssh_connection import SshConnection
from tasks.hosts.ssh_files import SshFiles, file_stat, may_be_sharing
from tasks.hosts.ssh_guard import FolderGuard, is_link
from tasks.hosts.ssh_pipeline import Job, run_jobs
from tasks.hosts.ssh_sftp import (
    Exchange,
    Limits,
    SftpStatusError,
    chmod,
    flush,
    lstat,
    posix_rename,
    read_whole,
    remove,
    write_whole,
)

# The server's process of a channel waits for the disk at each flush; several processes wait
# together.
_FLUSH_CHANNELS = 4
_LEAST_PER_CHANNEL = 4


class SshBatches:
    """Calls for many files of an SSH host. For many threads."""

    def __init__(
        self, connection: SshConnection, platform: Platform, guard: FolderGuard, files: SshFiles
    ) -> None:
        self._connection = connection
        self._platform = platform
        self._guard = guard
        self._files = files

    def read_files(
        self, files: Iterable[tuple[HostPath, int]]
    ) -> Iterator[tuple[int, bytes | AirGapError]]:
        """Read small files whole, each up to its limit in bytes and one byte more."""

        def begin(
            path: HostPath, limit_bytes: int, limits: Limits, _is_repeated: object
        ) -> Exchange[bytes]:
            attributes = yield from self._guard.look_at_file(path)
            size_bytes = (attributes.st_size or 0) if attributes is not None else 0
            blocks = yield from read_whole(
                path.sftp,
                size_bytes=size_bytes,
                limit_bytes=limit_bytes,
                block_bytes=limits.read_bytes,
            )
            return bytes(blocks[0]) if len(blocks) == 1 else b"".join(blocks)

        jobs = (
            Job((index, path), partial(begin, path, limit_bytes), limit_bytes)
            for index, (path, limit_bytes) in enumerate(files)
        )
        for ended in run_jobs(self._connection, jobs):
            index, path = ended.item
            if ended.result is None:
                yield index, _fault("read", path, ended.error)
            else:
                yield index, ended.result

    def write_files(
        self, files: Iterable[tuple[HostPath, bytes]]
    ) -> Iterator[tuple[int, AirGapError | None]]:
        """Create or replace small files."""

        def begin(
            path: HostPath, content: bytes, limits: Limits, _is_repeated: object
        ) -> Exchange[None]:
            yield from self._guard.look_at_file(path)
            yield from write_whole(path.sftp, content, block_bytes=limits.write_bytes)

        jobs = (
            Job((index, path), partial(begin, path, content), len(content))
            for index, (path, content) in enumerate(files)
        )
        for ended in run_jobs(self._connection, jobs):
            index, path = ended.item
            if isinstance(ended.error, SftpStatusError):
                yield index, self._files.write_fault(path, ended.error)
            else:
                yield index, ended.error

    def flush(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Make files durable one by one; if ``can_flush`` is False afterwards, none is durable."""

        def begin(path: HostPath, _is_repeated: object) -> Exchange[None]:
            yield from self._guard.look_at_file(path)
            if not (yield from flush(path.sftp, self._files.flush_flags)):
                self._files.can_flush = False

        def flush_some(some: Sequence[HostPath]) -> Outcome[HostPath]:
            return self._batch("flush", some, lambda path: path, begin)

        size = max(-(-len(paths) // _FLUSH_CHANNELS), _LEAST_PER_CHANNEL)
        groups = [paths[start : start + size] for start in range(0, len(paths), size)]
        with ThreadPoolExecutor(_FLUSH_CHANNELS) as pool:
            outcomes = list(pool.map(flush_some, groups))
        return Outcome(
            tuple(path for outcome in outcomes for path in outcome.ok),
            tuple(pair for outcome in outcomes for pair in outcome.failed),
        )

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool
    ) -> Outcome[tuple[HostPath, HostPath]]:
        """Rename files, replacing files with the new names."""

        def begin(move: tuple[HostPath, HostPath], is_repeated: object) -> Exchange[None]:
            source, target = move
            if inherit:
                yield from _take_permissions(source, target)
            yield from self._guard.look_at_folders(source)
            yield from self._guard.look_at_folders(target)
            try:
                yield from posix_rename(source.sftp, target.sftp)
            except SftpStatusError:
                # The answer to an earlier try may have been lost with its connection.
                if not is_repeated or (yield from lstat(source.sftp)) is not None:
                    raise
                if (yield from lstat(target.sftp)) is None:
                    raise

        return self._batch("rename", moves, lambda move: move[0], begin)

    def remove(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Remove files or empty folders; a missing path counts as removed."""

        def begin(path: HostPath, _is_repeated: object) -> Exchange[None]:
            attributes = yield from self._guard.look_at_link(path)
            if attributes is None:
                return
            is_folder = stat.S_ISDIR(attributes.st_mode or 0)
            if self._platform is Platform.WINDOWS and is_link(attributes):
                with contextlib.suppress(SftpStatusError):  # a junction is removed like a folder
                    yield from remove(path.sftp, is_folder=True)
                    return
            try:
                yield from remove(path.sftp, is_folder=is_folder)
            except SftpStatusError:
                if (yield from lstat(path.sftp)) is not None:
                    raise

        return self._batch("remove", paths, lambda path: path, begin)

    def stat_files(self, paths: Sequence[HostPath]) -> dict[HostPath, FileStat | AirGapError]:
        """Return the stats of many paths; a path where nothing is has none."""
        stats: dict[HostPath, FileStat | AirGapError] = {}

        def begin(
            path: HostPath, _limits: object, _is_repeated: object
        ) -> Exchange[paramiko.SFTPAttributes | None]:
            return self._guard.look_at_link(path)

        jobs = (Job(path, partial(begin, path)) for path in paths)
        for ended in run_jobs(self._connection, jobs):
            if ended.error is not None:
                stats[ended.item] = _fault("stat", ended.item, ended.error)
            elif ended.result is not None:
                stats[ended.item] = file_stat(ended.item.name, ended.result)
        return stats

    def _batch(
        self,
        operation: str,
        items: Sequence[Item],
        path_of: Callable[[Item], HostPath],
        begin: Callable[[Item, bool], Exchange[None]],
    ) -> Outcome[Item]:
        """Carry out an exchange for each item, many at a time.

        On Windows those that were refused are repeated together after each pause, because a virus
        scanner may have had their files open.
        """
        errors: dict[int, SftpStatusError | AirGapError] = {}

        def of_item(i: int) -> Callable[[Limits, bool], Exchange[None]]:
            return lambda _limits, is_repeated: begin(items[i], is_repeated)

        tries = list(range(len(items)))
        for delay_seconds in (*self._files.sharing_delays_seconds, None):
            for ended in run_jobs(self._connection, [Job(i, of_item(i)) for i in tries]):
                errors.pop(ended.item, None)
                if ended.error is not None:
                    errors[ended.item] = ended.error
            tries = [i for i, error in errors.items() if may_be_sharing(error)]
            if not tries or delay_seconds is None:
                break
            time.sleep(delay_seconds)
        return Outcome(
            tuple(item for i, item in enumerate(items) if i not in errors),
            tuple(
                (items[i], _fault(operation, path_of(items[i]), errors[i])) for i in sorted(errors)
            ),
        )


def _fault(
    operation: str, path: HostPath, error: SftpStatusError | AirGapError | None
) -> AirGapError:
    """Translate the error of one file into ours."""
    if isinstance(error, AirGapError):
        return error
    reason = "no result" if error is None else error.strerror or str(error)
    return HostFileError(operation=operation, path=path, reason=reason)


def _take_permissions(source: HostPath, target: HostPath) -> Exchange[None]:
    folder = yield from lstat(target.parent.sftp)
    file = yield from lstat(source.sftp)
    if folder is not None and file is not None and stat.S_ISREG(file.st_mode or 0):
        yield from chmod(source.sftp, stat.S_IMODE(folder.st_mode or 0o755) & 0o666)
