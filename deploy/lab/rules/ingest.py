"""The insertion of new revisions into a server, by synchronisation or by import.

WSUS then makes decisions by itself. It moves the approvals of an update to its new revision
(``AutoRefreshUpdateApprovals``), declines an update with a new expired revision
(``AutoRefreshUpdateApprovalsDeclineExpired``), approves updates of its own infrastructure
(``AutoApproveWsusInfrastructureUpdates``), and applies the enabled approval rules.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from deploy.lab.generate import taxonomy
from deploy.lab.rules import categories, content_agent, groups
from deploy.lab.rules.server import Server, as_text, now
from deploy.lab.store import database, revision_store
from deploy.lab.store.records import TAXONOMY, Revision

# The administrator that WSUS names in its own approvals.
SERVER_ITSELF = "WSUS Server"


def insert(server: Server, revision: Revision, document: bytes | None = None) -> bool:
    """Insert a revision and make WSUS's own decisions on it; gives True if it existed.

    Args:
        server: The server.
        revision: The revision.
        document: Its XML as it came, packed with zlib; None for a generated revision.
    """
    connection = server.connection
    if revision_store.has(connection, *revision.key):
        return True
    with database.transaction(connection):
        revision_store.put(connection, revision, document)
        if revision.license_id is not None:
            content_agent.require_license(server, *revision.key)
        if not revision.hidden and revision.kind not in TAXONOMY:
            _refresh_approvals(server, revision)
            _approve_infrastructure(server, revision)
    return False


def move_approvals(server: Server, update_id: str, revision: int) -> None:
    """Move the approvals of an update's older revisions to a new one."""
    connection = server.connection
    older = [
        row["revision"]
        for row in connection.execute(
            "SELECT DISTINCT revision FROM approval WHERE update_id = ? AND revision != ?",
            (update_id, revision),
        )
    ]
    connection.execute(
        "UPDATE approval SET revision = ? WHERE update_id = ?",
        (revision, update_id),
    )
    for number in older:
        content_agent.release(server, update_id, number)
    _require_if_wanted(server, update_id, revision)


def approve_for_group(
    server: Server, key: tuple[str, int], group_id: str, deadline: str | None
) -> None:
    """Write an Install approval by WSUS itself."""
    server.connection.execute(
        "INSERT INTO approval VALUES (?, ?, ?, ?, 'Install', ?, 0, ?, ?)",
        (str(uuid.uuid4()), *key, group_id, deadline, now(), SERVER_ITSELF),
    )
    _require_if_wanted(server, *key)


