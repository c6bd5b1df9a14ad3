"""A host in memory for tests: it can lose power, run full, and fail at any chosen change."""

from __future__ import annotations

import hashlib
import ntpath
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from tasks.errors import (
    AirGapError,
    CommandFailedError,
    ConnectionLostError,
    DiskFullError,
    ScriptFailedError,
)
from tasks.hosts.host import (
    CommandResult,
    FileHash,
    FileStat,
    Item,
    JobStatus,
    Json,
    Outcome,
    Space,
)
from tasks.hosts.paths import HostPath, Platform, absolute_path
from tasks.refusals import FolderUnsafeError
from tasks.scripts import Script
from tests.support.memory_disk import Disk, Entry, Node, fail, file_stat
from tests.support.memory_power import Power, PowerLostError

READ_BYTES = 65_536

__all__ = ["MemoryHost", "PowerLostError"]

RunAnswer = Callable[[Sequence[str], bytes], CommandResult]
ScriptAnswer = Callable[[Script, list[Json], HostPath], Iterable[Json]]
JobAnswer = Callable[[Sequence[str]], "CommandResult | None"]


class MemoryHost:
    """A host whose disk is a tree in memory.

    Programs and scripts are answered by what the constructor is given: ``run`` takes command and
    standard input; ``run_script`` takes script, request lines and folder; ``start_detached`` takes
    the command and answers how the program ended, or None for one that runs on until
    ``finish_job``.
    """

    def __init__(
        self,
        *,
        platform: Platform = Platform.POSIX,
        capacity_bytes: int | None = None,
        run: RunAnswer | None = None,
        run_script: ScriptAnswer | None = None,
        start_detached: JobAnswer | None = None,
    ) -> None:
        self.platform = platform
        self.address = "memory"
        self.capacity_bytes = capacity_bytes
        self._disk = Disk()
        self._answers = (run, run_script, start_detached)
        self._power = Power()
        self._lock = threading.RLock()

    # --- what tests do to it -------------------------------------------------------------------

    def fail_after(self, changes: int, error: BaseException) -> None:
        """Let so many more changes succeed; the next one raises ``error`` instead, once.

        Changes are single writes of a chunk, names made, moved or removed, and flushes. With a
        ``PowerLostError`` the machine stays off until ``lose_power``.
        """
        self._power.fail_after(changes, error)

    def lose_power(self, seed: int) -> None:
        """Switch off and on: what was not flushed is kept, dropped or reordered by chance."""
        with self._lock:
            self._disk.lose_power(seed)
            self._power.switch_on()

    def put_link(self, path: HostPath) -> None:
        """Lay a link, as somebody else might."""
        folder, key = self._holder(path)
        self._disk.link(folder, key, Entry(path.name, self._disk.new_node("link")))

    def open_to_others(self, folder: HostPath) -> None:
        """Give others access to a folder."""
        self._node(folder, "folder").open_to_others = True

    def finish_job(self, job: HostPath, exit_code: int, stdout: str = "") -> None:
        """End a detached program that was left running."""
        self._write_durably(job.joined("stdout"), stdout.encode())
        self._write_durably(job.joined("exit-code"), b"%d\n" % exit_code)

    def _write_durably(self, path: HostPath, content: bytes) -> None:
        folder, key = self._holder(path)
        node = self._disk.new_node("file")
        node.content += content
        self._disk.flush_file(node)
        self._disk.link(folder, key, Entry(path.name, node))
        self._disk.flush_name(folder, key)

    @property
    def changes(self) -> int:
        """How many changes there were."""
        return self._power.changes

    # --- finding -------------------------------------------------------------------------------

    def path(self, text: str) -> HostPath:
        """Make an absolute path of this host."""
        return absolute_path(text, self.platform)

    def _key(self, name: str) -> str:
        return name.casefold() if self.platform is Platform.WINDOWS else name

    def _find(self, path: HostPath) -> Node | None:
        """What a path names. No link on the way is followed."""
        self._power.require()
        node = self._disk.root
        for name in self._parts(path):
            if node.kind == "link":
                raise FolderUnsafeError(path=path, reason="a link stands on the way to it")
            entry = node.entries.get(self._key(name))
            if entry is None:
                return None
            node = entry.node
        return node

    def _parts(self, path: HostPath) -> list[str]:
        """A path's names from the root; all drives of a Windows host are one disk here."""
        rooted = path.text
        if self.platform is Platform.WINDOWS:
            rooted = ntpath.splitdrive(rooted)[1].replace("\\", "/")
        return [part for part in rooted.split("/") if part]

    def _node(self, path: HostPath, kind: Literal["file", "folder"]) -> Node:
        node = self._find(path)
        if node is None:
            fail("find", path, "No such file or directory")
        if node.kind == "link":
            raise FolderUnsafeError(path=path, reason="it is a link, which we do not follow")
        if node.kind != kind:
            fail("use", path, f"it is not a {kind}")
        return node

    def _holder(self, path: HostPath) -> tuple[Node, str]:
        """The folder that holds a path, and the path's key in it."""
        return self._node(path.parent, "folder"), self._key(path.name)

    # --- programs ------------------------------------------------------------------------------

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,  # noqa: ARG002  # answers take no time
        stdin: bytes = b"",
    ) -> CommandResult:
        """Answer what the constructor's ``run`` says."""
        self._power.require()
        if self._answers[0] is None:
            raise CommandFailedError(program=command[0], reason="no such program")
        return self._answers[0](command, stdin)

    def start_detached(self, command: Sequence[str], *, job: HostPath) -> None:
        """Start a program once per job folder; it ends at once unless its answer is None."""
        if self._answers[2] is None:
            raise CommandFailedError(program=command[0], reason="no such program")
        self.make_folder(job)
        if not self.create(job.joined("started"), b"%d" % self._power.boot):
            return
        result = self._answers[2](command)
        if result is not None:
            self.finish_job(job, result.exit_code, result.stdout)

    def poll_detached(self, job: HostPath) -> JobStatus:
        """Say how a job stands."""
        if self.stat(job.joined("started")) is None:
            return JobStatus("absent")
        if self.stat(job.joined("exit-code")) is None:
            boot = b"".join(map(bytes, self.read(job.joined("started"))))
            if int(boot) != self._power.boot:
                return JobStatus("lost")
            return JobStatus("running", cpu_seconds=0.0)
        exit_code = int(b"".join(map(bytes, self.read(job.joined("exit-code")))))
        stdout = b"".join(map(bytes, self.read(job.joined("stdout")))).decode()
        return JobStatus("exited", exit_code=exit_code, stdout=stdout)

    def run_script(
        self,
        script: Script,
        request: Iterable[Json],
        *,
        folder: HostPath,
        timeout_seconds: float,  # noqa: ARG002  # answers take no time
    ) -> Iterator[Json]:
        """Answer what the constructor's ``run_script`` says; it must end with an end line."""
        self._power.require()
        if self._answers[1] is None:
            raise ScriptFailedError(script=script.name, reason="nobody answers it")
        return self._answer(script, self._answers[1](script, list(request), folder))

    def _answer(self, script: Script, lines: Iterable[Json]) -> Iterator[Json]:
        last: Json = {}
        for last in lines:
            yield last
        if last.get("kind") != "end":
            raise ScriptFailedError(script=script.name, reason="its answer has no end")

    def request_folder(self) -> HostPath:
        """Make a new folder; nobody else has this host."""
        top = self.path("C:\\" if self.platform is Platform.WINDOWS else "/")
        self.make_folder(folder := top.joined("service", str(self.changes)))
        return folder

    # --- reading -------------------------------------------------------------------------------

    def list_folder(self, folder: HostPath, *, must_exist: bool = False) -> list[FileStat]:
        """List one folder."""
        with self._lock:
            if self._find(folder) is None and not must_exist:
                return []
            node = self._node(folder, "folder")
            return [file_stat(entry.name, entry.node) for entry in node.entries.values()]

    def folder_states(
        self, folder: HostPath, whole: Sequence[str], names_only: Sequence[str] = ()
    ) -> None:
        """Say that listing is the quickest."""

    def stat(self, path: HostPath) -> FileStat | None:
        """Say what is at a path; None when nothing is."""
        with self._lock:
            node = self._find(path)
            return None if node is None else file_stat(path.name, node)

    def read(self, path: HostPath, *, offset: int = 0) -> Iterator[memoryview]:
        """Yield a file's bytes through one buffer that is used again and again."""
        node = self._node(path, "file")
        buffer = bytearray(READ_BYTES)
        while part := bytes(node.content[offset : offset + READ_BYTES]):
            self._power.require()
            buffer[: len(part)] = part
            yield memoryview(buffer)[: len(part)]
            offset += len(part)

    def hash_files(
        self, paths: Sequence[HostPath]
    ) -> Iterator[FileHash | tuple[HostPath, AirGapError]]:
        """Yield size and SHA-1 of files."""
        for path in paths:
            try:
                content = b"".join(map(bytes, self.read(path)))
            except AirGapError as error:
                yield path, error
                continue
            digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            yield FileHash(path, len(content), digest.upper())

    def real_path(self, path: HostPath) -> HostPath:
        """The path itself: links are there only to be refused."""
        return path

    def volume_of(self, folder: HostPath) -> str:  # noqa: ARG002  # there is one volume
        """The one volume."""
        return "memory"

    def space(self, folder: HostPath) -> Space:  # noqa: ARG002  # there is one volume
        """The capacity that is left; a lot when none was set."""
        self._power.require()
        capacity_bytes = 1 << 50 if self.capacity_bytes is None else self.capacity_bytes
        return Space(max(0, capacity_bytes - self._disk.used_bytes()), "memory")

    # --- writing -------------------------------------------------------------------------------

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        """Create or replace a file with the bytes given."""
        with self._lock:
            folder, key = self._holder(path)
            self._power.change()
            if key in folder.entries:
                node = self._node(path, "file")
                self._disk.truncate(node)
            else:
                node = self._disk.new_node("file")
                self._disk.link(folder, key, Entry(path.name, node))
        written = 0
        for chunk in chunks:
            with self._lock:
                written += self._append(path, node, bytes(chunk))
        return written

    def _append(self, path: HostPath, node: Node, content: bytes) -> int:
        self._power.change()
        room = len(content)
        if self.capacity_bytes is not None:
            room = max(0, self.capacity_bytes - self._disk.used_bytes())
        self._disk.append(node, content[:room])
        if room < len(content):
            raise DiskFullError(path=path)
        return len(content)

    def create(self, path: HostPath, content: bytes) -> bool:
        """Create a small durable file unless the name exists."""
        with self._lock:
            folder, key = self._holder(path)
            if key in folder.entries:
                return False
            self._power.change()
            if len(content) > (self.space(path.parent).free_bytes or 0):
                raise DiskFullError(path=path)
            self._write_durably(path, content)
            return True

    def make_folder(self, path: HostPath) -> None:
        """Create a folder and its parents."""
        with self._lock:
            if self._find(path) is None:
                if path.parent != path:
                    self.make_folder(path.parent)
                folder, key = self._holder(path)
                self._power.change()
                self._disk.link(folder, key, Entry(path.name, self._disk.new_node("folder")))
            self._node(path, "folder")

    def make_private_folder(self, path: HostPath) -> None:
        """Create a folder, or prove that the one that is there is not open to others."""
        self.make_folder(path)
        if self._node(path, "folder").open_to_others:
            raise FolderUnsafeError(path=path, reason="others have access to it")

    def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Make the bytes of files durable."""
        return self._batch(paths, self._flush_file)

    def _flush_file(self, path: HostPath) -> None:
        node = self._node(path, "file")
        self._power.change()
        self._disk.flush_file(node)

    def flush_folders(self, folders: Sequence[HostPath]) -> None:
        """Make the names in folders durable."""
        with self._lock:
            for folder in folders:
                node = self._node(folder, "folder")
                self._power.change()
                self._disk.flush_folder(node)

    def rename(
        self,
        moves: Sequence[tuple[HostPath, HostPath]],
        *,
        inherit: bool = False,  # noqa: ARG002  # files have no permissions here
    ) -> Outcome[tuple[HostPath, HostPath]]:
        """Rename files, replacing what has the new name."""
        return self._batch(moves, lambda move: self._rename(*move))

    def _rename(self, source: HostPath, target: HostPath) -> None:
        self._node(source, "file")
        if self._find(target) is not None:
            self._node(target, "file")
        old, new = self._holder(source), self._holder(target)
        self._power.change()
        self._disk.move(old, new, target.name)

    def remove(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        """Remove files or empty folders."""
        return self._batch(paths, self._remove)

    def _remove(self, path: HostPath) -> None:
        node = self._find(path)
        if node is None:
            return
        if node.entries:
            fail("remove", path, "Directory not empty")
        folder, key = self._holder(path)
        self._power.change()
        self._disk.unlink(folder, key)

    def remove_tree(self, folder: HostPath) -> None:
        """Remove a folder with all in it; links are removed, not followed."""
        with self._lock:
            node = self._find(folder)
            if node is None:
                return
            for entry in list(node.entries.values()):
                self.remove_tree(folder.joined(entry.name))
            self._remove(folder)

    def _batch(self, items: Sequence[Item], action: Callable[[Item], None]) -> Outcome[Item]:
        ok: list[Item] = []
        failed: list[tuple[Item, AirGapError]] = []
        with self._lock:
            for item in items:
                try:
                    action(item)
                    ok.append(item)
                except ConnectionLostError:
                    raise
                except AirGapError as error:
                    failed.append((item, error))
        return Outcome(tuple(ok), tuple(failed))

    def close(self) -> None:
        """Nothing is held open."""
