"""State of many folders of this machine: for each one digest of what a listing of it shows.

Equal states mean that no name, kind, size, time or file id has changed, so a large tree that was
listed before need not be listed again. Most of the time goes into one system call for each file,
so nothing else is done for a file here, and a second process helps with a large tree: in one
process the interpreter's lock leaves the other processor idle. Each takes the next folder's number
from a pipe, so that both end at the same time, however long the start of the second one took.

The second process runs this file alone, which therefore imports nothing but the standard library.
It gets the folder as an open descriptor, so that no link can be put in its place.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from operator import attrgetter

_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FACTS = attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ino")
_FOLDER_FACTS = attrgetter("st_dev", "st_ino", "st_mtime_ns", "st_ctime_ns")
_FORMAT = 2  # the newest format of marshal in which equal values have equal bytes
# From this number of files on, a second process saves more than its start costs. To list a name
# takes about a third of the time that looking at its file takes.
_MANY_FILES = 20_000
_NAMES_LIKE_A_FILE = 3
_NUMBER_BYTES = 2
_MOST_FOLDERS = 32_000  # so many numbers fit into a pipe

Folder = tuple[str, bool]
"""Name of a subfolder, and True if its files are looked at."""
States = dict[str, str]


def read_states(
    parent: int, whole: Sequence[str], names_only: Sequence[str], *, most_names: int
) -> States:
    """Return the states of subfolders, by name.

    Folders that cannot be read, or that changed meanwhile, have no state.

    Args:
        parent: Descriptor of the folder that contains them.
        whole: Subfolders whose files are looked at.
        names_only: Subfolders of which only the names and the folder's own times count.
        most_names: Subfolders with more names than this have no state.
    """
    folders = [*((name, True) for name in whole), *((name, False) for name in names_only)]
    if not folders:
        return {}
    states: States = {}
    files = _add_state(states, parent, folders[0], most_names)
    weight = files * (len(whole) + len(names_only) // _NAMES_LIKE_A_FILE)
    if weight >= _MANY_FILES and len(folders) <= _MOST_FOLDERS:
        return states | _read_in_two(parent, folders[1:], most_names)
    return states | _read_here(parent, folders[1:], most_names)


def _read_here(parent: int, folders: Iterable[Folder], most_names: int) -> States:
    states: States = {}
    for folder in folders:
        _add_state(states, parent, folder, most_names)
    return states


def _read_in_two(parent: int, folders: Sequence[Folder], most_names: int) -> States:
    """Read folders together with a second process; what it did not answer is read here."""
    numbers, put = os.pipe()
    with os.fdopen(put, "wb") as pipe:
        pipe.write(b"".join(n.to_bytes(_NUMBER_BYTES, "big") for n in range(len(folders))))
    try:
        helper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(parent), str(most_names), str(numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(parent, numbers),
        )
    except OSError:
        os.close(numbers)
        return _read_here(parent, folders, most_names)
    with helper:
        if helper.stdin is not None:
            helper.stdin.write(json.dumps(folders).encode())
            helper.stdin.close()
            helper.stdin = None
        states = _read_here(parent, _taken(folders, numbers), most_names)
        os.close(numbers)
        answer, _ = helper.communicate()
    with suppress(ValueError):
        states |= json.loads(answer)
    missing = [folder for folder in folders if folder[0] not in states]
    return states | _read_here(parent, missing, most_names)


def _taken(folders: Sequence[Folder], numbers: int) -> Iterator[Folder]:
    """Yield the folders whose numbers this process gets from the pipe."""
    while number := os.read(numbers, _NUMBER_BYTES):
        yield folders[int.from_bytes(number, "big")]


def _add_state(states: States, parent: int, subfolder: Folder, most_names: int) -> int:
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
    folders = json.load(sys.stdin)
    json.dump(_read_here(parent, _taken(folders, numbers), most_names), sys.stdout)


if __name__ == "__main__":
    main()
