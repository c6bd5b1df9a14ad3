"""Faults that lie in what a server has stored: its history, approval rules, states of content.

Each changes rows of the database and gives what clears it again. What the server does afterwards
counts as on a real one: a synchronisation that succeeds ends an old history, for example.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from deploy.lab.pair import LabError
from deploy.lab.rules import configuration, distribution_log
from deploy.lab.rules.server import Server, as_text, now
from deploy.lab.store import content_paths, database

DESCRIPTIONS = {
    "history-old": "the last synchronisation succeeded 40 days ago, and none was tried since",
    "history-gone": "the history of synchronisations is empty",
    "synchronising": "a synchronisation runs and does not end",
    "approval-rule": "an automatic approval rule is switched on",
    "downloads-failed": "WSUS has given up on the download of an approved update's file",
    "downloads-pending": "an approved update's file is still to be downloaded",
    "api-silent": "WsusService runs, but the API of WSUS does not answer",
}
_OLD = timedelta(days=40)
_RULE = "Default Automatic Approval Rule"
_NEEDED = (
    "SELECT sha1, name, needed.update_id, needed.revision FROM (SELECT update_id, revision,"
    " update_id AS owner_id, revision AS owner_revision FROM update_state WHERE state = 'Ready'"
    " UNION ALL SELECT update_id, revision, other_id, other_revision"
    " FROM update_state JOIN relation USING (update_id, revision)"
    " WHERE state = 'Ready' AND relation.kind = 'bundles') AS needed"
    " JOIN revision_file ON revision_file.update_id = owner_id"
    " AND revision_file.revision = owner_revision JOIN file USING (sha1)"
    " WHERE file.kind = 'payload' ORDER BY sha1, needed.update_id, needed.revision"
)
_REFUSED = "File cert verification failure."


def _age_history(server: Server) -> list[dict[str, Any]]:
    rows = configuration.synchronizations(server)
    with database.transaction(server.connection) as connection:
        for row in rows:
            times = (_earlier(row["started"]), _earlier(row["ended"]), row["id"])
            connection.execute(
                "UPDATE synchronization SET started = ?, ended = ? WHERE id = ?", times
            )
    return rows


def _earlier(time: str | None) -> str | None:
    return None if time is None else as_text(datetime.fromisoformat(time) - _OLD)


def _empty_history(server: Server) -> list[dict[str, Any]]:
    rows = configuration.synchronizations(server)
    server.connection.execute("DELETE FROM synchronization")
    return rows


def _restore_history(server: Server, rows: list[dict[str, Any]]) -> None:
    with database.transaction(server.connection) as connection:
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join("?" * len(row))
            connection.execute(
                f"INSERT OR REPLACE INTO synchronization ({names}) VALUES ({marks})",
                tuple(row.values()),
            )


def _begin_synchronisation(server: Server) -> str:
    run_id = str(uuid.uuid4())
    server.connection.execute(
        "INSERT INTO synchronization VALUES (?, ?, NULL, 'NeverRun', 'NotApplicable', '', 0)",
        (run_id, now()),
    )
    return run_id


def _end_synchronisation(server: Server, run_id: str) -> None:
    server.connection.execute("DELETE FROM synchronization WHERE id = ?", (run_id,))


def _add_rule(server: Server) -> int:
    cursor = server.connection.execute(
        "INSERT INTO approval_rule (name, enabled, group_ids, category_ids, classification_ids)"
        " VALUES (?, 1, ?, '[]', '[]')",
        (_RULE, json.dumps([database.UNASSIGNED_COMPUTERS])),
    )
    return cursor.lastrowid or 0


def _remove_rule(server: Server, rule_id: int) -> None:
    server.connection.execute("DELETE FROM approval_rule WHERE id = ?", (rule_id,))


def _fail_download(server: Server) -> dict[str, Any]:
    """The state Failed for a file, its event 364, and the reason in SoftwareDistribution.log."""
    victim = _victim(server)
    _set_state(server, victim, "Failed")
    distribution_log.append(
        server.server_folder,
        "Error",
        "ContentSyncAgent.ProcessBITSNotificationQueue",
        f"{_REFUSED} Source File: {victim['name']} Destination File: {victim['path']} (0x800B0109)",
    )
    server.record_event(
        364,
        f"Content file download failed. Reason: {_REFUSED} Source File: {victim['name']} "
        f"Destination File: {victim['path']}",
    )
    return victim


def _await_download(server: Server) -> dict[str, Any]:
    """The state NotReady for a file that is not there any more; its bytes are kept aside."""
    victim = _victim(server)
    _set_state(server, victim, "NotReady")
    shelter = server.server_folder / "faults"
    shelter.mkdir(exist_ok=True)
    path = content_paths.content_path(server.content_dir, victim["sha1"], victim["name"])
    path.rename(shelter / path.name)
    return victim


def _victim(server: Server) -> dict[str, Any]:
    """A file in place that an approved update needs, itself or by a bundled child."""
    for row in server.connection.execute(_NEEDED):
        path = content_paths.content_path(server.content_dir, row["sha1"], row["name"])
        if path.is_file():
            shown = f"D:\\WSUS\\WsusContent\\{path.parent.name}\\{path.name}"
            return {**dict(row), "path": shown}
    raise LabError("there is no approved update with a file that this fault could befall")


def _set_state(server: Server, victim: dict[str, Any], state: str) -> None:
    with database.transaction(server.connection) as connection:
        connection.execute(
            "UPDATE content_state SET state = ? WHERE sha1 = ?", (state, victim["sha1"])
        )
        connection.execute(
            "UPDATE update_state SET state = ? WHERE update_id = ? AND revision = ?",
            (state, victim["update_id"], victim["revision"]),
        )


def _end_download(server: Server, victim: dict[str, Any]) -> None:
    path = content_paths.content_path(server.content_dir, victim["sha1"], victim["name"])
    kept = server.server_folder / "faults" / path.name
    if kept.is_file():
        kept.replace(path)
    _set_state(server, victim, "Ready")


def _silence(server: Server) -> bool:
    server.record_event(12012, "The API Remoting Web Service is not working.")
    return True


CAUSES: dict[str, Callable[[Server], Any]] = {
    "history-old": _age_history,
    "history-gone": _empty_history,
    "synchronising": _begin_synchronisation,
    "approval-rule": _add_rule,
    "downloads-failed": _fail_download,
    "downloads-pending": _await_download,
    "api-silent": _silence,
}
CURES: dict[str, Callable[[Server, Any], None]] = {
    "history-old": _restore_history,
    "history-gone": _restore_history,
    "synchronising": _end_synchronisation,
    "approval-rule": _remove_rule,
    "downloads-failed": _end_download,
    "downloads-pending": _end_download,
}
