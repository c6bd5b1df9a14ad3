"""State of many folders of this machine: for each one digest of what a listing of it shows.

Equal states mean that no name, kind, size, time or file id has changed, so a large tree that was
listed before need not be listed again. Most of the time goes into one system call for each file,
so nothing else is done for a file here, and half of a large tree is read by a second process: in
one process the interpreter's lock leaves the other processor idle.

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
from collections.abc import Sequence
from operator import attrgetter

_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FACTS = attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ino")
_FOLDER_FACTS = attrgetter("st_dev", "st_ino", "st_mtime_ns", "st_ctime_ns")
_FORMAT = 2  # the newest format of marshal in which equal values have equal bytes
# From this number of files on, a second process saves more than its start costs.
_MANY_FILES = 20_000

Folders = Sequence[str]
States = dict[str, str]


def read_states(parent: int, whole: Folders, names_only: Folders, *, most_names: int) -> States:
    """Return the states of subfolders, by name.

    Folders that cannot be read, or that changed meanwhile, have no state.

    Args:
        parent: Descriptor of the folder that contains them.
        whole: Subfolders whose files are looked at.
        names_only: Subfolders of which only the names and the folder's own times count.
        most_names: Subfolders with more names than this have no state.
    """
    states: States = {}
    if whole:
        files = _add_state(states, parent, whole[0], most_names)
        whole = whole[1:]
        if files * len(whole) >= _MANY_FILES:
            return states | _read_in_two(parent, (whole, names_only), most_names)
    return states | _read_here(parent, (whole, names_only), most_names)


def _read_here(parent: int, folders: tuple[Folders, Folders], most_names: int) -> States:
    states: States = {}
    for name in folders[0]:
        _add_state(states, parent, name, most_names)
    for name in folders[1]:
        _add_state(states, parent, name, most_names, is_whole=False)
    return states


def _read_in_two(parent: int, folders: tuple[Folders, Folders], most_names: int) -> States:
    """Read every second folder in a process of its own; here, if it does not do it."""
    mine, others = ((folders[0][start::2], folders[1][start::2]) for start in (0, 1))
    try:
        helper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(parent), str(most_names)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(parent,),
        )
    except OSError:
        return _read_here(parent, folders, most_names)
    with helper:
        if helper.stdin is not None:
            helper.stdin.write(json.dumps(others).encode())
            helper.stdin.close()
            helper.stdin = None
        states = _read_here(parent, mine, most_names)
        answer, _ = helper.communicate()
    try:
        theirs: States = json.loads(answer)
    except ValueError:
        theirs = _read_here(parent, others, most_names)
    return states | theirs


def _add_state(
    states: States, parent: int, name: str, most_names: int, *, is_whole: bool = True
) -> int:
    """Add the state of one subfolder, and return its number of names."""
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
    """Read the folders named on standard input, and write their states to standard output."""
    parent, most_names = map(int, sys.argv[1:])
    whole, names_only = json.load(sys.stdin)
    json.dump(_read_here(parent, (whole, names_only), most_names), sys.stdout)


if __name__ == "__main__":
    main()