def apply_rules(server: Server, arrived: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Apply the enabled approval rules to new updates; gives the approved revisions.

    The rules do not apply to a new revision of an update that existed before.
    """
    rules = server.connection.execute("SELECT * FROM approval_rule WHERE enabled").fetchall()
    if not rules:
        return []
    approved = []
    arrivals = Counter(update_id for update_id, _ in arrived)
    count_revisions = "SELECT count(*) FROM revision WHERE update_id = ?"
    with database.transaction(server.connection):
        for key in arrived:
            if server.connection.execute(count_revisions, key[:1]).fetchone()[0] > arrivals[key[0]]:
                continue
            row = server.connection.execute(
                "SELECT * FROM revision WHERE update_id = ? AND revision = ?", key
            ).fetchone()
            outcomes = {apply_rule(server, rule, row) for rule in rules}
            if True in outcomes:
                approved.append(key)
    return approved


def apply_rule(server: Server, rule: sqlite3.Row, revision: sqlite3.Row) -> bool:
    """Approve a revision for the groups of a rule that covers it; gives True on a change."""
    key = (revision["update_id"], revision["revision"])
    if not _is_meant(server, rule, revision):
        return False
    deadline = None
    if rule["deadline_days"] is not None:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        minutes = rule["deadline_minutes"] or 0
        deadline = as_text(midnight + timedelta(days=rule["deadline_days"], minutes=minutes))
    changed = False
    for group_id in _groups_of(server, rule):
        existing = server.connection.execute(
            "SELECT 1 FROM approval WHERE update_id = ? AND revision = ? AND group_id = ?",
            (*key, group_id),
        ).fetchone()
        if existing is None:
            approve_for_group(server, key, group_id, deadline)
            changed = True
    return changed


def _groups_of(server: Server, rule: sqlite3.Row) -> list[str]:
    """The groups of a rule: All Computers if it names none; none if all were deleted."""
    group_ids = json.loads(rule["group_ids"])
    return groups.existing(server, group_ids) if group_ids else [database.ALL_COMPUTERS]


def _is_meant(server: Server, rule: sqlite3.Row, revision: sqlite3.Row) -> bool:
    category_ids = json.loads(rule["category_ids"])
    classifications = json.loads(rule["classification_ids"])
    if revision["kind"] in TAXONOMY or revision["hidden"] or not revision["is_latest"]:
        return False
    if revision["publication"] == "Expired" or _is_declined(server, revision["update_id"]):
        return False
    if revision["license_id"] and not _is_accepted(server, revision["license_id"]):
        return False
    if category_ids and not _is_below(server, revision["product_id"], category_ids):
        return False
    return not classifications or revision["classification_id"] in classifications


def _is_below(server: Server, product_id: str | None, category_ids: list[str]) -> bool:
    query = f"SELECT ? IN ({categories.below(', '.join('?' * len(category_ids)))})"
    row = server.connection.execute(query, (product_id, *category_ids)).fetchone()
    return bool(row[0])


def _refresh_approvals(server: Server, revision: Revision) -> None:
    row = server.connection.execute(
        "SELECT count(*) AS approvals, coalesce(max(revision), 0) AS newest FROM approval"
        " WHERE update_id = ?",
        (revision.update_id,),
    ).fetchone()
    is_approved = row["approvals"] and row["newest"] < revision.revision
    if not is_approved or not server.setting("AutoRefreshUpdateApprovals"):
        return
    if revision.publication == "Expired":
        if server.setting("AutoRefreshUpdateApprovalsDeclineExpired"):
            decline(server, revision.update_id)
        return
    if revision.license_id is not None and not _is_accepted(server, revision.license_id):
        reason = "The license agreement of the new revision has not been accepted"
        server.record_event(
            422,
            "A later revision of an update could not automatically be approved."
            f" Reason: {reason}. Update ID: {revision.update_id}.",
        )
        return
    move_approvals(server, *revision.key)


def decline(server: Server, update_id: str) -> None:
    """Decline an update and delete the approvals of all its revisions."""
    connection = server.connection
    approved = connection.execute(
        "SELECT DISTINCT revision FROM approval WHERE update_id = ?", (update_id,)
    ).fetchall()
    connection.execute("DELETE FROM approval WHERE update_id = ?", (update_id,))
    connection.execute("INSERT OR IGNORE INTO decline VALUES (?)", (update_id,))
    for row in approved:
        content_agent.release(server, update_id, row["revision"])


def _approve_infrastructure(server: Server, revision: Revision) -> None:
    is_meant = revision.product_id == taxonomy.INFRASTRUCTURE and revision.publication != "Expired"
    if not is_meant or not server.setting("AutoApproveWsusInfrastructureUpdates"):
        return
    query = "SELECT 1 FROM approval WHERE update_id = ? AND group_id = ?"
    key = (revision.update_id, database.ALL_COMPUTERS)
    is_decided = server.connection.execute(query, key).fetchone() is not None
    if not is_decided and not _is_declined(server, revision.update_id):
        approve_for_group(server, revision.key, database.ALL_COMPUTERS, None)


def _require_if_wanted(server: Server, update_id: str, revision: int) -> None:
    approval = server.connection.execute(
        "SELECT 1 FROM approval WHERE update_id = ? AND revision = ? AND action != 'NotApproved'",
        (update_id, revision),
    ).fetchone()
    if approval is not None:
        content_agent.require(server, update_id, revision)


def _is_declined(server: Server, update_id: str) -> bool:
    query = "SELECT 1 FROM decline WHERE update_id = ?"
    return server.connection.execute(query, (update_id,)).fetchone() is not None


def _is_accepted(server: Server, license_id: str) -> bool:
    query = "SELECT 1 FROM license WHERE id = ?"
    return server.connection.execute(query, (license_id,)).fetchone() is not None
