"""This machine as a host."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import TracebackType

from tasks.errors import AirGapError
from tasks.hosts import jobs, local_durable, local_many, local_names, windows_scripts
from tasks.hosts.folder_states import read_states
from tasks.hosts.host import (
    MOST_NAMES,
    CommandResult,
    FileHash,
    FileStat,
    Hasher,
    JobStatus,
    Json,
    Outcome,
    Space,
)
from tasks.hosts.local_files import (
    READ_FLAGS,
    WINDOWS,
    WRITE_FLAGS,
    Anchors,
    entry_stat,
    file_stat,
    file_system_of,
    is_link,
    link_error,
    nearest_folder,
    open_file,
    prove_private,
    write_whole,
)
from tasks.hosts.local_hasher import LocalHasher
from tasks.hosts.local_process import launch_detached, probe_job, run_program
from tasks.hosts.os_errors import file_fault, require_listable, retry_sharing
from tasks.hosts.paths import HostPath, Platform, absolute_path
from tasks.hosts.script_run import ScriptSetup, run_script
from tasks.scripts import Script

READ_BYTES = 1_048_576  # with smaller reads, threads wait for the interpreter more often
# The disk begins to write so many bytes while more arrive, so that the flush finds little to do.
_WRITEBACK_BYTES = 16 * 1_048_576
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
_HASH_THREADS = 2
_HASHES_AHEAD = 64


class LocalHost:
    """This machine. For many threads; its state is the guarded folders and a temporary folder."""

    def __init__(self, scripts: ScriptSetup | None = None) -> None:
        """Take the setup for scripts; without it only methods that need no script work."""
        self.platform = Platform.WINDOWS if WINDOWS else Platform.POSIX
        self.address = "local"
        self._scripts = scripts or ScriptSetup()
        self._anchors = Anchors()
        self._buffers: list[memoryview] = []  # as many as files are read at the same time
        self._temporary_folder: HostPath | None = None
        self._lock = threading.Lock()

    def path(self, text: str) -> HostPath:
        """Make an absolute path of this machine."""
        return absolute_path(text, self.platform)

    # --- programs ------------------------------------------------------------------------------

    def run(
        self, command: Sequence[str], *, timeout_seconds: float, stdin: bytes = b""
    ) -> CommandResult:
        """Run a program to its end; at the time limit it is not stopped."""
        return run_program(command, timeout_seconds=timeout_seconds, stdin=stdin)

    def run_repeatable(self, command: Sequence[str], *, timeout_seconds: float) -> CommandResult:
        """Run a program that may safely run twice."""
        return run_program(command, timeout_seconds=timeout_seconds)

    def start_detached(self, command: Sequence[str], *, job: HostPath) -> None:
        """Start a program in its own session, once per job folder."""
        self.make_folder(job)
        if WINDOWS:
            windows_scripts.start_detached(self, self._scripts, command, job)
        else:
            launch_detached(command, job)

    def poll_detached(self, job: HostPath) -> JobStatus:
        """Return the state of a job."""
        if WINDOWS:
            return jobs.poll(self, job, lambda: windows_scripts.probe_job(self, self._scripts, job))
        return jobs.poll(self, job, lambda: probe_job(job))

    def run_script(
        self,
        script: Script,
        request: Iterable[Json],
        *,
        folder: HostPath,
        timeout_seconds: float,
    ) -> Iterator[Json]:
        """Run one of our PowerShell scripts as a detached job and yield its answer."""
        return run_script(
            self, self._scripts, script, request, folder=folder, timeout_seconds=timeout_seconds
        )

    # --- reading -------------------------------------------------------------------------------

    def list_folder(self, folder: HostPath, *, must_exist: bool = False) -> list[FileStat]:
        """List one folder."""
        try:
            with self._anchors.folder(folder) as anchor, os.scandir(anchor) as entries:
                stats = (entry_stat(entry, must_exist=must_exist) for entry in entries)
                listed = list(islice(stats, MOST_NAMES + 1))
                require_listable(folder, len(listed))
                return [stat for stat in listed if stat is not None]
        except FileNotFoundError as error:
            if must_exist:
                raise file_fault("list", folder, error) from error
            return []
        except OSError as error:
            raise file_fault("list", folder, error) from error

    def folder_states(
        self, folder: HostPath, whole: Sequence[str], names_only: Sequence[str] = ()
    ) -> Mapping[str, str] | None:
        """Return a digest of what each subfolder contains; on Windows None: listing is as quick."""
        try:
            with self._anchors.folder(folder) as anchor:
                if not isinstance(anchor, int):
                    return None
                return read_states(anchor, whole, names_only, most_names=MOST_NAMES)
        except OSError as error:
            raise file_fault("list", folder, error) from error

    def stat(self, path: HostPath) -> FileStat | None:
        """Return the stat of a path; None if nothing is there."""
        try:
            with self._anchors.parent(path) as (name, folder):
                return file_stat(path.name, os.stat(name, dir_fd=folder, follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise file_fault("stat", path, error) from error

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        """Yield a file's bytes as views of one buffer that is reused."""
        try:
            view = self._buffers.pop()  # to clear a new one takes longer than to hash a small file
        except IndexError:
            view = memoryview(bytearray(READ_BYTES))
        try:
            with os.fdopen(open_file(self._anchors, path, READ_FLAGS), "rb", buffering=0) as stream:
                if offset:
                    stream.seek(offset)
                while count := stream.readinto(view):
                    yield view[:count]
        except OSError as error:
            raise file_fault("read", path, error) from error
        finally:
            self._buffers.append(view)

    def read_files(
        self, files: Iterable[tuple[HostPath, int]]
    ) -> Iterator[tuple[int, bytes | AirGapError]]:
        """Read small files whole, in order."""
        return local_many.read_files(self._anchors, files)

    def new_hasher(self) -> Hasher | None:
        """Start a process that hashes large files; not on Windows, which cannot hand files over."""
        if sys.platform != "linux" or not sys.executable:
            return None
        try:
            return LocalHasher(self._anchors)
        except OSError:
            return None

    def hash_files(
        self, paths: Sequence[HostPath]
    ) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
        """Read files in two threads, and yield size and SHA-1 in the given order."""
        with ThreadPoolExecutor(_HASH_THREADS) as pool:
            ahead: deque[Future[FileHash | tuple[HostPath, AirGapError]]] = deque()
            try:
                for path in paths:
                    ahead.append(pool.submit(self._hash_file, path))
                    if len(ahead) >= _HASHES_AHEAD:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _hash_file(self, path: HostPath) -> FileHash | tuple[HostPath, AirGapError]:
        digest = hashlib.sha1(usedforsecurity=False)  # WSUS names content by SHA-1
        size_bytes = 0
        try:
            for view in self.read(path):
                digest.update(view)
                size_bytes += len(view)
        except AirGapError as error:
            return path, error
        return FileHash(path, size_bytes, digest.hexdigest().upper())

    def real_path(self, path: HostPath) -> HostPath:
        """Follow links, on Windows junctions too."""
        return self.path(os.path.realpath(path.text))

    def volume_of(self, folder: HostPath) -> str:
        """Return the device number of the nearest existing parent."""
        try:
            return str(nearest_folder(folder).stat().st_dev)
        except OSError as error:
            raise file_fault("stat", folder, error) from error

    def space(self, folder: HostPath) -> Space:
        """Return the free space on the volume of the nearest existing parent."""
        nearest = nearest_folder(folder)
        try:
            usage = shutil.disk_usage(nearest)
        except OSError as error:
            raise file_fault("ask for room on", folder, error) from error
        free_bytes = usage.free if usage.total else None
        return Space(free_bytes=free_bytes, file_system=file_system_of(nearest.resolve()))

    # --- writing -------------------------------------------------------------------------------

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        """Create or replace a file with the given bytes."""
        written = 0
        try:
            descriptor = open_file(self._anchors, path, WRITE_FLAGS)
            with os.fdopen(descriptor, "wb", buffering=0):
                begun = 0
                for chunk in chunks:
                    write_whole(descriptor, chunk)
                    written += len(chunk)
                    if written - begun >= _WRITEBACK_BYTES:
                        local_durable.begin_writeback(descriptor, begun, written - begun)
                        begun = written
        except OSError as error:
            raise file_fault("write", path, error) from error
        return written

    def write_files(
        self, files: Iterable[tuple[HostPath, bytes]]
    ) -> Iterator[tuple[int, AirGapError | None]]:
        """Create or replace small files, in order."""
        return local_many.write_files(self._anchors, files)

    def create(self, path: HostPath, content: bytes) -> bool:
        """Create a small durable file unless the name exists."""
        try:
            return local_durable.create_file(self._anchors, path, content)
        except OSError as error:
            raise file_fault("create", path, error) from error

    def make_folder(self, path: HostPath) -> None:
        """Create a folder and its parents."""
        self._make_folder(path, mode=0o777)

    def _make_folder(self, path: HostPath, *, mode: int) -> None:
        try:
            if path.parent != path and not os.path.lexists(path.parent.text):
                self._make_folder(path.parent, mode=mode)
            with self._anchors.parent(path) as (name, folder):
                try:
                    os.mkdir(name, mode, dir_fd=folder)
                except FileExistsError:
                    existing = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if is_link(existing):
                        raise link_error(path) from None
                    if not stat.S_ISDIR(existing.st_mode):
                        raise
        except OSError as error:
            raise file_fault("make folder", path, error) from error

    def make_private_folder(self, path: HostPath) -> None:
        """Create a folder for this user only, or check that an existing folder is private."""
        if WINDOWS:
            windows_scripts.prepare_folder(self, self._scripts, path)
        else:
            self._make_folder(path, mode=0o700)
            prove_private(path, os.lstat(path.text))
        self._anchors.guard(path)

    def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Make the bytes of files durable; many files by a flush of their volume."""
        return local_durable.flush_files(self._anchors, paths)

    def flush_folders(self, folders: Sequence[HostPath]) -> None:
        """Make the names in folders durable."""
        local_durable.flush_folders(self._anchors, folders)

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool = False
    ) -> Outcome[tuple[HostPath, HostPath]]:
        """Rename files within one volume, replacing files with the new names."""
        if WINDOWS and inherit:
            return windows_scripts.place_files(self, self._scripts, moves, inherit=True)
        return local_names.rename_files(self._anchors, moves, inherit=inherit)

    def remove(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Remove files or empty folders."""
        return local_names.remove_names(self._anchors, paths)

    def remove_tree(self, folder: HostPath) -> None:
        """Remove a folder with its contents; a link is removed, not followed."""
        existing = self.stat(folder)
        if existing is None:
            return
        try:
            if existing.kind != "folder":
                local_names.remove_name(self._anchors, folder)
            else:
                retry_sharing(lambda: shutil.rmtree(folder.text, onerror=_remove_anyway))
        except FileNotFoundError:
            return
        except OSError as error:
            raise file_fault("remove", folder, error) from error

    def close(self) -> None:
        """Remove our temporary folder, if there is one."""
        with self._lock:
            folder, self._temporary_folder = self._temporary_folder, None
        if folder is not None:
            self.remove_tree(folder)

    def request_folder(self) -> HostPath:
        """Make a new folder that only this account can use; ``close`` removes it."""
        with self._lock:
            if self._temporary_folder is None:
                self._temporary_folder = self.path(
                    os.path.realpath(tempfile.mkdtemp(prefix="wsus-airgap-"))
                )
            return self.path(tempfile.mkdtemp(dir=self._temporary_folder.text))


def _remove_anyway(action: Callable[..., object], name: str, fault: ExcInfo) -> None:
    """Remove the write protection of a name on Windows, and try its removal again."""
    error = fault[1]
    if isinstance(error, FileNotFoundError):
        return
    if not WINDOWS or action not in (os.unlink, os.rmdir):
        raise error
    Path(name).chmod(stat.S_IWRITE)
    action(name)
