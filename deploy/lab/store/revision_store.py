"""The revisions and files in the database, read and written as records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from deploy.lab.store.records import File, Revision


def put(connection: sqlite3.Connection, revision: Revision, document: bytes | None = None) -> None:
    """Insert a new revision with its files.

    It becomes its update's latest, unless the database has a newer one.

    Args:
        connection: The database.
        revision: The revision.
        document: Its XML as it came, packed with zlib; None for a generated revision.
    """
    newest = connection.execute(
        "SELECT max(revision) FROM revision WHERE update_id = ?", (revision.update_id,)
    ).fetchone()[0]
    is_latest = newest is None or newest < revision.revision
    if is_latest and newest is not None:
        connection.execute(
            "UPDATE revision SET is_latest = 0 WHERE update_id = ?", (revision.update_id,)
        )
    connection.execute(
        f"INSERT INTO revision VALUES ({', '.join('?' * 18)})", _row(revision, is_latest=is_latest)
    )
    _put_files(connection, revision)
    if document is not None:
        connection.execute("INSERT INTO document VALUES (?, ?, ?)", (*revision.key, document))
    relations: list[tuple[str, str, int | None]] = [
        ("bundles", guid, number) for guid, number in revision.bundles
    ]
    relations += [("supersedes", guid, None) for guid in revision.supersedes]
    relations += [("requires", guid, None) for guid in revision.requires]
    connection.executemany(
        "INSERT INTO relation VALUES (?, ?, ?, ?, ?)",
        [(*revision.key, *relation) for relation in relations],
    )


def _row(revision: Revision, *, is_latest: bool) -> tuple[object, ...]:
    return (
        revision.update_id,
        revision.revision,
        revision.kind,
        revision.title,
        revision.description,
        revision.kb,
        revision.severity,
        revision.publication,
        revision.created,
        revision.arrived,
        int(is_latest),
        int(revision.hidden),
        int(revision.explicitly_deployable),
        revision.license_id,
        revision.classification_id,
        revision.product_id,
        json.dumps(revision.languages),
        json.dumps(revision.details, ensure_ascii=False),
    )


def _put_files(connection: sqlite3.Connection, revision: Revision) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                file.sha1,
                file.name,
                file.size_bytes,
                file.sha256,
                file.url,
                file.decryption_key,
                file.kind,
                file.language,
                file.modified,
            )
            for file in revision.files
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO source VALUES (?, ?)",
        [(file.sha1, file.recipe) for file in revision.files if file.recipe is not None],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO revision_file VALUES (?, ?, ?)",
        [(*revision.key, file.sha1) for file in revision.files],
    )


def has(connection: sqlite3.Connection, update_id: str, revision: int) -> bool:
    """True if a revision is in the database."""
    query = "SELECT 1 FROM revision WHERE update_id = ? AND revision = ?"
    return connection.execute(query, (update_id, revision)).fetchone() is not None


def get(connection: sqlite3.Connection, update_id: str, revision: int) -> Revision:
    """Read a revision; raises ``KeyError`` if there is none."""
    row = connection.execute(
        "SELECT * FROM revision WHERE update_id = ? AND revision = ?", (update_id, revision)
    ).fetchone()
    if row is None:
        raise KeyError((update_id, revision))
    return _whole(connection, row)


def document(connection: sqlite3.Connection, update_id: str, revision: int) -> bytes | None:
    """Read the packed XML with which a revision came; None if it was generated."""
    row = connection.execute(
        "SELECT packed FROM document WHERE update_id = ? AND revision = ?", (update_id, revision)
    ).fetchone()
    return None if row is None else bytes(row["packed"])


def everything(connection: sqlite3.Connection) -> Iterator[Revision]:
    """Read all revisions, dependencies first: taxonomy, then children, then the rest."""
    rows = connection.execute(
        "SELECT * FROM revision ORDER BY kind IN ('software', 'driver'), hidden DESC, created,"
        " update_id, revision"
    )
    for row in rows:
        yield _whole(connection, row)


def files(connection: sqlite3.Connection) -> Iterator[File]:
    """Read all files in the order of their digests."""
    for row in connection.execute("SELECT * FROM file ORDER BY sha1"):
        yield File(**dict(row))


def _whole(connection: sqlite3.Connection, row: sqlite3.Row) -> Revision:
    key = (row["update_id"], row["revision"])
    files = connection.execute(
        "SELECT file.* FROM revision_file JOIN file USING (sha1)"
        " WHERE update_id = ? AND revision = ? ORDER BY sha1",
        key,
    )
    relations = connection.execute(
        "SELECT kind, other_id, other_revision FROM relation WHERE update_id = ? AND revision = ?"
        " ORDER BY kind, other_id",
        key,
    ).fetchall()
    values = dict(row)
    for name in ("is_latest", "languages", "details"):
        del values[name]
    values["hidden"] = bool(row["hidden"])
    values["explicitly_deployable"] = bool(row["explicitly_deployable"])
    return Revision(
        **values,
        languages=tuple(json.loads(row["languages"])),
        details=json.loads(row["details"]),
        files=tuple(File(**dict(file)) for file in files),
        bundles=tuple((r["other_id"], r["other_revision"]) for r in _of(relations, "bundles")),
        supersedes=tuple(r["other_id"] for r in _of(relations, "supersedes")),
        requires=tuple(r["other_id"] for r in _of(relations, "requires")),
    )


def _of(relations: Iterable[sqlite3.Row], kind: str) -> Iterator[sqlite3.Row]:
    return (row for row in relations if row["kind"] == kind)
