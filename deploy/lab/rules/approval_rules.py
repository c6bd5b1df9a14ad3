"""Automatic approval rules: reading, changing and running them."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from deploy.lab.rules import groups, ingest, update_search
from deploy.lab.rules.server import RuleError, Server
from deploy.lab.store import database


class RuleRow(NamedTuple):
    """One rule as ``IAutomaticUpdateApprovalRule`` shows it; without a deadline both are None."""

    id: int
    name: str
    enabled: bool
    group_ids: list[str]
    category_ids: list[str]
    classification_ids: list[str]
    deadline_days: int | None
    deadline_minutes: int | None


class Revision(NamedTuple):
    """A revision that a rule approved."""

    update_id: str
    revision: int


def all_rules(server: Server) -> list[RuleRow]:
    """``GetInstallApprovalRules``."""
    rows = server.connection.execute("SELECT * FROM approval_rule ORDER BY id")
    return [_rule_row(server, row) for row in rows]


def create(server: Server, name: str | None) -> RuleRow:
    """``CreateInstallApprovalRule``: make a disabled rule for every update and no group."""
    groups.refuse_on_replica(server)
    if not name or not name.strip():
        raise RuleError("ArgumentException", "An approval rule must have a name.")
    if any(rule.name.casefold() == name.casefold() for rule in all_rules(server)):
        raise RuleError(
            "WsusObjectAlreadyExistsException", f"An approval rule {name} already exists."
        )
    cursor = server.connection.execute(
        "INSERT INTO approval_rule (name, enabled, group_ids, category_ids, classification_ids)"
        " VALUES (?, 0, '[]', '[]', '[]')",
        (name,),
    )
    return get_rule(server, cursor.lastrowid or 0)


def get_rule(server: Server, rule_id: int) -> RuleRow:
    """Read a rule by its id.

    Raises:
        RuleError: There is no such rule (``WsusObjectNotFoundException``).
    """
    query = "SELECT * FROM approval_rule WHERE id = ?"
    row = server.connection.execute(query, (rule_id,)).fetchone()
    if row is None:
        raise RuleError("WsusObjectNotFoundException", "The approval rule could not be found.")
    return _rule_row(server, row)


def save(server: Server, rule: RuleRow) -> None:
    """``Save``."""
    groups.refuse_on_replica(server)
    get_rule(server, rule.id)
    server.connection.execute(
        "UPDATE approval_rule SET name = ?, enabled = ?, group_ids = ?, category_ids = ?,"
        " classification_ids = ?, deadline_days = ?, deadline_minutes = ? WHERE id = ?",
        (
            rule.name, int(rule.enabled), json.dumps(rule.group_ids),
            json.dumps(rule.category_ids), json.dumps(rule.classification_ids),
            rule.deadline_days, rule.deadline_minutes, rule.id,
        ),
    )  # fmt: skip


def delete(server: Server, rule_id: int) -> None:
    """``DeleteInstallApprovalRule``."""
    groups.refuse_on_replica(server)
    get_rule(server, rule_id)
    server.connection.execute("DELETE FROM approval_rule WHERE id = ?", (rule_id,))


def apply_rule(server: Server, rule_id: int) -> list[Revision]:
    """``ApplyRule``: approve the rule's updates; gives the newly approved revisions."""
    get_rule(server, rule_id)
    groups.refuse_on_replica(server)
    connection = server.connection
    rule = connection.execute("SELECT * FROM approval_rule WHERE id = ?", (rule_id,)).fetchone()
    rows = connection.execute(f"SELECT * FROM revision r WHERE {update_search.VISIBLE}").fetchall()
    with database.transaction(connection):
        return [
            Revision(row["update_id"], row["revision"])
            for row in rows
            if ingest.apply_rule(server, rule, row)
        ]


def _rule_row(server: Server, row: sqlite3.Row) -> RuleRow:
    return RuleRow(
        id=row["id"],
        name=row["name"],
        enabled=bool(row["enabled"]),
        group_ids=groups.existing(server, json.loads(row["group_ids"])),
        category_ids=json.loads(row["category_ids"]),
        classification_ids=json.loads(row["classification_ids"]),
        deadline_days=row["deadline_days"],
        deadline_minutes=row["deadline_minutes"],
    )
