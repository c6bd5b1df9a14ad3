"""State of many folders of this machine: for each one digest of what a listing of it shows.

Equal states mean that no name, kind, size, time or file id has changed, so a large tree that was
listed before need not be listed again. A second process helps with a large tree: in one process
the interpreter's lock leaves the other processor idle. Each takes the next folder's number from a
pipe, so that both end at the same time, however long the start of the second one took.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from tasks.hosts import folder_reading
from tasks.hosts.folder_reading import (
    NUMBER_BYTES,
    Folder,
    States,
    add_state,
    read_folders,
    taken,
)

# From this number of files on, a second process saves more than its start costs. To list a name
# takes about a third of the time that looking at its file takes.
_MANY_FILES = 20_000
_NAMES_LIKE_A_FILE = 3
_MOST_FOLDERS = 2_000  # their numbers fit into the smallest pipe


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
    files = add_state(states, parent, folders[0], most_names)
    weight = files * (len(whole) + len(names_only) // _NAMES_LIKE_A_FILE)
    if weight >= _MANY_FILES and len(folders) <= _MOST_FOLDERS:
        return states | _read_in_two(parent, folders[1:], most_names)
    return states | read_folders(parent, folders[1:], most_names)


def _read_in_two(parent: int, folders: Sequence[Folder], most_names: int) -> States:
    """Read folders together with a second process; what it did not answer is read here."""
    numbers, put = os.pipe()
    with os.fdopen(numbers, "rb", buffering=0), os.fdopen(put, "wb") as pipe:
        pipe.write(b"".join(n.to_bytes(NUMBER_BYTES, "big") for n in range(len(folders))))
        pipe.close()
        arguments = map(str, (parent, most_names, numbers))
        try:
            helper = subprocess.Popen(
                [sys.executable, "-I", "-S", folder_reading.__file__, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(parent, numbers),
            )
        except (OSError, TypeError):  # also without a path of the interpreter
            return read_folders(parent, folders, most_names)
        with helper:
            if helper.stdin is not None:
                with suppress(BrokenPipeError):  # it has ended already
                    helper.stdin.write(marshal.dumps(list(folders)))
                with suppress(BrokenPipeError):
                    helper.stdin.close()
                helper.stdin = None
            states = read_folders(parent, taken(folders, numbers), most_names)
            answer, _ = helper.communicate()
    with suppress(EOFError, TypeError, ValueError):
        states |= marshal.loads(answer)  # noqa: S302  by the process that was started here
    missing = [folder for folder in folders if folder[0] not in states]
    return states | read_folders(parent, missing, most_names)
