"""A server over SSH: SFTP for files, the server's default shell for commands."""

from __future__ import annotations

import contextlib
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from tasks.errors import AirGapError, CommandFailedError, HostFileError
from tasks.hosts import jobs, windows_scripts
from tasks.hosts.host import (
    CommandResult,
    FileHash,
    FileStat,
    JobStatus,
    Json,
    Outcome,
    Space,
)
from tasks.hosts.paths import HostPath, Platform, absolute_path
from tasks.hosts.script_run import ScriptSetup, run_script
from tasks.hosts.ssh_batches import SshBatches
from tasks.hosts.ssh_commands import SshCommands
from tasks.hosts.ssh_connection import SshConnection
from tasks.hosts.ssh_files import SshFiles
from tasks.hosts.ssh_guard import FolderGuard
from tasks.hosts.ssh_login import SshAccess
from tasks.refusals import FolderUnsafeError
from tasks.scripts import Script

# From this number on, one flush of the whole volume is cheaper than a request for each file.
GROUP_FROM_FILES = 16
_SHORT_SECONDS = 60.0
_FLUSH_SECONDS = 1_800.0
_ARGUMENT_GROUP = 200
_TEMPORARY_NAME = re.compile(r"\.wsus-airgap-[0-9a-f]{16}")
_LEFTOVER_DAYS = 7  # no run works as long


