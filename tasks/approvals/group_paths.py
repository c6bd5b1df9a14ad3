"""Paths of target groups as a site file writes them: names below All Computers, joined by ``/``.

A ``/`` in a name is written ``//``. It is read from left to right, so a name that itself begins
with ``/`` can only be the first one of a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.approvals.model import (
    ALL_COMPUTERS,
    DEEPEST_GROUP,
    UNASSIGNED_COMPUTERS,
    GroupPath,
    fold,
)

_SEPARATED = re.compile(r"(?:[^/]|//)+|/")


def read_path(text: str) -> GroupPath:
    """Read the path of a group, from All Computers down.

    Raises:
        ValueError: It is no path of a group that a site may name; the sentence says why.
    """
    names, expects_name = [], True
    for piece in _SEPARATED.findall(text):
        if piece == "/":
            if expects_name:
                break
            expects_name = True
        else:
            names.append(piece.replace("//", "/"))
            expects_name = False
    if expects_name:
        raise ValueError(
            f"expected names of groups with / between them, found {text!r}: a name is empty; a / "
            "in a name is written //"
        )
    _require_plain(names, text)
    path = (*ALL_COMPUTERS, *names)
    if fold(path[:2]) == fold(UNASSIGNED_COMPUTERS):
        raise ValueError(
            f"{UNASSIGNED_COMPUTERS[-1]} is a group of WSUS itself; the key unassigned_computers "
            "of [groups] is for it"
        )
    return path


def write_path(path: GroupPath) -> str:
    """Write a path as a site file has it; All Computers itself is an empty text."""
    return "/".join(name.replace("/", "//") for name in path[1:])


def _require_plain(names: Iterable[str], text: str) -> None:
    names = tuple(names)
    if names[0].casefold() == ALL_COMPUTERS[0].casefold():
        raise ValueError(
            f"{text!r} begins with {ALL_COMPUTERS[0]}; paths begin below it, so leave that name out"
        )
    if any(name != name.strip() for name in names):
        raise ValueError(
            f"a name in {text!r} begins or ends with a space; write Servers/Test without any"
        )
    if len(names) >= DEEPEST_GROUP:
        raise ValueError(f"a path has at most {DEEPEST_GROUP - 1} names, found {len(names)}")
