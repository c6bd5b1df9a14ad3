"""The protocol of a host; its docstrings are the contract for all implementations.

Rules for every method:

* Paths are absolute. Below our own folders, and below the content folder, no link or reparse
  point is followed: meeting one raises a ``FolderUnsafeError``.
* An operation that the system refuses raises a ``HostFileError`` with the system's own reason.
* Batches never stop at the first bad item: they return the ``ok`` and the ``failed`` items.
* Nothing is durable until ``flush_files`` (for bytes) and ``flush_folders`` (for names) return.
* A broken connection is made again inside the call (with back-off and a limited number of tries);
  after that a ``ConnectionLostError`` is raised. Every wait has a limit, and is reported once a
  minute (see ``waiting``). All methods may be called again.
* Sharing violations (virus scanners) are retried with back-off before they count as failures.
* Methods may be called from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from tasks.errors import AirGapError
from tasks.hosts.paths import HostPath, Platform
from tasks.scripts import Script

# Of a program's standard output and error only the end is stored: messages are usually there.
OUTPUT_LIMIT_BYTES = 8 * 1_048_576
# Neither a bundle nor a WSUS server has as many names in one folder; a medium may hold any number.
MOST_NAMES = 100_000

Item = TypeVar("Item")
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item]):
    """Result of a batch: every item is either in ``ok`` or in ``failed``."""

    ok: tuple[Item, ...]
    failed: tuple[tuple[Item, AirGapError], ...]

    def require_all(self) -> None:
        """Raise the first error, for a batch in which no item may fail."""
        for _, error in self.failed:
            raise error

    @classmethod
    def joined(cls, outcomes: Iterable[Outcome[Item]]) -> Outcome[Item]:
        """Join the results of several batches."""
        parts = list(outcomes)
        ok = tuple(item for part in parts for item in part.ok)
        return cls(ok, tuple(fault for part in parts for fault in part.failed))


@dataclass(frozen=True, slots=True)
class FileStat:
    """One name in a folder listing. The kind ``other`` covers links, devices and pipes.

    Over SSH times are whole seconds and ``file_id`` is empty, because SFTP has no more.
    """

    name: str
    kind: Literal["file", "folder", "other"]
    size_bytes: int
    mtime_ns: int
    file_id: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class FileHash:
    """Size and SHA-1 of a file that the host itself read; ``sha1`` is 40 upper-case hex digits."""

    path: HostPath
    size_bytes: int
    sha1: str


@dataclass(frozen=True, slots=True)
class Space:
    """Free space of the file system that holds a folder.

    Attributes:
        free_bytes: None if the file system does not report it (some network and archive file
            systems report a total size of zero).
        file_system: The host's name for it, or ``unknown``.
    """

    free_bytes: int | None
    file_system: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit code and output of a program: decoded (UTF-8, UTF-16 or OEM), CLIXML turned into text.

    Of very long output only the end is stored.
    """

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class JobStatus:
    """State of a detached program.

    ``absent``: never started. ``lost``: started, then ended without an exit code.
    """

    state: Literal["absent", "running", "exited", "lost"]
    exit_code: int | None = None
    stdout: str = ""
    cpu_seconds: float | None = None


class Readable(Protocol):
    """A source of files: a host, or media."""

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        """Yield a file's bytes in order. A view is valid only until the next view is requested."""


@runtime_checkable
class ReadsMany(Protocol):
    """A source that reads many small files by one call in less time than one after another."""

    def read_files(
        self, files: Iterable[tuple[HostPath, int]]
    ) -> Iterator[tuple[int, bytes | AirGapError]]:
        """Read small files whole, and yield each with its place in ``files``, in any order.

        Of a file that is longer than its limit in bytes, one byte more than the limit is read.

        Raises:
            ConnectionLostError: The connection broke at every try.
        """


@dataclass(frozen=True, slots=True)
class ApartDigests:
    """Size and digests of a file that a second process read; ``sha1`` counts if asked for."""

    size_bytes: int
    blake3: bytes
    sha1: bytes


class Hasher(Protocol):
    """A second process that hashes large files. For one thread."""

    def ask(self, path: HostPath, limit_bytes: int, *, with_sha1: bool) -> int:
        """Ask for a file's digests, and return the number to call ``answer`` with."""

    def answer(self, number: int, advance: Callable[[int], None]) -> ApartDigests | None:
        """Wait for an answer; None if the caller has to read the file.

        ``advance`` gets the numbers of bytes that were hashed.
        """

    def close(self) -> None:
        """End the process."""


@runtime_checkable
class HashesApart(Protocol):
    """A source whose large files a second process can hash."""

    def new_hasher(self) -> Hasher | None:
        """Start such a process; None if this system cannot."""


@runtime_checkable
class WritesMany(Protocol):
    """A host that writes many small files by one call in less time than one after another."""

    def write_files(
        self, files: Iterable[tuple[HostPath, bytes]]
    ) -> Iterator[tuple[int, AirGapError | None]]:
        """Create or replace small files, and yield how each ended, in any order. Not durable yet.

        Raises:
            ConnectionLostError: The connection broke at every try.
        """


