"""The content agent, which checks and downloads content and keeps its states.

The database holds a state for each file and update. A state changes by an approval,
``ResumeDownload``, a reset or a cancellation, and by the agent's run. The first three make a run
due after a settable time; it takes place when the server is next opened while its service runs. A
file that appears or disappears changes no state before a run. On a run the agent hashes the files
of updates and terms that are ``NotReady``, downloads the missing files that Microsoft serves, and
deletes a file whose digest differs from its name. ``Failed`` stays until it is resumed.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from deploy.lab.generate import content_bytes
from deploy.lab.rules import configuration, distribution_log
from deploy.lab.rules.server import Server
from deploy.lab.store import content_paths, database

# Updates that the agent checks before it writes their states.
_BATCH = 200
_FAILED_REASON = "HTTP status 404: The requested URL does not exist on the server."


def schedule(server: Server, *, anew: bool = True) -> None:
    """Let the agent run after its settable time.

    Args:
        server: The server.
        anew: True postpones a run that is due already. Otherwise that run would verify at once an
            update that was approved a moment ago.
    """
    with database.transaction(server.connection) as connection:
        if not anew and connection.execute("SELECT 1 FROM agent_job").fetchone() is not None:
            return
        connection.execute("DELETE FROM agent_job")
        connection.execute(
            "INSERT INTO agent_job VALUES (?)", (time.time() + server.setting("agent_seconds"),)
        )


def require(server: Server, update_id: str, revision: int) -> None:
    """Let the agent verify the files of an update that was approved for Install or Uninstall.

    An update without files is Ready at once.
    """
    files = needed_files(server, update_id, revision)
    state = "NotReady" if files else "Ready"
    with database.transaction(server.connection) as connection:
        connection.execute(
            "INSERT OR REPLACE INTO update_state VALUES (?, ?, ?)", (update_id, revision, state)
        )
        _mark_files(connection, files, "NotReady")
        if files:
            schedule(server)


def release(server: Server, update_id: str, revision: int) -> None:
    """Delete the states of a revision that has lost its last approval."""
    with database.transaction(server.connection) as connection:
        connection.execute(
            "DELETE FROM update_state WHERE update_id = ? AND revision = ?", (update_id, revision)
        )
        for sha1 in needed_files(server, update_id, revision):
            if not _is_needed(connection, sha1):
                connection.execute("DELETE FROM content_state WHERE sha1 = ?", (sha1,))


def require_license(server: Server, update_id: str, revision: int) -> None:
    """Let the agent fetch the licence terms of a new revision, approved or not."""
    for sha1 in _own_files(server, update_id, revision, ("license",)):
        with database.transaction(server.connection) as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO content_state VALUES (?, 'NotReady')", (sha1,)
            ).rowcount
            if added:
                schedule(server)


def resume(server: Server, update_id: str, revision: int) -> None:
    """``ResumeDownload``: try again a Failed or Canceled update and its licence terms."""
    with database.transaction(server.connection) as connection:
        resumed = connection.execute(
            "UPDATE update_state SET state = 'NotReady' WHERE update_id = ? AND revision = ?"
            " AND state IN ('Failed', 'Canceled')",
            (update_id, revision),
        ).rowcount
        for sha1 in needed_files(server, update_id, revision):
            resumed += connection.execute(
                "UPDATE content_state SET state = 'NotReady' WHERE sha1 = ?"
                " AND state IN ('Failed', 'Canceled')",
                (sha1,),
            ).rowcount
        schedule(server, anew=resumed > 0)


def cancel(server: Server, update_id: str, revision: int) -> None:
    """``CancelDownload``: change NotReady states of an update and its files to Canceled."""
    with database.transaction(server.connection) as connection:
        connection.execute(
            "UPDATE update_state SET state = 'Canceled' WHERE state = 'NotReady'"
            " AND update_id = ? AND revision = ?",
            (update_id, revision),
        )
        connection.executemany(
            "UPDATE content_state SET state = 'Canceled' WHERE state = 'NotReady' AND sha1 = ?",
            [(sha1,) for sha1 in needed_files(server, update_id, revision)],
        )


def cancel_all(server: Server) -> None:
    """``CancelAllDownloads``."""
    _change_all(server, "NotReady", "Canceled")


def resume_all(server: Server) -> None:
    """``ResumeAllDownloads``: resume canceled downloads; Failed stays Failed."""
    with database.transaction(server.connection):
        schedule(server, anew=_change_all(server, "Canceled", "NotReady") > 0)


def reset(server: Server) -> None:
    """``wsusutil reset``: verify all needed files again, and fetch missing ones if possible."""
    with database.transaction(server.connection) as connection:
        changed = 0
        for table in ("update_state", "content_state"):
            query = f"UPDATE {table} SET state = 'NotReady' WHERE state != 'NotReady'"
            changed += connection.execute(query).rowcount
        schedule(server, anew=changed > 0)
    # The lines, and that they come in this order, are observed (Patch My PC's article on a reset).
    for event in ("StateMachineReset", "ContentSyncAgent"):
        distribution_log.append(
            server.server_folder,
            "Info",
            "SusEventDispatcher.DispatchManagerWorkerThreadProc",
            f"DispatchManager Worker Thread Processing NotificationEvent: {event}",
        )
    if changed == 0:
        _log_end(server)


def _log_end(server: Server) -> None:
    """Write what the log shows when the agent has no more work."""
    end = "ContentSyncAgent found no more Jobs, thread exitting"
    health = "Updating Server Health for Component: ContentSyncAgent, Marking as Not Running"
    for method, text in (
        ("ContentSyncAgent.WakeUpWorkerThreadProc", end),
        ("ServerHealth.UpdateComponentHealth", f"ServerHealth: {health}"),
    ):
        distribution_log.append(server.server_folder, "Info", method, text)


def needed_files(server: Server, update_id: str, revision: int) -> list[str]:
    """The SHA-1 of all files that a revision and its bundled children need on this server.

    Licence terms are included. Files of languages that the server does not serve are not, nor
    express files unless they are switched on.
    """
    kinds = (
        ("payload", "license", "express")
        if server.setting("DownloadExpressPackages")
        else (
            "payload",
            "license",
        )
    )
    needed: dict[str, None] = {}
    waiting = [(update_id, revision)]
    seen = set(waiting)
    while waiting:
        current = waiting.pop()
        needed.update(dict.fromkeys(_own_files(server, *current, kinds)))
        rows = server.connection.execute(
            "SELECT other_id, other_revision, languages FROM relation JOIN revision ON"
            " revision.update_id = other_id AND revision.revision = other_revision"
            " WHERE relation.update_id = ? AND relation.revision = ? AND relation.kind = 'bundles'",
            current,
        )
        for row in rows:
            child = (row["other_id"], row["other_revision"])
            if child not in seen and _is_spoken(server, json.loads(row["languages"])):
                seen.add(child)
                waiting.append(child)
    return list(needed)


def state_of(server: Server, update_id: str, revision: int) -> str:
    """An update's state by the name of ``UpdateState``."""
    licenses = [
        row["state"]
        for row in server.connection.execute(
            "SELECT state FROM revision_file JOIN file USING (sha1)"
            " LEFT JOIN content_state USING (sha1)"
            " WHERE update_id = ? AND revision = ? AND file.kind = 'license'",
            (update_id, revision),
        )
        if row["state"] is not None
    ]
    if "Failed" in licenses:
        return "LicenseAgreementFailed"
    if any(state != "Ready" for state in licenses):
        return "LicenseAgreementNotReady"
    row = server.connection.execute(
        "SELECT state FROM update_state WHERE update_id = ? AND revision = ?",
        (update_id, revision),
    ).fetchone()
    return "NotNeeded" if row is None else str(row["state"])