class SshHost:
    """A server over SSH. Nothing is connected until the first call that needs it."""

    def __init__(self, access: SshAccess, platform: Platform, scripts: ScriptSetup) -> None:
        self.platform = platform
        self.address = f"ssh://{access.target}"
        self._scripts = scripts
        self._connection = SshConnection(access)
        self._commands = SshCommands(self._connection, platform)
        self._guard = FolderGuard(platform)
        self._files = SshFiles(self._connection, platform, self._guard)
        self._batches = SshBatches(self._connection, platform, self._guard, self._files)
        self._lock = threading.Lock()
        self._temporary_folder: HostPath | None = None
        self._requests = count(1)
        self._user_id: int | None = None

    @property
    def _is_windows(self) -> bool:
        return self.platform is Platform.WINDOWS

    def path(self, text: str) -> HostPath:
        """Make an absolute path of this host."""
        return absolute_path(text, self.platform)

    # --- programs ------------------------------------------------------------------------------

    def run(
        self, command: Sequence[str], *, timeout_seconds: float, stdin: bytes = b""
    ) -> CommandResult:
        """Run a program to its end; at the time limit it is not stopped."""
        return self._commands.run(command, timeout_seconds=timeout_seconds, stdin=stdin)

    def run_repeatable(
        self, command: Sequence[str], *, timeout_seconds: float = _SHORT_SECONDS
    ) -> CommandResult:
        """Run a program that may safely run twice; repeat it if the connection breaks."""
        return self._commands.run(command, timeout_seconds=timeout_seconds, repeatable=True)

    def start_detached(self, command: Sequence[str], *, job: HostPath) -> None:
        """Start a program that outlives the connection, once per job folder."""
        self.make_folder(job)
        if self._is_windows:
            windows_scripts.start_detached(self, self._scripts, command, job)
            return
        answer = self.run_repeatable(jobs.launch_command(command, job.text))
        if answer.stdout.strip() not in ("started", "found"):
            reason = answer.stderr.strip() or "its supervisor did not answer"
            raise CommandFailedError(program=command[0], reason=reason)

    def poll_detached(self, job: HostPath) -> JobStatus:
        """Return the state of a job."""
        return jobs.poll(self, job, lambda: self._probe(job))

    def _probe(self, job: HostPath) -> JobStatus:
        if self._is_windows:
            return windows_scripts.probe_job(self, self._scripts, job)
        return jobs.read_probe(self.run_repeatable(jobs.probe_command(job.text)).stdout)

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

    def request_folder(self) -> HostPath:
        """Make a new folder that only this account can use; ``close`` removes it."""
        with self._lock:
            if self._temporary_folder is None:
                self._temporary_folder = self._make_temporary_folder()
            folder = self._temporary_folder.joined(f"{next(self._requests):06d}")
        self._files.make_folder(folder, mode=0o700)
        return folder

    def _make_temporary_folder(self) -> HostPath:
        if not self._is_windows:
            answer = self.run_repeatable(["mktemp", "-d", "/tmp/wsus-airgap-XXXXXXXXXX"])  # noqa: S108
            if answer.exit_code:
                raise CommandFailedError(program="mktemp", reason=answer.stderr.strip())
            return self.path(answer.stdout.strip())
        # On Windows only the account itself, SYSTEM and Administrators may use its profile.
        home = self.path(self._files.home().lstrip("/"))
        self._remove_leftovers(home)
        folder = home.joined(f".wsus-airgap-{secrets.token_hex(8)}")
        self._files.make_folder(folder, mode=0o700)
        return folder

    def _remove_leftovers(self, home: HostPath) -> None:
        """Remove our folders in a Windows profile that stayed when a connection was lost."""
        oldest_ns = time.time_ns() - _LEFTOVER_DAYS * 86_400 * 10**9
        with contextlib.suppress(HostFileError, FolderUnsafeError):
            for entry in self.list_folder(home):
                is_ours = _TEMPORARY_NAME.fullmatch(entry.name) and entry.kind == "folder"
                if is_ours and entry.mtime_ns < oldest_ns:
                    self.remove_tree(home.joined(entry.name))

    # --- reading -------------------------------------------------------------------------------

    def list_folder(self, folder: HostPath, *, must_exist: bool = False) -> list[FileStat]:
        """List one folder."""
        return self._files.list_folder(folder, must_exist=must_exist)

    def folder_states(
        self, folder: HostPath, whole: Sequence[str], names_only: Sequence[str] = ()
    ) -> None:
        """Return None: over SFTP a listing is what shows whether something changed."""

    def stat(self, path: HostPath) -> FileStat | None:
        """Return the stat of a path; None if nothing is there."""
        return self._files.stat(path)

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        """Yield a file's bytes; continue at the same byte after the connection broke."""
        return self._files.read(path, offset=offset)

    def read_files(
        self, files: Iterable[tuple[HostPath, int]]
    ) -> Iterator[tuple[int, bytes | AirGapError]]:
        """Read small files whole, many at a time."""
        return self._batches.read_files(files)

    def hash_files(
        self, paths: Sequence[HostPath]
    ) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
        """Have the server read its own files, and yield size and SHA-1."""
        return windows_scripts.hash_files(self, self._scripts, paths)

    def real_path(self, path: HostPath) -> HostPath:
        """Follow links; on Windows a script follows junctions."""
        if self._is_windows:
            return self.path(self._volume(path).real_path)
        missing: list[str] = []
        while True:
            try:
                return self.path(self._files.real_path(path)).joined(*reversed(missing))
            except HostFileError:  # some servers resolve only what is there
                if path.parent == path:
                    raise
                missing.append(path.name)
                path = path.parent

    def volume_of(self, folder: HostPath) -> str:
        """Return the mount point of the nearest existing parent, on Windows the volume's name."""
        if self._is_windows:
            return self._volume(folder).name
        return self._mount(self._files.real_path(self._nearest(folder)))[0]

    def space(self, folder: HostPath) -> Space:
        """Return the free space on the volume of the nearest existing parent."""
        if self._is_windows:
            return self._volume(folder).space
        nearest = self._nearest(folder)
        free_bytes = self._files.free_bytes(nearest)
        return Space(free_bytes, self._mount(self._files.real_path(nearest))[1])

    def _nearest(self, folder: HostPath) -> HostPath:
        while self._files.stat(folder) is None and folder.parent != folder:
            folder = folder.parent
        return folder

    def _volume(self, folder: HostPath) -> windows_scripts.Volume:
        return windows_scripts.read_volume(self, self._scripts, folder)

    def _mount(self, folder: str) -> tuple[str, str]:
        """Return mount point and type of a folder's file system, from the kernel's own table."""
        best, file_system, point = -1, "unknown", "/"
        for line in self.run_repeatable(["cat", "/proc/mounts"]).stdout.splitlines():
            _, mount, kind, *_ = line.split()
            below = mount.rstrip("/") + "/"
            if (folder + "/").startswith(below) and len(below) >= best:
                best, file_system, point = len(below), kind, mount
        return point, file_system

    # --- writing -------------------------------------------------------------------------------

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        """Create or replace a file; continue at the same byte after the connection broke."""
        return self._files.write(path, chunks)

    def write_files(
        self, files: Iterable[tuple[HostPath, bytes]]
    ) -> Iterator[tuple[int, AirGapError | None]]:
        """Create or replace small files, many at a time."""
        return self._batches.write_files(files)

    def create(self, path: HostPath, content: bytes) -> bool:
        """Create a small durable file unless the name exists."""
        created = self._files.create(path, content)
        if created:
            if not (self._files.can_flush or self._is_windows):
                self._sync([path])
            self.flush_folders([path.parent])
        return created

    def make_folder(self, path: HostPath) -> None:
        """Create a folder and its parents."""
        self._files.make_folder(path, mode=0o777)

    def make_private_folder(self, path: HostPath) -> None:
        """Create a folder for this account only (Windows: SYSTEM and Administrators)."""
        if self._is_windows:
            windows_scripts.prepare_folder(self, self._scripts, path)
        else:
            self._files.make_folder(path, mode=0o700)
            self._prove_private(path)
        self._guard.guard(path)

    def _prove_private(self, path: HostPath) -> None:
        attributes = self._files.attributes(path)
        if attributes is None or attributes.st_mode is None:
            raise HostFileError(operation="make folder", path=path, reason="it is not there")
        if attributes.st_uid != self._own_user_id():
            reason = f"it belongs to user {attributes.st_uid}, not to us"
            raise FolderUnsafeError(path=path, reason=reason)
        if stat.S_IMODE(attributes.st_mode) & 0o077:
            mode = stat.S_IMODE(attributes.st_mode)
            raise FolderUnsafeError(path=path, reason=f"others have access to it (mode {mode:04o})")

    def _own_user_id(self) -> int:
        if self._user_id is None:
            answer = self.run_repeatable(["id", "-u"]).stdout.strip()
            number = jobs.read_number(answer)
            if number is None:
                raise CommandFailedError(program="id", reason=f"it answered {answer!r}")
            self._user_id = number
        return self._user_id

    def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Make the bytes of files durable; many files on POSIX by flushing their volumes."""
        if self._is_windows or len(paths) < GROUP_FROM_FILES:
            return self._flush_each(paths)
        stats = self._batches.stat_files(paths)
        existing = [path for path in paths if _is_file(stats.get(path))]
        if not self._sync_volumes(list(dict.fromkeys(path.parent for path in existing))):
            return self._flush_each(paths)
        failed = (
            (path, HostFileError(operation="flush", path=path, reason="no such plain file"))
            for path in paths
            if not _is_file(stats.get(path))
        )
        return Outcome(tuple(existing), tuple(failed))

    def _flush_each(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Flush over SFTP, or by the command ``sync`` if the server offers no flush over SFTP.

        On Windows without a flush over SFTP, ``rename`` flushes.
        """
        outcome = self._batches.flush(paths)
        if self._files.can_flush or self._is_windows or not outcome.ok:
            return outcome
        if self._sync(list(outcome.ok)):
            return outcome
        reason = "the server offers no fsync over SFTP, and its sync failed"
        failed = (
            (path, HostFileError(operation="flush", path=path, reason=reason))
            for path in outcome.ok
        )
        return Outcome((), (*outcome.failed, *failed))

    def flush_folders(self, folders: Sequence[HostPath]) -> None:
        """Make the names in folders durable; on Windows do nothing, since NTFS has a journal."""
        if self._is_windows:
            return
        unique = list(dict.fromkeys(folders))
        stats = self._batches.stat_files(unique)
        for folder in unique:
            if isinstance(fault := stats.get(folder), AirGapError):
                raise fault
            if fault is None:
                raise HostFileError(operation="flush folder", path=folder, reason="it is not there")
        sync = self._sync_volumes if len(unique) >= GROUP_FROM_FILES else self._sync
        if not (sync(unique) or self._sync([])):
            raise HostFileError(
                operation="flush folder", path=folders[0], reason="the server's sync failed"
            )

    def _sync_volumes(self, folders: list[HostPath]) -> bool:
        """Flush the volumes of folders, each once: ``sync -f`` flushes one again for each path."""
        answers = self._run_with_paths(["stat", "-c", "%d", "--"], folders)
        devices = "".join(answer.stdout for answer in answers).split()
        if len(devices) == len(folders):
            folders = list(dict(zip(devices, folders, strict=True)).values())
        return self._sync(folders, "-f")

    def _sync(self, paths: list[HostPath], *options: str) -> bool:
        """Run ``sync``, without paths for all volumes."""
        answers = self._run_with_paths(["sync", *options], paths)
        return all(answer.exit_code == 0 for answer in answers)

    def _run_with_paths(self, command: list[str], paths: list[HostPath]) -> list[CommandResult]:
        """Run a command with paths behind it; in groups, to limit the command line."""
        texts = [path.text for path in paths]
        groups = [texts[i : i + _ARGUMENT_GROUP] for i in range(0, len(texts), _ARGUMENT_GROUP)]
        calls = [[*command, *group] for group in groups or [[]]]
        return [self.run_repeatable(call, timeout_seconds=_FLUSH_SECONDS) for call in calls]

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool = False
    ) -> Outcome[tuple[HostPath, HostPath]]:
        """Rename files within one volume, replacing files with the new names."""
        # The script also flushes the files that it renames.
        if self._is_windows and (inherit or not self._files.can_flush):
            return windows_scripts.place_files(self, self._scripts, moves, inherit=inherit)
        return self._batches.rename(moves, inherit=inherit)

    def remove(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Remove files or empty folders."""
        return self._batches.remove(paths)

    def remove_tree(self, folder: HostPath) -> None:
        """Remove a folder with its contents; links are removed, not followed."""
        existing = self.stat(folder)
        if existing is None:
            return
        if self._is_windows or existing.kind != "folder":
            self._remove_entry(folder, existing)
            return
        answer = self.run_repeatable(
            ["rm", "-rf", "--", folder.text], timeout_seconds=_FLUSH_SECONDS
        )
        if answer.exit_code:
            raise HostFileError(operation="remove", path=folder, reason=answer.stderr.strip())

    def _remove_entry(self, path: HostPath, entry: FileStat) -> None:
        if entry.kind == "folder":
            children = self.list_folder(path)
            for child in children:
                if child.kind == "folder":
                    self._remove_entry(path.joined(child.name), child)
            files = [path.joined(child.name) for child in children if child.kind != "folder"]
            self.remove(files).require_all()
        self.remove([path]).require_all()

    def close(self) -> None:
        """Remove our temporary folder, and close the connection. Detached jobs go on.

        The folder stays if the server could not be reached last: to try again takes minutes.
        """
        with self._lock:
            folder, self._temporary_folder = self._temporary_folder, None
        if folder is not None and not self._connection.is_given_up:
            with contextlib.suppress(AirGapError):
                self.remove_tree(folder)
        self._connection.close()


def _is_file(stat_or_fault: FileStat | AirGapError | None) -> bool:
    return isinstance(stat_or_fault, FileStat) and stat_or_fault.kind == "file"