class Host(Readable, Protocol):
    """A machine: this one, one over SSH, or one in memory for tests."""

    platform: Platform
    address: str

    def path(self, text: str) -> HostPath:
        """Make an absolute path of this host; a relative text is a ``ValueError``."""

    def run(
        self, command: Sequence[str], *, timeout_seconds: float, stdin: bytes = b""
    ) -> CommandResult:
        """Run a program to its end. A non-zero exit code is a result, not an error.

        Raises:
            CommandFailedError: The program could not be started.
            TimeLimitError: The program still runs at the limit; it is not stopped.
            ConnectionLostError: The connection broke while the program ran. It is unknown whether
                the program did its work, and it is not run again. Use a detached job for a
                program whose result must not be lost.
        """

    def start_detached(self, command: Sequence[str], *, job: HostPath) -> None:
        """Start a program that outlives this process and connection, at most once per job folder.

        Creates the folder ``job`` with ``stdout``, ``stderr`` and at the end ``exit-code``. If the
        job was started before, by any process, nothing happens: ``poll_detached`` finds it.

        Raises:
            CommandFailedError: The program was not started.
            TimeLimitError: The launcher did not answer; the program may still start.
        """

    def poll_detached(self, job: HostPath) -> JobStatus:
        """Return the state of a job, without waiting for it or ending it."""

    def run_script(
        self,
        script: Script,
        request: Iterable[Json],
        *,
        folder: HostPath,
        timeout_seconds: float,
    ) -> Iterator[Json]:
        """Run one of our PowerShell scripts with a JSON Lines file in and one out.

        The script has ended when the call returns, even if the iterator is never read. The call
        writes ``<script>.in.jsonl`` into ``folder`` (a run folder of ours), runs
        ``powershell … -File script -InputFile … -OutputFile …``, then yields the output lines.
        A script that appends its outcomes finds those of earlier runs in the same folder.
        Standard output and error serve for messages only; a run is successful if its exit code is
        0 and its last line is ``{"kind": "end", …}``, which is yielded too.

        Raises:
            ScriptFailedError: No end line, or another exit code; with the script's own message.
            PathMissingError, ScriptDigestError: The site installs scripts itself, and this script
                is missing or not ours.
            TimeLimitError: The script still runs at the limit; it is not stopped.
        """

    def request_folder(self) -> HostPath:
        """Make a new folder that only this account can use; ``close`` removes it."""

    def list_folder(self, folder: HostPath, *, must_exist: bool = False) -> list[FileStat]:
        """List one folder, unsorted, links not followed.

        A missing folder gives an empty list, or with ``must_exist`` a ``HostFileError``. So does
        a folder of more than ``MOST_NAMES`` names; this machine stops reading it there.
        """

    def folder_states(
        self, folder: HostPath, whole: Sequence[str], names_only: Sequence[str] = ()
    ) -> Mapping[str, str] | None:
        """Return one digest for each subfolder of what a listing of it would show, by its name.

        Equal states mean that nothing has changed; of a subfolder in ``names_only`` the names of
        its files, not their sizes. A subfolder that cannot be read has no state. None: this host
        is not quicker at that than at listing them.
        """

    def stat(self, path: HostPath) -> FileStat | None:
        """Return the stat of a path without following a link; None if nothing is there."""

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        """Create or replace a file with the given bytes, and return their number. Not durable yet.

        Callers write to a path beside (a name that readers skip), then rename. The folder must
        exist.

        Raises:
            DiskFullError: There is no room; the bytes written so far stay in the file.
        """

    def create(self, path: HostPath, content: bytes) -> bool:
        """Create a small durable file atomically; False if the name exists already."""

    def make_folder(self, path: HostPath) -> None:
        """Create a folder and its parents; an existing folder is accepted."""

    def make_private_folder(self, path: HostPath) -> None:
        """Create a folder for SYSTEM and Administrators (POSIX: this user) only.

        Raises:
            FolderUnsafeError: The path is a link, has another owner, or is open to others.
        """

    def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Make the bytes of these files durable."""

    def flush_folders(self, folders: Sequence[HostPath]) -> None:
        """Make the names in these folders durable."""

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool = False
    ) -> Outcome[tuple[HostPath, HostPath]]:
        """Rename files within one volume, replacing files with the new names.

        With ``inherit`` a file takes the permissions of its new folder (a rename on NTFS does not
        change permissions).
        """

    def hash_files(
        self, paths: Sequence[HostPath]
    ) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
        """Have the host read its own files, and yield size and SHA-1, in any order."""

    def remove(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Remove files or empty folders; a missing path counts as removed."""

    def remove_tree(self, folder: HostPath) -> None:
        """Remove a folder of ours with its contents; links are removed, not followed."""

    def real_path(self, path: HostPath) -> HostPath:
        """Return the path with every link and junction on the way followed.

        A path that does not exist keeps its last names.
        """

    def volume_of(self, folder: HostPath) -> str:
        """Return an id of the volume of ``folder`` or its nearest existing parent.

        Within a volume a file is renamed; from one to another it would have to be copied.
        """

    def space(self, folder: HostPath) -> Space:
        """Return the free space on the volume of ``folder`` or its nearest existing parent."""

    def close(self) -> None:
        """Close connections, and remove our temporary folder. Detached jobs go on."""
