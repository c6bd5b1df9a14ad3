"""Read the states of folders: for each one digest of what a listing of it shows.

Most of the time goes into one system call for each file, so nothing else is done for a file here.
``folder_states`` calls this, and runs it as a second process too: it gets the folder as an open
descriptor, so that no link can be put in its place, and takes the number of its next folder from a
pipe. Each module more that is imported here delays that process; so it is a few of the standard
library, and messages are in marshal's format.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

NUMBER_BYTES = 2

_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FACTS = attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ino")
_FOLDER_FACTS = attrgetter("st_dev", "st_ino", "st_mtime_ns", "st_ctime_ns")
_FORMAT = 2  # the newest format of marshal in which equal values have equal bytes

Folder = tuple[str, bool]
"""Name of a subfolder, and True if its files are looked at."""
States = dict[str, str]


def read_folders(parent: int, folders: Iterable[Folder], most_names: int) -> States:
    """Return the states of subfolders, by name."""
    states: States = {}
    for folder in folders:
        add_state(states, parent, folder, most_names)
    return states


def taken(folders: Sequence[Folder], numbers: int) -> Iterator[Folder]:
    """Yield the folders whose numbers this process gets from the pipe."""
    while number := os.read(numbers, NUMBER_BYTES):
        yield folders[int.from_bytes(number, "big")]


def add_state(states: States, parent: int, subfolder: Folder, most_names: int) -> int:
    """Add the state of one subfolder, and return its number of names."""
    name, is_whole = subfolder
    try:
        folder = os.open(name, _FLAGS, dir_fd=parent)
    except OSError:
        return 0
    try:
        names = os.listdir(folder)  # noqa: PTH208  by descriptor
        own = os.fstat(folder)
        facts: list[object] = [own.st_dev if is_whole else _FOLDER_FACTS(own)]
        if is_whole and len(names) <= most_names:
            stat = os.stat
            facts += [_FACTS(stat(name, dir_fd=folder, follow_symlinks=False)) for name in names]
    except OSError:
        return 0
    finally:
        os.close(folder)
    if len(names) <= most_names:
        states[name] = hashlib.blake2b(
            marshal.dumps([names, facts], _FORMAT), digest_size=32
        ).hexdigest()
    return len(names)


def main() -> None:
    """Read some of the folders named on standard input; write their states to standard output."""
    parent, most_names, numbers = map(int, sys.argv[1:])
    folders = marshal.load(sys.stdin.buffer)  # noqa: S302  by the process that started this one
    marshal.dump(read_folders(parent, taken(folders, numbers), most_names), sys.stdout.buffer)


if __name__ == "__main__":
    main()
