"""The decisions of an administrator: approvals, declines, licence terms, and their effects."""

from __future__ import annotations

import uuid
from pathlib import Path

from deploy.lab.rules import content_agent, groups, ingest, update_search
from deploy.lab.rules.refused_object import refuse_one
from deploy.lab.rules.server import RuleError, Server, now
from deploy.lab.rules.update_search import ApprovalRow, UpdateRow
from deploy.lab.store import content_paths, database

# Values of UpdateApprovalAction; All is valid in searches only.
ACTIONS = {0: "Install", 1: "Uninstall", 3: "NotApproved"}
ADMINISTRATOR = "LAB\\Administrator"


def approve(
    server: Server,
    update: tuple[str, int],
    action: str,
    group_id: str,
    *,
    deadline: str | None = None,
    optional: bool = False,
) -> ApprovalRow:
    """``Approve`` and ``ApproveForOptionalInstall``: approve a revision for a group.

    The new approval replaces the revision's old one for the group, and takes a decline away. The
    revision is ``NotReady`` until the content agent has verified its files.

    Args:
        update: Id and revision; revision 0 is the newest.
        server: The server.
        action: A name of ``ACTIONS``.
        group_id: The group.
        deadline: ``yyyy-MM-ddTHH:mm:ssZ``; None for no deadline.
        optional: True if computers only offer the update instead of installing it.

    Raises:
        RuleError: WSUS does not allow the approval.
    """
    row = update_search.get_update(server, *update)
    groups.get_group(server, group_id)
    groups.refuse_on_replica(server)
    _refuse_by_state(server, row, action, group_id)
    refuse_one(server, "approval-refused", f"{row.update_id} {row.revision}")
    with database.transaction(server.connection):
        _refuse_other_revision(server, row, action, group_id)
        _undecline(server, row.update_id, row.revision)
        server.connection.execute(
            "DELETE FROM approval WHERE update_id = ? AND revision = ? AND group_id = ?",
            (row.update_id, row.revision, group_id),
        )
        approval_id = str(uuid.uuid4())
        server.connection.execute(
            "INSERT INTO approval VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(approval_id, row.update_id, row.revision, group_id, action),
                None if action == "NotApproved" else deadline,
                *(int(optional), now(), ADMINISTRATOR),
            ),
        )
        if action == "NotApproved":
            groups.release_if_unapproved(server, row.update_id, row.revision)
        else:
            content_agent.require(server, row.update_id, row.revision)
    return update_search.get_approval(server, approval_id)


def delete_approval(server: Server, approval_id: str) -> None:
    """``IUpdateApproval.Delete``."""
    approval = update_search.get_approval(server, approval_id)
    groups.refuse_on_replica(server)
    refuse_one(server, "removal-refused", f"{approval.update_id} {approval.revision}")
    with database.transaction(server.connection) as connection:
        connection.execute("DELETE FROM approval WHERE id = ?", (approval_id,))
        groups.release_if_unapproved(server, approval.update_id, approval.revision)


def decline(
    server: Server, update_id: str, revision: int = 0, *, fail_if_replica: bool = True
) -> None:
    """``Decline``: decline an update and its bundled children; all their approvals go."""
    row = update_search.get_update(server, update_id, revision)
    if fail_if_replica:
        groups.refuse_on_replica(server)
    refuse_one(server, "decline-refused", row.update_id)
    with database.transaction(server.connection) as connection:
        ingest.decline(server, row.update_id)
        for child in _children(server, row.update_id, row.revision):
            connection.execute("INSERT OR IGNORE INTO decline VALUES (?)", (child,))


def expire_package(server: Server, update_id: str, revision: int) -> None:
    """``ExpirePackage``: refuse; it is for locally published updates, and the lab has none."""
    update_search.get_update(server, update_id, revision)
    raise RuleError("InvalidOperationException", "Only a locally published update can be expired.")


def accept_license(server: Server, update_id: str, revision: int) -> None:
    """``AcceptLicenseAgreement``: accept terms, for every update that has the same ones.

    Raises:
        RuleError: The update has no terms or their files are not on disk
            (``WsusObjectNotFoundException``), or the server is a replica.
    """
    update_search.get_update(server, update_id, revision)
    groups.refuse_on_replica(server)
    license_id = _license_id(server, update_id, revision)
    if license_id is None:
        raise RuleError("WsusObjectNotFoundException", "The update has no license agreement.")
    if not all(path.is_file() for path in license_files(server, update_id, revision)):
        raise RuleError(
            "WsusObjectNotFoundException",
            "The Microsoft Software License Terms have not been completely downloaded and"
            " cannot be accepted.",
        )
    refuse_one(server, "terms-refused", license_id)
    server.connection.execute(
        "INSERT OR IGNORE INTO license VALUES (?, ?, ?)",
        (license_id, now(), ADMINISTRATOR),
    )


def license_files(server: Server, update_id: str, revision: int) -> list[Path]:
    """The paths of a revision's licence terms in the server's languages."""
    rows = server.connection.execute(
        "SELECT sha1, name, language FROM revision_file JOIN file USING (sha1)"
        " WHERE update_id = ? AND revision = ? AND kind = 'license' ORDER BY language, sha1",
        (update_id, revision),
    ).fetchall()
    spoken = server.setting("EnabledUpdateLanguages")
    everything = server.setting("AllUpdateLanguagesEnabled")
    return [
        content_paths.content_path(server.content_dir, row["sha1"], row["name"])
        for row in rows
        if everything or row["language"] is None or row["language"] in spoken
    ]


