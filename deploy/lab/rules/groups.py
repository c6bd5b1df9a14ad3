"""Target groups: a tree below All Computers, names checked and unique on the server."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from deploy.lab.rules import content_agent
from deploy.lab.rules.refused_object import refuse_one
from deploy.lab.rules.server import RuleError, Server
from deploy.lab.store import database

FORBIDDEN_CHARACTERS = frozenset("~!@#$^&*()=+[]\\{}|;:'\"<>/")
LONGEST_NAME = 256


class GroupRow(NamedTuple):
    """One group as ``IComputerTargetGroup`` shows it."""

    id: str
    name: str


def is_valid_name(name: str | None) -> bool:
    """``IsValidComputerTargetGroupName``."""
    if not name or name != name.strip() or len(name) > LONGEST_NAME:
        return False
    return FORBIDDEN_CHARACTERS.isdisjoint(name) and all(letter >= " " for letter in name)


def all_groups(server: Server) -> list[GroupRow]:
    """``GetComputerTargetGroups``: all groups by name, including the built-in ones."""
    rows = server.connection.execute("SELECT id, name FROM target_group ORDER BY name, id")
    hidden = server.fault("group-hidden")
    return [GroupRow(**row) for row in rows if row["id"] != hidden]


def get_group(server: Server, group_id: str) -> GroupRow:
    """``GetComputerTargetGroup``.

    Raises:
        RuleError: There is no such group (``WsusObjectNotFoundException``).
    """
    row = _find(server, group_id)
    return GroupRow(row["id"], row["name"])


def existing(server: Server, group_ids: Sequence[str]) -> list[str]:
    """The ids of those groups that still exist."""
    present = {row["id"] for row in server.connection.execute("SELECT id FROM target_group")}
    return [group_id for group_id in group_ids if group_id in present]


def children(server: Server, group_id: str) -> list[GroupRow]:
    """``GetChildTargetGroups``."""
    rows = server.connection.execute(
        "SELECT id, name FROM target_group WHERE parent_id = ? ORDER BY name, id", (group_id,)
    )
    return [GroupRow(**row) for row in rows]


def parent(server: Server, group_id: str) -> GroupRow | None:
    """``GetParentTargetGroup``; None for All Computers."""
    above = _find(server, group_id)["parent_id"]
    return None if above is None else get_group(server, above)


def create(server: Server, name: str | None, parent_id: str | None) -> GroupRow:
    """``CreateComputerTargetGroup``; without a parent the group lies below All Computers.

    Raises:
        RuleError: The name is invalid or taken, the parent does not exist or may have no
            children, or the server is a replica.
    """
    refuse_on_replica(server)
    if name is None:
        raise RuleError("ArgumentNullException", "The group name is missing.")
    if not 0 < len(name) <= LONGEST_NAME:
        raise RuleError("ArgumentOutOfRangeException", "The group name is empty or too long.")
    if not is_valid_name(name):
        raise RuleError("ArgumentException", "The computer group name is not valid.")
    above = parent_id or database.ALL_COMPUTERS
    get_group(server, above)
    if above in {database.UNASSIGNED_COMPUTERS, database.DOWNSTREAM_SERVERS}:
        raise RuleError("InvalidOperationException", "This group cannot have child groups.")
    refuse_one(server, "group-refused", name)
    with database.transaction(server.connection) as connection:
        if name.casefold() in (group.name.casefold() for group in all_groups(server)):
            raise RuleError(
                "WsusObjectAlreadyExistsException",
                f"A computer group with the name {name} already exists.",
            )
        group = GroupRow(str(uuid.uuid4()), name)
        connection.execute("INSERT INTO target_group VALUES (?, ?, ?)", (*group, above))
    return group


def delete(server: Server, group_id: str) -> None:
    """``IComputerTargetGroup.Delete``: delete a group, those below it, and their approvals."""
    refuse_on_replica(server)
    if group_id in database.BUILT_IN_GROUPS:
        raise RuleError("InvalidOperationException", "A built-in computer group cannot be deleted.")
    _find(server, group_id)
    with database.transaction(server.connection) as connection:
        for child in children(server, group_id):
            delete(server, child.id)
        approved = connection.execute(
            "SELECT DISTINCT update_id, revision FROM approval WHERE group_id = ?", (group_id,)
        ).fetchall()
        connection.execute("DELETE FROM approval WHERE group_id = ?", (group_id,))
        for row in approved:
            release_if_unapproved(server, row["update_id"], row["revision"])
        connection.execute("DELETE FROM target_group WHERE id = ?", (group_id,))


def release_if_unapproved(server: Server, update_id: str, revision: int) -> None:
    """Delete the content states of a revision without an effective approval."""
    row = server.connection.execute(
        "SELECT 1 FROM approval WHERE update_id = ? AND revision = ? AND action != 'NotApproved'",
        (update_id, revision),
    ).fetchone()
    if row is None:
        content_agent.release(server, update_id, revision)


def refuse_on_replica(server: Server) -> None:
    """Raise the error of WSUS for a decision on a replica."""
    if server.setting("IsReplicaServer"):
        raise RuleError(
            "InvalidOperationException", "This operation cannot be performed on a replica server."
        )


def _find(server: Server, group_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = server.connection.execute(
        "SELECT id, name, parent_id FROM target_group WHERE id = ?", (group_id,)
    ).fetchone()
    if row is None or server.fault("group-hidden") == group_id:
        raise RuleError(
            "WsusObjectNotFoundException", f"The computer group {group_id} could not be found."
        )
    return row
