"""Names and single files over SFTP, without following links. Many files: ``ssh_batches``."""

from __future__ import annotations

import contextlib
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal, TypeVar

import paramiko

from tasks.errors import AirGapError, DiskFullError, HostFileError
from tasks.hosts.host import FileStat
from tasks.hosts.os_errors import SHARING_DELAYS_SECONDS, require_listable
from tasks.hosts.paths import HostPath, Platform
from tasks.hosts.ssh_connection import SshConnection
from tasks.hosts.ssh_guard import FolderGuard
from tasks.hosts.ssh_sftp import (
    CHANGE,
    FAILURE,
    OP_UNSUPPORTED,
    PERMISSION_DENIED,
    READ,
    Exchange,
    SftpChannel,
    SftpStatusError,
    flush,
    lstat,
    read_whole,
    write_whole,
)
from tasks.hosts.ssh_transfer import WINDOW_BYTES, read_file, write_file
from tasks.hosts.waiting import repeat_after_errors

Result = TypeVar("Result")

_LOOK_AGAIN_SECONDS = 30.0
_LARGEST_BYTES = (1 << 63) - 1  # the largest size in SQLite; the protocol allows more
_MOST_REMEMBERED = 4_096


class SshFiles:
    """File calls of an SSH host. For many threads."""

    def __init__(self, connection: SshConnection, platform: Platform, guard: FolderGuard) -> None:
        self._connection = connection
        self._platform = platform
        self._guard = guard
        self.can_flush = True  # until the server says that it does not offer it

    # --- calls ---------------------------------------------------------------------------------

    def call(
        self, operation: str, path: HostPath, action: Callable[[SftpChannel], Result]
    ) -> Result:
        """Carry out an action on a channel, and translate its errors into ours."""
        with self._faults(operation, path), self._connection.channel() as channel:
            return channel.call(lambda sftp: self._retry_sharing(action, sftp))

    def _carry_out(
        self, operation: str, path: HostPath, begin: Callable[[], Exchange[Result]]
    ) -> Result:
        """Carry out an exchange on a channel, and translate its errors into ours."""
        return self.call(operation, path, lambda sftp: sftp.carry_out(begin()))

    def _retry_sharing(self, action: Callable[[SftpChannel], Result], sftp: SftpChannel) -> Result:
        """Repeat a refused action on Windows, where a virus scanner may have the file open."""
        return repeat_after_errors(
            lambda: action(sftp),
            delays_seconds=self.sharing_delays_seconds,
            passes=may_be_sharing,
        )

    @property
    def sharing_delays_seconds(self) -> tuple[float, ...]:
        """Pauses before an action that was refused on Windows is tried again."""
        return tuple(SHARING_DELAYS_SECONDS) if self._platform is Platform.WINDOWS else ()

    @contextlib.contextmanager
    def _faults(self, operation: str, path: HostPath) -> Iterator[None]:
        try:
            yield
        except SftpStatusError as error:
            reason = error.strerror or str(error)
            raise HostFileError(operation=operation, path=path, reason=reason) from error

    def stat(self, path: HostPath) -> FileStat | None:
        """Return the stat of a path; None if nothing is there."""
        attributes = self._carry_out("stat", path, lambda: self._guard.look_at_link(path))
        return None if attributes is None else file_stat(path.name, attributes)

    def list_folder(self, folder: HostPath, *, must_exist: bool) -> list[FileStat]:
        """List one folder; a missing one is empty unless it must exist."""

        def action(sftp: SftpChannel) -> list[FileStat]:
            if sftp.carry_out(self._guard.look(folder)) is None and not must_exist:
                return []
            entries = sftp.listdir_attr(folder.sftp)
            require_listable(folder, len(entries))
            return [file_stat(str(entry.filename), entry) for entry in entries]

        return self.call("list", folder, action)

    def read(self, path: HostPath, *, offset: int) -> Iterator[memoryview]:
        """Yield a file's bytes from an offset."""
        check = partial(self._guard.look_at_file, path)
        with self._faults("read", path):
            yield from read_file(self._connection, path.sftp, offset=offset, check=check)

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        """Create or replace a file with the given bytes."""
        try:
            check = partial(self._guard.look_at_file, path)
            return write_file(self._connection, path.sftp, chunks, check=check)
        except SftpStatusError as error:
            raise self.write_fault(path, error) from error

    def write_fault(self, path: HostPath, error: SftpStatusError) -> AirGapError:
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
            if sftp.carry_out(self._guard.look_at_link(path)) is not None:
                return tries > 1 and _content(sftp, path, len(content)) == content
            self._put(sftp, temporary, content)
            try:
                sftp.rename(temporary.sftp, path.sftp)  # refuses a name that exists
            except SftpStatusError:
                _drop(sftp, temporary)
                if sftp.carry_out(lstat(path.sftp)) is None:
                    raise
                return False
            return True

        return self.call("create", path, action)

    def make_folder(self, path: HostPath, *, mode: int) -> None:
        """Create a folder and its parents; an existing folder is accepted."""

        def action(sftp: SftpChannel) -> bool:
            attributes = sftp.carry_out(self._guard.look(path))
            if attributes is None:
                try:
                    sftp.mkdir(path.sftp, mode)
                except SftpStatusError:
                    if path.parent != path and sftp.carry_out(lstat(path.parent.sftp)) is None:
                        return False
                    attributes = sftp.carry_out(self._guard.look(path))  # just made elsewhere?
                else:
                    return True
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
        return self._carry_out("stat", path, lambda: self._guard.look(path))

    def real_path(self, path: HostPath) -> str:
        """Return the server's own form of a path, with links resolved."""
        return self.call("resolve", path, lambda sftp: str(sftp.normalize(path.sftp)))

    def home(self) -> str:
        """Return the home folder of this account, in the form of SFTP."""
        with self._connection.channel() as channel:
            return channel.call(lambda sftp: str(sftp.normalize(".")))

    @property
    def flush_flags(self) -> int:
        """Flags to open a file with before it is flushed: Windows flushes only for a writer."""
        return CHANGE if self._platform is Platform.WINDOWS else READ

    def _put(self, sftp: SftpChannel, path: HostPath, content: bytes) -> None:
        block_bytes = sftp.limits.write_bytes
        sftp.carry_out(write_whole(path.sftp, content, block_bytes=block_bytes))
        if not sftp.carry_out(flush(path.sftp, self.flush_flags)):
            self.can_flush = False


def may_be_sharing(error: Exception) -> bool:
    """Return True for a refusal that may be another program's use of the file."""
    return isinstance(error, SftpStatusError) and error.code in (FAILURE, PERMISSION_DENIED)


def _content(sftp: SftpChannel, path: HostPath, limit_bytes: int) -> bytes:
    blocks = sftp.carry_out(
        read_whole(
            path.sftp,
            size_bytes=limit_bytes + 1,
            limit_bytes=limit_bytes,
            block_bytes=sftp.limits.read_bytes,
        )
    )
    return b"".join(blocks)


def _drop(sftp: SftpChannel, path: HostPath) -> None:
    with contextlib.suppress(SftpStatusError):
        sftp.remove(path.sftp)


def file_stat(name: str, attributes: paramiko.SFTPAttributes) -> FileStat:
    """Return the stat for a name and its attributes."""
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
