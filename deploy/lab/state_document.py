"""The state of a server as a document that is equal for equal content on both sides."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.lab.pair import server_folder
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server
from deploy.lab.store import groups
from deploy.lab.store.content_paths import CONTENT_NAME
from deploy.lab.store.database import BUILT_IN_GROUPS


def read(folder: Path, side: str) -> dict[str, Any]:
    """Read the state of one side's server; every list is sorted.

    ``revisions`` holds updates and bundled children, but no categories, classifications and
    detectoids, because a fresh server has some of these. ``files`` holds the files in WsusContent
    with a content name, each with its state in the database; the state is ``NotNeeded`` if neither
    an approved update nor licence terms need the file.
    """
    server = open_server(server_folder(folder, side))
    try:
        return {
            "revisions": _keys(
                server.connection,
                "SELECT update_id, revision FROM revision WHERE kind IN ('software', 'driver')",
            ),
            "declines": _keys(
                server.connection,
                "SELECT update_id, revision FROM decline JOIN revision USING (update_id)"
                " WHERE is_latest AND NOT hidden",
            ),
            "approvals": _approvals(server.connection),
            "files": sorted(_files(server), key=lambda file: file["name"]),
        }
    finally:
        server.close()


def group_paths(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """The path of each group by its id, from All Computers, with English built-in names."""
    rows = {row["id"]: row for row in connection.execute("SELECT * FROM target_group")}
    names = {row["id"]: row["name"] for row in rows.values()}
    names |= dict(zip(BUILT_IN_GROUPS, groups.BUILT_IN_NAMES["en"], strict=True))

    def path(group_id: str) -> list[str]:
        parent = rows[group_id]["parent_id"]
        return [*(path(parent) if parent else ()), names[group_id]]

    return {group_id: path(group_id) for group_id in rows}


def _keys(connection: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(f"{query} ORDER BY update_id, revision")]


def _approvals(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    paths = group_paths(connection)
    approvals = [
        {
            "update_id": row["update_id"],
            "revision": row["revision"],
            "group": paths[row["group_id"]],
            "action": row["action"],
            "deadline": row["deadline"],
            "optional": bool(row["optional"]),
        }
        for row in connection.execute("SELECT * FROM approval")
    ]
    return sorted(approvals, key=lambda a: (a["update_id"], a["revision"], a["group"], a["action"]))


def _files(server: Server) -> Iterator[dict[str, Any]]:
    states = {
        row["sha1"]: row["state"]
        for row in server.connection.execute("SELECT sha1, state FROM content_state")
    }
    for directory in server.content_dir.iterdir():
        if not directory.is_dir():
            continue
        for path in directory.iterdir():
            if CONTENT_NAME.fullmatch(path.name) and path.is_file():
                yield {
                    "name": path.name,
                    "size_bytes": path.stat().st_size,
                    "state": states.get(path.name[:40].upper(), "NotNeeded"),
                }
