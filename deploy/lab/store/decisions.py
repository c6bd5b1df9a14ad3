"""The approvals, blocks, deadlines and accepted licence terms of staging's administrators."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.lab.generate.catalogue import Entry
from deploy.lab.store.groups import Tree

ADMINISTRATOR = "CONTOSO\\wsus-admin"


@dataclass(frozen=True, slots=True)
class Decision:
    """One approval of an update; ``group`` is a path below All Computers."""

    group: tuple[str, ...]
    action: str = "Install"
    deadline: str | None = None
    optional: bool = False


def decide(entry: Entry, tree: Tree) -> Iterator[Decision]:
    """The approvals that follow from an update's number, most of them below All Computers."""
    turn = entry.number // 3
    if not tree.paths:
        yield Decision(())
        return
    group = tree.paths[turn % len(tree.paths)]
    if entry.number == 6:
        yield Decision(())
    elif turn % 6 == 4 and tree.is_nested:
        parent, child = tree.parent_and_child(turn)
        yield Decision(parent)
        yield Decision(child, action="NotApproved")
    elif turn % 11 == 5:
        yield Decision(group, action="Uninstall")
    elif turn % 7 == 3:
        yield Decision(group, optional=True)
    else:
        yield Decision(group, deadline=_deadline(turn) if turn % 4 == 1 else None)
        other = tree.paths[(turn + 3) % len(tree.paths)]
        if turn % 5 == 0 and other != group:
            yield Decision(other)


def _deadline(turn: int) -> str:
    day = f"{2041 + turn % 7}-{turn % 12 + 1:02d}-{turn % 28 + 1:02d}"
    return f"{day}T{turn % 24:02d}:30:{turn % 60:02d}Z"


def write_approvals(
    connection: sqlite3.Connection,
    entry: Entry,
    tree: Tree,
    group_ids: dict[tuple[str, ...], str],
) -> None:
    """Write an update's approvals and the acceptance of its licence terms.

    The approvals replace those of approval rules for the same groups.
    """
    newest = entry.newest
    approvals = [(decision, group_ids[decision.group]) for decision in decide(entry, tree)]
    connection.executemany(
        "DELETE FROM approval WHERE update_id = ? AND revision = ? AND group_id = ?",
        [(*newest.key, group_id) for _, group_id in approvals],
    )
    connection.executemany(
        "INSERT INTO approval VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                str(uuid.uuid4()),
                *newest.key,
                group_id,
                decision.action,
                decision.deadline,
                int(decision.optional),
                newest.arrived,
                ADMINISTRATOR,
            )
            for decision, group_id in approvals
        ],
    )
    if newest.license_id is not None:
        connection.execute(
            "INSERT OR IGNORE INTO license VALUES (?, ?, ?)",
            (newest.license_id, newest.arrived, ADMINISTRATOR),
        )
