"""What every host can do; the docstrings are the contract that all implementations keep.

Rules that hold for every method:

* Paths are absolute. Below a folder of ours, and below the content folder, no link or reparse
  point is followed: meeting one is a ``FolderUnsafeError``.
* What the system refuses is a ``HostFileError`` with the system's own reason.
* Batches never stop at the first bad item: they return what is ``ok`` and what ``failed``.
* Nothing is durable until ``flush_files`` (for bytes) and ``flush_folders`` (for names) return.
* A lost connection is mended inside the call (back-off, limited tries); what comes out after
  that is a ``ConnectionLostError``. Every wait has a limit, and is reported once a minute (see
  ``waiting``). All methods may be called again.
* Sharing violations (virus scanners) are retried with back-off before they count as failures.
* Methods may be called from several threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from tasks.errors import AirGapError
from tasks.hosts.paths import HostPath, Platform
from tasks.scripts import Script

# What is kept of a program's standard output and error: the end, where messages stand.
OUTPUT_LIMIT_BYTES = 8 * 1_048_576
# Neither a bundle nor a WSUS server has as many names in one folder; a medium may hold any number.
MOST_NAMES = 100_000

Item = TypeVar("Item")
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item]):
    """What became of a batch: every item is in exactly one of the two."""

    ok: tuple[Item, ...]
    failed: tuple[tuple[Item, AirGapError], ...]

    def require_all(self) -> None:
        """Raise the first error, for a batch in which nothing may fail."""
        for _, error in self.failed:
            raise error


@dataclass(frozen=True, slots=True)
class FileStat:
    """What a folder listing says of one name. ``kind`` ``other`` covers links, devices, pipes.

    Over SSH times are whole seconds and ``file_id`` is empty: SFTP knows no more.
    """

    name: str
    kind: Literal["file", "folder", "other"]
    size_bytes: int
    mtime_ns: int
    file_id: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class FileHash:
    """Size and SHA-1 of a file as the host itself read it. ``sha1`` is 40 upper-case hex digits."""

    path: HostPath
    size_bytes: int
    sha1: str


@dataclass(frozen=True, slots=True)
class Space:
    """Room on the volume of a folder. ``file_system`` as the host names it, or ``unknown``."""

    free_bytes: int
    file_system: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended; output decoded (UTF-8, UTF-16 or OEM), CLIXML turned into text.

    Of very long output only the end is there.
    """

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A detached program: ``absent`` never started, ``lost`` started but ended without a trace."""

    state: Literal["absent", "running", "exited", "lost"]
    exit_code: int | None = None
    stdout: str = ""
    cpu_seconds: float | None = None


class Readable(Protocol):
    """What files can be read from: a host, or media."""

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        """Yield a file's bytes in order. A view is valid only until the next one is asked for."""


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
            CommandFailedError: It could not be started.
            TimeLimitError: It is still running at the limit; it is left alone.
            ConnectionLostError: The connection broke while it ran: whether it did its work is
                not known, and it is not run again. What must not be lost so is a detached job.
        """

    def start_detached(self, command: Sequence[str], *, job: HostPath) -> None:
        """Start a program that outlives this process and connection, at most once per job folder.

        Creates ``job`` and keeps there ``stdout``, ``stderr`` and at the end ``exit-code``. When
        the job was started before, by anyone, nothing happens: ``poll_detached`` finds it.

        Raises:
            CommandFailedError: It was not started.
            TimeLimitError: Whoever starts it did not answer; it may still start.
        """

    def poll_detached(self, job: HostPath) -> JobStatus:
        """Say how a job stands. Never waits for it, never ends it."""

    def run_script(
        self,
        script: Script,
        request: Iterable[Json],
        *,
        folder: HostPath,
        timeout_seconds: float,
    ) -> Iterator[Json]:
        """Run one of our PowerShell scripts with a JSON Lines file in and one out.

        The script has ended when the call returns, whether or not anybody reads the answer.
        Writes ``<script>.in.jsonl`` into ``folder`` (a run folder of ours), runs
        ``powershell … -File script -InputFile … -OutputFile …``, then yields the output lines.
        A script that appends outcomes finds what an earlier run of the same folder has written.
        Standard output and error are kept for messages only; success is exit code 0 together
        with a last line ``{"kind": "end", …}``, which is yielded too.

        Raises:
            ScriptFailedError: No end line, or another exit code; says what the script said.
            PathMissingError, ScriptDigestError: The site installs scripts itself, and this one is
                not there, or is not ours.
            TimeLimitError: It is still running at the limit; it is left alone.
        """

    def request_folder(self) -> HostPath:
        """Make a new folder that only this account can use; it goes when the host is closed."""

    def list_folder(self, folder: HostPath, *, must_exist: bool = False) -> list[FileStat]:
        """List one folder, unsorted, links not followed.

        A missing folder is an empty list, or with ``must_exist`` a ``HostFileError``. So is a
        folder of more than MOST_NAMES names; this machine stops reading it there.
        """

    def stat(self, path: HostPath) -> FileStat | None:
        """Say what is at a path, link not followed; None when nothing is."""

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        """Create or replace a file with the bytes given and return how many. Not durable yet.

        Callers write beside (a name that nobody reads) and rename. Missing folders are an error.

        Raises:
            DiskFullError: No room; what was written so far stays under that name.
        """

    def create(self, path: HostPath, content: bytes) -> bool:
        """Create a small durable file unless the name exists; False when it does. Atomic."""

    def make_folder(self, path: HostPath) -> None:
        """Create a folder and its parents; an existing one is fine."""

    def make_private_folder(self, path: HostPath) -> None:
        """Create a folder for SYSTEM and Administrators (POSIX: this user) only.

        Raises:
            FolderUnsafeError: It exists and is a link, has another owner, or is open to others.
        """

    def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Make the bytes of these files durable, many at once."""

    def flush_folders(self, folders: Sequence[HostPath]) -> None:
        """Make the names in these folders durable."""

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool = False
    ) -> Outcome[tuple[HostPath, HostPath]]:
        """Rename files within one volume, replacing what has the new name.

        With ``inherit`` the file takes the permissions of its new folder (NTFS keeps the old
        ones on a rename).
        """

    def hash_files(
        self, paths: Sequence[HostPath]
    ) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
        """Read files where they lie and yield size and SHA-1, in any order."""

    def remove(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Remove files or empty folders; one that is not there counts as removed."""

    def remove_tree(self, folder: HostPath) -> None:
        """Remove a folder of ours with all in it; links are removed, not followed."""

    def space(self, folder: HostPath) -> Space:
        """Room on the volume of the nearest existing parent of ``folder``."""

    def close(self) -> None:
        """Let go of connections. Detached jobs stay."""
