"""Target groups of a lab: names in several scripts, nested, from the seed."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from deploy.lab.store.database import ALL_COMPUTERS, UNASSIGNED_COMPUTERS

BUILT_IN_NAMES = {
    "en": ("All Computers", "Unassigned Computers"),
    "de": ("Alle Computer", "Nicht zugewiesene Computer"),
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

    def standing(self, present: Collection[tuple[str, ...]]) -> Tree:
        """What is left where administrators deleted groups; if none is, the groups they made."""
        left = tuple(path for path in self.paths if path in present)
        return Tree(left or tuple(sorted(present, key=lambda path: (len(path), path))))

    @property
    def is_nested(self) -> bool:
        """Whether any group has another below it."""
        return any(len(path) > 1 for path in self.paths)

    def parent_and_child(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """A group and one below it."""
        children = [path for path in self.paths if len(path) > 1]
        child = children[number % len(children)]
        return child[:-1], child


def plant(seed: int) -> Tree:
    """The groups that follow from a seed."""
    draw = random.Random(f"groups {seed}")
    top = draw.sample(_TOP, 3)
    paths: list[tuple[str, ...]] = [(name,) for name in top]
    below = draw.sample(_BELOW, len(_BELOW))
    paths += [(top[place % 3], name) for place, name in enumerate(below[:5])]
    paths += [(top[1], below[6]), (top[0], below[0], below[5])]
    return Tree(tuple(sorted(set(paths), key=lambda path: (len(path), path))))


def write(connection: sqlite3.Connection, tree: Tree, language: str) -> dict[tuple[str, ...], str]:
    """Write the built-in groups and a tree; gives the ids by path, new ones on each server."""
    everybody, unassigned = BUILT_IN_NAMES[language]
    ids: dict[tuple[str, ...], str] = {(): ALL_COMPUTERS}
    rows: list[tuple[str, str, str | None]] = [
        (ALL_COMPUTERS, everybody, None),
        (UNASSIGNED_COMPUTERS, unassigned, ALL_COMPUTERS),
    ]
    for path in tree.paths:
        ids[path] = str(uuid.uuid4())
        rows.append((ids[path], path[-1], ids[path[:-1]]))
    connection.executemany("INSERT INTO target_group VALUES (?, ?, ?)", rows)
    return ids


def read(connection: sqlite3.Connection) -> dict[tuple[str, ...], str]:
    """The ids of all groups by their path below All Computers."""
    rows = {row["id"]: row for row in connection.execute("SELECT * FROM target_group")}

    def path(group_id: str) -> tuple[str, ...]:
        row = rows[group_id]
        return () if row["parent_id"] is None else (*path(row["parent_id"]), row["name"])

    return {path(group_id): group_id for group_id in rows}