def failed_count(server: Server) -> int:
    """``GetFailedToDownloadUpdatesCount``."""
    query = "SELECT count(*) FROM update_state WHERE state = 'Failed'"
    return int(server.connection.execute(query).fetchone()[0])


def download_progress(server: Server) -> tuple[int, int]:
    """``GetContentDownloadProgress``: bytes to download, bytes downloaded."""
    rows = server.connection.execute(
        "SELECT sha1, name, size_bytes FROM content_state JOIN file USING (sha1)"
        " WHERE state = 'NotReady'"
    )
    total = done = 0
    for row in rows:
        total += row["size_bytes"]
        if content_paths.content_path(server.content_dir, row["sha1"], row["name"]).is_file():
            done += row["size_bytes"]
    return total, done


def catch_up(server: Server) -> None:
    """Run the agent if a run is due, the service runs, and no other process runs the agent."""
    row = server.connection.execute("SELECT due FROM agent_job").fetchone()
    if row is None or row["due"] > time.time():
        return
    if configuration.service_status(server) != "Running":
        return
    with _agent_lock(server) as is_ours:
        if is_ours:
            _run(server, row["due"])


def _run(server: Server, due: float) -> None:
    checked: dict[str, str] = {}
    licenses = [
        row["sha1"]
        for row in server.connection.execute(
            "SELECT sha1 FROM content_state JOIN file USING (sha1)"
            " WHERE state = 'NotReady' AND kind = 'license'"
        )
    ]
    for sha1 in licenses:
        checked[sha1] = _examine(server, sha1)
    waiting = [
        (row["update_id"], row["revision"])
        for row in server.connection.execute(
            "SELECT update_id, revision FROM update_state WHERE state = 'NotReady'"
        )
    ]
    for start in range(0, len(waiting), _BATCH):
        _update_states(server, waiting[start : start + _BATCH], checked)
    with database.transaction(server.connection) as connection:
        _write_files(connection, ((sha1, checked[sha1]) for sha1 in licenses))
        connection.execute("DELETE FROM agent_job WHERE due = ?", (due,))
        is_idle = connection.execute("SELECT 1 FROM agent_job").fetchone() is None
    if is_idle:
        _log_end(server)


