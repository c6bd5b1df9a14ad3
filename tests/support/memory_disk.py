"""A disk in memory that keeps apart what is there and what would be there after a power loss.

The rules are those that a program may count on, not those of one kind file system:

* Bytes that were not flushed are there, are not, end somewhere, or are zeros.
* A name that was made, moved or removed since its folder was flushed is there or is not, each for
  itself and in any order. A rename within one folder happens wholly or not at all; one between
  folders may leave the file under both names, never under none.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, NoReturn

from tasks.errors import HostFileError
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath

_FIRST_TIME_NS = 1_700_000_000_000_000_000


@dataclass(slots=True, eq=False)
class Node:
    """A file, folder or link. ``entries`` and ``kept_entries`` map a folder's keys to names."""

    kind: Literal["file", "folder", "link"]
    number: int
    mtime_ns: int
    content: bytearray = field(default_factory=bytearray)
    kept_content: bytes = b""
    dirty: bool = False
    open_to_others: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)
    kept_entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder as it is written, and what it names."""

    name: str
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class _NameChange:
    """One entry made or taken away. Changes of one unit happen together or not at all."""

    folder: Node
    key: str
    entry: Entry | None
    unit: int
    only_with: int | None = None  # the unit without which this one cannot have happened


class Disk:
    """Nodes below one root, and the changes of names that are not durable yet."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._units = count(1)
        self._pending: list[_NameChange] = []
        self.root = self.new_node("folder")

    def new_node(self, kind: Literal["file", "folder", "link"]) -> Node:
        """Make a node that has no name yet."""
        number = next(self._numbers)
        return Node(kind, number, _FIRST_TIME_NS + number * 1_000_000)

    def used_bytes(self) -> int:
        """The bytes of all files that have a name."""
        return sum(len(node.content) for node in self._nodes() if node.kind == "file")

    def _nodes(self) -> Iterator[Node]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(entry.node for entry in node.entries.values())

    # --- changes -------------------------------------------------------------------------------

    def link(self, folder: Node, key: str, entry: Entry) -> None:
        """Give a node a name."""
        self._change(_NameChange(folder, key, entry, next(self._units)))

    def unlink(self, folder: Node, key: str) -> None:
        """Take a name away."""
        self._change(_NameChange(folder, key, None, next(self._units)))

    def move(self, source: tuple[Node, str], target: tuple[Node, str], name: str) -> None:
        """Give a node another name, in the same or another folder."""
        unit = next(self._units)
        entry = Entry(name, source[0].entries[source[1]].node)
        gone, needed = unit, None
        if source[0] is not target[0]:
            gone, needed = next(self._units), unit
        self._change(_NameChange(*target, entry, unit))
        if source != target:
            self._change(_NameChange(*source, None, gone, needed))

    def append(self, node: Node, content: bytes) -> None:
        """Put bytes at the end of a file."""
        node.content += content
        self._touch(node)

    def truncate(self, node: Node) -> None:
        """Take away a file's bytes."""
        node.content.clear()
        self._touch(node)

    def _touch(self, node: Node) -> None:
        node.dirty = True
        node.mtime_ns = _FIRST_TIME_NS + next(self._numbers) * 1_000_000

    def _change(self, change: _NameChange) -> None:
        _apply(change, change.folder.entries)
        self._pending.append(change)

    # --- durability ----------------------------------------------------------------------------

    def flush_file(self, node: Node) -> None:
        """Make a file's bytes durable."""
        node.kept_content, node.dirty = bytes(node.content), False

    def flush_folder(self, folder: Node) -> None:
        """Make the names in a folder durable, and what they cannot be without elsewhere."""
        self._settle([change for change in self._pending if change.folder is folder])

    def flush_name(self, folder: Node, key: str) -> None:
        """Make one name durable."""
        self._settle([c for c in self._pending if c.folder is folder and c.key == key])

    def _settle(self, wanted: list[_NameChange]) -> None:
        """Make changes durable; earlier ones of the same names and units with them."""
        by_unit: dict[int, list[_NameChange]] = defaultdict(list)
        by_name: dict[tuple[int, str], list[_NameChange]] = defaultdict(list)
        for change in self._pending:
            by_unit[change.unit].append(change)
            by_name[change.folder.number, change.key].append(change)
        settled: set[_NameChange] = set()
        while wanted:
            change = wanted.pop()
            if change not in settled:
                settled.add(change)
                same_name = by_name[change.folder.number, change.key]
                wanted += same_name[: same_name.index(change)]
                wanted += by_unit[change.unit]
                if change.only_with is not None:
                    wanted += by_unit[change.only_with]
        for change in self._pending:
            if change in settled:
                _apply(change, change.folder.kept_entries)
        self._pending = [change for change in self._pending if change not in settled]

    def lose_power(self, seed: int) -> None:
        """Keep what is durable, and of the rest what chance leaves."""
        chance = random.Random(seed)  # repeatable on purpose
        units = {change.unit for change in self._pending}
        kept = {unit for unit in sorted(units) if chance.random() < chance.choice((0.2, 0.5, 0.9))}
        pending, self._pending = self._pending, []
        for change in pending:
            possible = change.only_with not in units or change.only_with in kept
            if change.unit in kept and possible:
                _apply(change, change.folder.kept_entries)
        self._restart(self.root, chance, set())

    def _restart(self, node: Node, chance: random.Random, seen: set[int]) -> None:
        if node.number in seen:
            return
        seen.add(node.number)
        if node.kind == "file" and node.dirty:
            node.content = bytearray(_after_loss(node, chance))
            self.flush_file(node)
        node.entries = dict(node.kept_entries)
        for entry in node.entries.values():
            self._restart(entry.node, chance, seen)


def _apply(change: _NameChange, entries: dict[str, Entry]) -> None:
    if change.entry is None:
        entries.pop(change.key, None)
    else:
        entries[change.key] = change.entry


def _after_loss(node: Node, chance: random.Random) -> bytes:
    content = bytes(node.content)
    cut = chance.randint(0, len(content))
    return chance.choice(
        (
            node.kept_content,
            content,
            content[:cut],
            bytes(len(content)),
            content[:cut] + bytes(len(content) - cut),
        )
    )


def file_stat(name: str, node: Node) -> FileStat:
    """What a listing says of a name."""
    kind: Literal["file", "folder", "other"] = "other" if node.kind == "link" else node.kind
    return FileStat(
        name=name,
        kind=kind,
        size_bytes=len(node.content),
        mtime_ns=node.mtime_ns,
        file_id=str(node.number),
        hidden=name.startswith("."),
    )


def fail(operation: str, path: HostPath, reason: str) -> NoReturn:
    """Raise what a system says that refuses an operation."""
    raise HostFileError(operation=operation, path=path, reason=reason)
