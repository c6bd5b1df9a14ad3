"""Labs in which nothing waits, so that a run with exit code 2 has it from what a test did."""

from __future__ import annotations

from pathlib import Path

from deploy.lab.rules import content_agent, update_search
from deploy.lab.rules.scope import Scope
from deploy.lab.rules.update_search import UpdateRow
from deploy.lab.store import content_paths
from deploy.lab.store.database import ALL_COMPUTERS
from tests.support.labs import Lab


def keep_plain_approvals(lab: Lab) -> list[UpdateRow]:
    """Leave on staging nothing that an import parks or holds; gives its approved updates."""
    with lab.server("staging") as server:
        plain = {
            (row.update_id, row.revision): row
            for row in update_search.search_updates(server, Scope())
            if row.state == "Ready"
            and row.approved
            and not row.has_license
            and not row.superseded
            and row.publication != "Expired"
        }
        for row in server.connection.execute("SELECT * FROM approval").fetchall():
            matches_binding = row["group_id"] != ALL_COMPUTERS and row["action"] == "Install"
            if not matches_binding or (row["update_id"], row["revision"]) not in plain:
                server.connection.execute("DELETE FROM approval WHERE id = ?", (row["id"],))
        server.connection.execute("DELETE FROM decline")
        return list(plain.values())


def needed_files(lab: Lab) -> list[Path]:
    """A content file of each approved update of staging that has one, the last update first.

    Approvals for a group that a fault hides do not count.
    """
    with lab.server("staging") as server:
        query = (
            "SELECT DISTINCT update_id, revision FROM approval WHERE group_id != ?"
            " ORDER BY update_id DESC"
        )
        hidden = server.fault("group-hidden") or ""
        keys = [tuple(row) for row in server.connection.execute(query, (hidden,))]
        needed = (content_agent.needed_files(server, *key) for key in keys)
        firsts = dict.fromkeys(files[0] for files in needed if files)
        query = "SELECT name FROM file WHERE sha1 = ?"
        names = {sha1: server.connection.execute(query, (sha1,)).fetchone()[0] for sha1 in firsts}
    folder = lab.content_dir("staging")
    return [content_paths.content_path(folder, sha1, name) for sha1, name in names.items()]


def replace_wsusutil(lab: Lab, script: str) -> None:
    """Put a script in the place of staging's wsusutil; ``$REAL`` in it is the true one."""
    path = lab.folder / "staging" / "server" / "replaced"
    real = lab.folder / "staging" / "wsusutil"
    path.write_text(f"#!/bin/sh\nREAL='{real}'\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    lab.configure("staging", "server", wsusutil=[str(path)])


def restore_wsusutil(lab: Lab) -> None:
    """Give staging its own wsusutil again."""
    lab.configure("staging", "server", wsusutil=[str(lab.folder / "staging" / "wsusutil")])
