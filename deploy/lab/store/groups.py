"""Target groups of a lab, generated from the seed: nested, with names in several scripts."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from deploy.lab.store.database import ALL_COMPUTERS, BUILT_IN_GROUPS

BUILT_IN_NAMES = {
    "en": ("All Computers", "Unassigned Computers", "Downstream Servers"),
    "de": ("Alle Computer", "Nicht zugewiesene Computer", "Downstreamserver"),
}
_TOP = ("Servers", "Workstations", "Außenstelle Köln", "Пилотная группа", "本社", "Laboratório")
_BELOW = (
    "Domain Controllers",
    "経理部",
    "قسم المحاسبة",
    "Büro München",
    "Pilot 🧪",
    "Ελλάδα",
    "Kiosk",
)


@dataclass(frozen=True, slots=True)
class Tree:
    """The paths of a lab's groups below All Computers, parents before children."""

    paths: tuple[tuple[str, ...], ...]

    def remaining(self, present: Collection[tuple[str, ...]]) -> Tree:
        """The groups of this tree among the present ones; if none remains, all present ones."""
        remaining = tuple(path for path in self.paths if path in present)
        return Tree(remaining or tuple(sorted(present, key=lambda path: (len(path), path))))

    @property
    def is_nested(self) -> bool:
        """True if any group has another below it."""
        return any(len(path) > 1 for path in self.paths)

    def parent_and_child(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """A group and its child, chosen by a number."""
        children = [path for path in self.paths if len(path) > 1]
        child = children[number % len(children)]
        return child[:-1], child


def plant(seed: int) -> Tree:
    """Make the groups of a seed."""
    draw = random.Random(f"groups {seed}")
    top = draw.sample(_TOP, 3)
    paths: list[tuple[str, ...]] = [(name,) for name in top]
    below = draw.sample(_BELOW, len(_BELOW))
    paths += [(top[index % 3], name) for index, name in enumerate(below[:5])]
    paths += [(top[1], below[6]), (top[0], below[0], below[5])]
    return Tree(tuple(sorted(set(paths), key=lambda path: (len(path), path))))


def write(connection: sqlite3.Connection, tree: Tree, language: str) -> dict[tuple[str, ...], str]:
    """Write the built-in groups and a tree; gives the ids by path, which differ on each server."""
    ids: dict[tuple[str, ...], str] = {(): ALL_COMPUTERS}
    rows: list[tuple[str, str, str | None]] = [
        (group_id, name, None if group_id == ALL_COMPUTERS else ALL_COMPUTERS)
        for group_id, name in zip(BUILT_IN_GROUPS, BUILT_IN_NAMES[language], strict=True)
    ]
    for path in tree.paths:
        ids[path] = str(uuid.uuid4())
        rows.append((ids[path], path[-1], ids[path[:-1]]))
    connection.executemany("INSERT INTO target_group VALUES (?, ?, ?)", rows)
    return ids


def read(connection: sqlite3.Connection) -> dict[tuple[str, ...], str]:
    """Read the ids of all groups by their path below All Computers."""
    rows = {row["id"]: row for row in connection.execute("SELECT * FROM target_group")}

    def path(group_id: str) -> tuple[str, ...]:
        row = rows[group_id]
        return () if row["parent_id"] is None else (*path(row["parent_id"]), row["name"])

    return {path(group_id): group_id for group_id in rows}
