"""Names and single files over SFTP, without following links.

SFTP cannot open a file without following a link, so names are checked before: the name itself
every time, its parent folder every 30 seconds. In folders that only administrators can write to,
nobody can use the time between check and use.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import paramiko

from tasks.errors import AirGapError, ConnectionLostError, DiskFullError, HostFileError
from tasks.hosts.host import FileStat, Item, Outcome
from tasks.hosts.os_errors import SHARING_DELAYS_SECONDS, require_listable
from tasks.hosts.paths import HostPath, Platform
from tasks.hosts.ssh_connection import SshConnection
from tasks.hosts.ssh_sftp import FAILURE, OP_UNSUPPORTED, SftpChannel, SftpStatusError
from tasks.hosts.ssh_transfer import WINDOW_BYTES, read_file, write_file
from tasks.hosts.waiting import retry
from tasks.refusals import FolderUnsafeError

Result = TypeVar("Result")

_LOOK_AGAIN_SECONDS = 30.0
_LARGEST_BYTES = (1 << 63) - 1  # the largest size in SQLite; the protocol allows more
_MOST_REMEMBERED = 4_096
_BATCH_THREADS = 4
_THREADS_FROM = 16


class SshFiles:
    """File calls of an SSH host. For many threads."""

    def __init__(self, connection: SshConnection, platform: Platform) -> None:
        self._connection = connection
        self._platform = platform
        self._checked_at: dict[str, float] = {}
        self._guarded: set[str] = set()
        self.can_flush = True  # until the server says that it does not offer it

    # --- guarding ------------------------------------------------------------------------------

    def guard(self, folder: HostPath) -> None:
        """From now on check every folder between this folder and any path used below it."""
        self._guarded.add(folder.text)

    def _look(self, sftp: SftpChannel, path: HostPath) -> paramiko.SFTPAttributes | None:
        """Return the attributes of a path; None if nothing is there.

        Raises:
            FolderUnsafeError: The path or its parent folder is a link.
        """
        for folder in self._chain(path.parent):
            self._look_at_folder(sftp, folder)
        attributes = _lstat(sftp, path)
        if attributes is not None and _is_link(attributes):
            raise _link_error(path)
        return attributes

    def _chain(self, folder: HostPath) -> list[HostPath]:
        separator = "\\" if self._platform is Platform.WINDOWS else "/"
        chain = [folder]
        roots = [root for root in self._guarded if folder.text.startswith(root + separator)]
        while roots and chain[-1].text not in roots:
            chain.append(chain[-1].parent)
        return chain[::-1]

    def _look_at_folder(self, sftp: SftpChannel, folder: HostPath) -> None:
        now = time.monotonic()
        if now - self._checked_at.get(folder.text, -_LOOK_AGAIN_SECONDS) < _LOOK_AGAIN_SECONDS:
            return
        attributes = _lstat(sftp, folder)
        if attributes is not None and _is_link(attributes):
            raise _link_error(folder)
        if attributes is not None:
            if len(self._checked_at) >= _MOST_REMEMBERED:
                self._checked_at.clear()
            self._checked_at[folder.text] = now

    def _refuse_link(self, path: HostPath) -> Callable[[SftpChannel], None]:
        def check(sftp: SftpChannel) -> None:
            attributes = self._look(sftp, path)
            if attributes is not None and not stat.S_ISREG(attributes.st_mode or stat.S_IFREG):
                raise HostFileError(operation="open", path=path, reason="it is not a plain file")

        return check

    # --- calls ---------------------------------------------------------------------------------

    def call(
        self, operation: str, path: HostPath, action: Callable[[SftpChannel], Result]
    ) -> Result:
        """Carry out an action on a channel, and translate its errors into ours."""
        with self._faults(operation, path), self._connection.channel() as channel:
            return channel.call(lambda sftp: self._retry_sharing(action, sftp))

    def _retry_sharing(self, action: Callable[[SftpChannel], Result], sftp: SftpChannel) -> Result:
        """Repeat a refused action on Windows, where a virus scanner may have the file open."""
        is_windows = self._platform is Platform.WINDOWS
        return retry(
            lambda: action(sftp),
            delays_seconds=SHARING_DELAYS_SECONDS if is_windows else (),
            passes=lambda error: (
                isinstance(error, SftpStatusError) and error.code in (FAILURE, FAILURE - 1)
            ),
        )

    @contextlib.contextmanager
    def _faults(self, operation: str, path: HostPath) -> Iterator[None]:
        try:
            yield
        except SftpStatusError as error:
            reason = error.strerror or str(error)
            raise HostFileError(operation=operation, path=path, reason=reason) from error

    def stat(self, path: HostPath) -> FileStat | None:
        """Return the stat of a path; None if nothing is there."""
        attributes = self.call("stat", path, lambda sftp: self._look_at_link(sftp, path))
        return None if attributes is None else _file_stat(path.name, attributes)

    def _look_at_link(self, sftp: SftpChannel, path: HostPath) -> paramiko.SFTPAttributes | None:
        """Return the attributes of a path, which may be a link; None if nothing is there."""
        for folder in self._chain(path.parent):
            self._look_at_folder(sftp, folder)
        return _lstat(sftp, path)

    def list_folder(self, folder: HostPath, *, must_exist: bool) -> list[FileStat]:
        """List one folder; a missing one is empty unless it must exist."""

        def action(sftp: SftpChannel) -> list[FileStat]:
            if self._look(sftp, folder) is None and not must_exist:
                return []
            entries = sftp.listdir_attr(folder.sftp)
            require_listable(folder, len(entries))
            return [_file_stat(str(entry.filename), entry) for entry in entries]

        return self.call("list", folder, action)

    def read(self, path: HostPath, *, offset: int) -> Iterator[memoryview]:
        """Yield a file's bytes from an offset."""
        with self._faults("read", path):
            yield from read_file(
                self._connection, path.sftp, offset=offset, check=self._refuse_link(path)
            )

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        """Create or replace a file with the given bytes."""
        try:
            return write_file(self._connection, path.sftp, chunks, check=self._refuse_link(path))
        except SftpStatusError as error:
            raise self._write_fault(path, error) from error

    def _write_fault(self, path: HostPath, error: SftpStatusError) -> AirGapError:
        """Return the error for a failed write.

        SFTP has no status for a full disk, so the free space decides.
        """
        fault = HostFileError(operation="write", path=path, reason=error.strerror or str(error))
        if error.code != FAILURE:
            return fault
        try:
            free_bytes = self.free_bytes(path.parent)
        except AirGapError:
            return fault
        full = free_bytes is not None and free_bytes < WINDOW_BYTES
        return DiskFullError(path=path) if full else fault

    def free_bytes(self, folder: HostPath) -> int | None:
        """Return the free space on a folder's volume; None if the server cannot tell."""

        def action(sftp: SftpChannel) -> int | None:
            try:
                return sftp.free_bytes(folder.sftp)
            except SftpStatusError as error:
                if error.code != OP_UNSUPPORTED:
                    raise
                return None

        return self.call("ask for room on", folder, action)

    def create(self, path: HostPath, content: bytes) -> bool:
        """Create a small file with durable bytes atomically; False if the name exists already.

        If the answer to the rename was lost with the connection, an existing file with exactly our
        bytes counts as ours, because callers write random bytes into it.
        """
        temporary = path.parent.joined(f".{path.name}.{secrets.token_hex(6)}.new")
        tries = 0

        def action(sftp: SftpChannel) -> bool:
            nonlocal tries
            tries += 1
            if self._look_at_link(sftp, path) is not None:
                return tries > 1 and _content(sftp, path) == content
            self._put(sftp, temporary, content)
            try:
                sftp.rename(temporary.sftp, path.sftp)  # refuses a name that exists
            except SftpStatusError:
                _drop(sftp, temporary)
                if _lstat(sftp, path) is None:
                    raise
                return False
            return True

        return self.call("create", path, action)

    def make_folder(self, path: HostPath, *, mode: int) -> None:
        """Create a folder and its parents; an existing folder is accepted."""

        def action(sftp: SftpChannel) -> bool:
            attributes = self._look(sftp, path)
            if attributes is None:
                if path.parent != path and _lstat(sftp, path.parent) is None:
                    return False
                with contextlib.suppress(SftpStatusError):  # it may just have been made elsewhere
                    sftp.mkdir(path.sftp, mode)
                attributes = self._look(sftp, path)
            if attributes is None or not stat.S_ISDIR(attributes.st_mode or 0):
                raise HostFileError(
                    operation="make folder", path=path, reason="it cannot be made, or is a file"
                )
            return True

        if not self.call("make folder", path, action):
            self.make_folder(path.parent, mode=mode)
            self.call("make folder", path, action)

    def attributes(self, path: HostPath) -> paramiko.SFTPAttributes | None:
        """Return owner and mode of a path; a link is refused."""
        return self.call("stat", path, lambda sftp: self._look(sftp, path))

    def real_path(self, path: HostPath) -> str:
        """Return the server's own form of a path, with links resolved."""
        return self.call("resolve", path, lambda sftp: str(sftp.normalize(path.sftp)))

    def home(self) -> str:
        """Return the home folder of this account, in the form of SFTP."""
        with self._connection.channel() as channel:
            return channel.call(lambda sftp: str(sftp.normalize(".")))

    # --- batches -------------------------------------------------------------------------------

    def flush(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Make files durable one by one; if ``can_flush`` is False afterwards, none is durable."""
        mode = "r+" if self._platform is Platform.WINDOWS else "r"

        def flush_one(path: HostPath) -> None:
            def action(sftp: SftpChannel) -> None:
                self._refuse_link(path)(sftp)
                with sftp.open(path.sftp, mode) as file:
                    self._flush_open(sftp, file)

            self.call("flush", path, action)

        return self.batch(paths, flush_one)

    def _flush_open(self, sftp: SftpChannel, file: paramiko.SFTPFile) -> None:
        if self.can_flush and not sftp.flush(file):
            self.can_flush = False

    def _put(self, sftp: SftpChannel, path: HostPath, content: bytes) -> None:
        with sftp.open(path.sftp, "w") as file:
            file.write(content)
            self._flush_open(sftp, file)

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool
    ) -> Outcome[tuple[HostPath, HostPath]]:
        """Rename files, replacing files with the new names."""
        return self.batch(moves, lambda move: self._rename(*move, inherit=inherit))

    def _rename(self, source: HostPath, target: HostPath, *, inherit: bool) -> None:
        tries = 0

        def action(sftp: SftpChannel) -> None:
            nonlocal tries
            tries += 1
            if inherit:
                self._take_permissions(sftp, source, target)
            self._look_at_folder(sftp, source.parent)
            self._look_at_folder(sftp, target.parent)
            try:
                sftp.posix_rename(source.sftp, target.sftp)
            except SftpStatusError:
                # The answer to an earlier try may have been lost with its connection.
                done = tries > 1 and _lstat(sftp, source) is None and _lstat(sftp, target)
                if not done:
                    raise

        self.call("rename", source, action)

    def _take_permissions(self, sftp: SftpChannel, source: HostPath, target: HostPath) -> None:
        folder, file = _lstat(sftp, target.parent), _lstat(sftp, source)
        if folder is not None and file is not None and stat.S_ISREG(file.st_mode or 0):
            sftp.chmod(source.sftp, stat.S_IMODE(folder.st_mode or 0o755) & 0o666)

    def remove(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Remove files or empty folders."""
        return self.batch(paths, self._remove)

    def _remove(self, path: HostPath) -> None:
        def action(sftp: SftpChannel) -> None:
            attributes = self._look_at_link(sftp, path)
            if attributes is None:
                return
            is_folder = stat.S_ISDIR(attributes.st_mode or 0)
            if self._platform is Platform.WINDOWS and _is_link(attributes):
                with contextlib.suppress(SftpStatusError):  # a junction is removed like a folder
                    sftp.rmdir(path.sftp)
                    return
            try:
                sftp.rmdir(path.sftp) if is_folder else sftp.remove(path.sftp)
            except SftpStatusError:
                if _lstat(sftp, path) is not None:
                    raise

        self.call("remove", path, action)

    def batch(self, items: Sequence[Item], action: Callable[[Item], None]) -> Outcome[Item]:
        """Carry out an action for each item, on several channels if there are many items."""

        def attempt(item: Item) -> AirGapError | None:
            try:
                action(item)
            except ConnectionLostError:
                raise
            except AirGapError as error:
                return error
            return None

        if len(items) < _THREADS_FROM:
            faults = [attempt(item) for item in items]
        else:
            with ThreadPoolExecutor(_BATCH_THREADS) as pool:
                faults = list(pool.map(attempt, items))
        pairs = list(zip(items, faults, strict=True))
        return Outcome(
            tuple(item for item, fault in pairs if fault is None),
            tuple((item, fault) for item, fault in pairs if fault is not None),
        )


def _lstat(sftp: SftpChannel, path: HostPath) -> paramiko.SFTPAttributes | None:
    try:
        return sftp.lstat(path.sftp)
    except SftpStatusError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


def _content(sftp: SftpChannel, path: HostPath) -> bytes:
    with sftp.open(path.sftp, "r") as file:
        return file.read()


def _drop(sftp: SftpChannel, path: HostPath) -> None:
    with contextlib.suppress(SftpStatusError):
        sftp.remove(path.sftp)


def _is_link(attributes: paramiko.SFTPAttributes) -> bool:
    return stat.S_ISLNK(attributes.st_mode or 0)


def _link_error(path: HostPath) -> FolderUnsafeError:
    return FolderUnsafeError(path=path, reason="it is a link, which we do not follow")


def _file_stat(name: str, attributes: paramiko.SFTPAttributes) -> FileStat:
    mode = attributes.st_mode or 0
    kind: Literal["file", "folder", "other"] = "other"
    if stat.S_ISREG(mode):
        kind = "file"
    elif stat.S_ISDIR(mode):
        kind = "folder"
    return FileStat(
        name=name,
        kind=kind,
        size_bytes=min(attributes.st_size or 0, _LARGEST_BYTES),
        mtime_ns=int(attributes.st_mtime or 0) * 1_000_000_000,  # SFTP knows whole seconds
        file_id="",
        hidden=name.startswith("."),
    )