def refresh_approvals(server: Server, update_id: str) -> None:
    """``RefreshUpdateApprovals``: move the approvals of older revisions to the newest.

    If the newest revision has an approval for the same group, the older approval is deleted.
    """
    newest = update_search.get_update(server, update_id, 0)
    groups.refuse_on_replica(server)
    with database.transaction(server.connection) as connection:
        stale = connection.execute(
            "SELECT * FROM approval WHERE update_id = ? AND revision < ? ORDER BY revision DESC",
            (update_id, newest.revision),
        ).fetchall()
        taken = {
            row.group_id
            for row in update_search.update_approvals(server, update_id, newest.revision)
        }
        for row in stale:
            if row["group_id"] in taken:
                connection.execute("DELETE FROM approval WHERE id = ?", (row["id"],))
            taken.add(row["group_id"])
        if stale:
            ingest.move_approvals(server, update_id, newest.revision)


def delete_update(server: Server, update_id: str) -> None:
    """``DeleteUpdate``: delete an update; refused if it is approved or another update needs it."""
    row = update_search.get_update(server, update_id, 0)
    groups.refuse_on_replica(server)
    if row.approved or row.stale:
        raise RuleError("InvalidOperationException", "An approved update cannot be deleted.")
    with database.transaction(server.connection) as connection:
        referrer = connection.execute(
            "SELECT 1 FROM relation WHERE other_id = ? AND kind IN ('bundles', 'requires')",
            (update_id,),
        ).fetchone()
        if referrer is not None:
            raise RuleError(
                "InvalidOperationException", "Other updates need this one; it cannot be deleted."
            )
        for table in ("approval", "update_state", "revision_file", "relation", "revision"):
            connection.execute(f"DELETE FROM {table} WHERE update_id = ?", (update_id,))
        connection.execute("DELETE FROM decline WHERE update_id = ?", (update_id,))


def _refuse_by_state(server: Server, row: UpdateRow, action: str, group_id: str) -> None:
    if action not in ACTIONS.values():
        raise RuleError("ArgumentOutOfRangeException", f"The action {action} is not for approving.")
    reason = None
    if _is_bundled(server, row):
        reason = "The update is part of a bundle and can only be approved with it."
    elif row.publication == "Expired" and action != "Uninstall":
        reason = "The update is expired and can only be approved for removal."
    elif action == "NotApproved" and group_id == database.ALL_COMPUTERS:
        reason = "This action cannot be set for the group that holds all computers."
    elif action == "Uninstall" and not row.uninstallable:
        reason = "The update cannot be removed once it is installed."
    elif action == "Install":
        reason = _reason_against_terms(server, row)
    if reason is not None:
        raise RuleError("InvalidOperationException", reason)


def _reason_against_terms(server: Server, row: UpdateRow) -> str | None:
    if row.license_required:
        return "The license agreement of the update must be accepted before it is approved."
    files = license_files(server, row.update_id, row.revision)
    if all(path.is_file() for path in files):
        return None
    return "The license agreement file of the update does not exist."


def _is_bundled(server: Server, row: UpdateRow) -> bool:
    query = "SELECT hidden FROM revision WHERE update_id = ? AND revision = ?"
    return bool(server.connection.execute(query, (row.update_id, row.revision)).fetchone()[0])


def _refuse_other_revision(server: Server, row: UpdateRow, action: str, group_id: str) -> None:
    """Refuse an approval that contradicts the approval of another revision.

    A group has approvals of one revision only; so have groups with different actions if one of
    them is All Computers.
    """
    query = "SELECT revision, group_id, action FROM approval WHERE update_id = ? AND revision != ?"
    for other in server.connection.execute(query, (row.update_id, row.revision)):
        groups_of_both = {group_id, other["group_id"]}
        is_conflict = database.ALL_COMPUTERS in groups_of_both and other["action"] != action
        if len(groups_of_both) == 1 or is_conflict:
            raise RuleError(
                "InvalidOperationException",
                f"Revision {other['revision']} of the update is approved for this group, or with"
                " another action where one of both is for all computers.",
            )


def _undecline(server: Server, update_id: str, revision: int) -> None:
    query = "DELETE FROM decline WHERE update_id = ?"
    if server.connection.execute(query, (update_id,)).rowcount:
        for child in _children(server, update_id, revision):
            server.connection.execute(query, (child,))


def _children(server: Server, update_id: str, revision: int) -> list[str]:
    """The ids of bundled children at any depth."""
    rows = server.connection.execute(
        "WITH RECURSIVE below (id, revision) AS (SELECT ?, ? UNION"
        " SELECT other_id, other_revision FROM relation JOIN below"
        " ON relation.update_id = below.id AND relation.revision = below.revision"
        " WHERE kind = 'bundles') SELECT DISTINCT id FROM below WHERE id != ?",
        (update_id, revision, update_id),
    )
    return [row["id"] for row in rows]


def _license_id(server: Server, update_id: str, revision: int) -> str | None:
    row = server.connection.execute(
        "SELECT license_id FROM revision WHERE update_id = ?"
        " AND (revision = ? OR (? = 0 AND is_latest = 1))",
        (update_id, revision, revision),
    ).fetchone()
    return None if row is None else row["license_id"]