def _update_states(server: Server, updates: list[tuple[str, int]], checked: dict[str, str]) -> None:
    outcome: list[tuple[str, str, int]] = []
    files: dict[str, str] = {}
    for update_id, revision in updates:
        for sha1 in (needed := needed_files(server, update_id, revision)):
            if sha1 not in checked:
                checked[sha1] = _examine(server, sha1)
            files[sha1] = checked[sha1]
        ready = all(checked[sha1] == "Ready" for sha1 in needed)
        outcome.append(("Ready" if ready else "Failed", update_id, revision))
    with database.transaction(server.connection) as connection:
        _write_files(connection, files.items())
        # Only states that are still NotReady: approvals may have changed while files were read.
        connection.executemany(
            "UPDATE update_state SET state = ?"
            " WHERE update_id = ? AND revision = ? AND state = 'NotReady'",
            outcome,
        )


def _examine(server: Server, sha1: str) -> str:
    row = server.connection.execute(
        "SELECT name, url, recipe FROM file LEFT JOIN source USING (sha1) WHERE sha1 = ?", (sha1,)
    ).fetchone()
    path = content_paths.content_path(server.content_dir, sha1, row["name"])
    try:
        if content_bytes.sha1_of(path) == sha1:
            return "Ready"
        path.unlink()
    except FileNotFoundError:
        pass
    if row["recipe"] is None:
        text = (
            f"Content file download failed. Reason: {_FAILED_REASON}  Source File: {row['url']}"
            f"  Destination File: {path}"
        )
        server.record_event(364, text)
        return "Failed"
    content_bytes.write(row["recipe"], path)
    return "Ready"


def _own_files(
    server: Server, update_id: str, revision: int, kinds: tuple[str, ...]
) -> Iterator[str]:
    rows = server.connection.execute(
        "SELECT sha1, kind, language FROM revision_file JOIN file USING (sha1)"
        " WHERE update_id = ? AND revision = ? ORDER BY sha1",
        (update_id, revision),
    )
    for row in rows.fetchall():
        languages = [] if row["language"] is None else [row["language"]]
        if row["kind"] in kinds and _is_spoken(server, languages):
            yield row["sha1"]


def _is_spoken(server: Server, languages: list[str]) -> bool:
    if not languages or server.setting("AllUpdateLanguagesEnabled"):
        return True
    return not set(languages).isdisjoint(server.setting("EnabledUpdateLanguages"))


def _is_needed(connection: sqlite3.Connection, sha1: str) -> bool:
    """True if a file is one of licence terms, of an approved update, or of its children."""
    row = connection.execute(
        "SELECT 1 FROM file WHERE sha1 = :sha1 AND kind = 'license' UNION ALL"
        " SELECT 1 FROM revision_file JOIN update_state USING (update_id, revision)"
        " WHERE sha1 = :sha1 UNION ALL"
        " SELECT 1 FROM revision_file AS bundled JOIN relation ON relation.kind = 'bundles'"
        " AND other_id = bundled.update_id AND other_revision = bundled.revision"
        " JOIN update_state ON update_state.update_id = relation.update_id"
        " AND update_state.revision = relation.revision WHERE bundled.sha1 = :sha1 LIMIT 1",
        {"sha1": sha1},
    ).fetchone()
    return row is not None


def _change_all(server: Server, before: str, after: str) -> int:
    """Change one state of all updates and files to another; gives the number of changes."""
    with database.transaction(server.connection) as connection:
        return sum(
            connection.execute(
                f"UPDATE {table} SET state = ? WHERE state = ?", (after, before)
            ).rowcount
            for table in ("update_state", "content_state")
        )


def _mark_files(connection: sqlite3.Connection, files: Iterable[str], state: str) -> None:
    # A file that is Ready for another update stays Ready until the agent's run.
    connection.executemany(
        "INSERT INTO content_state VALUES (?, ?) ON CONFLICT (sha1) DO UPDATE"
        " SET state = excluded.state WHERE content_state.state != 'Ready'",
        [(sha1, state) for sha1 in files],
    )


def _write_files(connection: sqlite3.Connection, files: Iterable[tuple[str, str]]) -> None:
    connection.executemany(
        "UPDATE content_state SET state = ? WHERE sha1 = ?",
        [(state, sha1) for sha1, state in files],
    )


@contextmanager
def _agent_lock(server: Server) -> Iterator[bool]:
    """Take the agent's lock; gives False if another process has it.

    The lock is a SQLite database of its own, because the system frees it when a process dies.
    """
    lock = sqlite3.connect(server.server_folder / "agent.lock", timeout=0, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            yield False
            return
        yield True
    finally:
        lock.close()
