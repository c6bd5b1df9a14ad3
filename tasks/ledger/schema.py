"""The tables of the ledger, and the migrations that bring an older ledger up to date.

``PRAGMA user_version`` is the number of migrations that were applied to a ledger. Version 0.1.0
left it at 0, but made the same tables as the first migration, which therefore only sets the number.
Never change a released migration: append a new one for every change of the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.refusals import SafetyError

Migration = tuple[str, ...]

_TABLES: Migration = (
    "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS export (
    sequence INTEGER PRIMARY KEY, status TEXT NOT NULL, mode TEXT NOT NULL,
    base_digest TEXT, parent_digest TEXT, header_digest TEXT, fingerprint TEXT,
    bundle TEXT NOT NULL, folder TEXT NOT NULL, created TEXT NOT NULL, sealed TEXT,
    receipt TEXT, accepted TEXT)""",
    """CREATE TABLE IF NOT EXISTS import (
    header_digest TEXT PRIMARY KEY, sequence INTEGER NOT NULL, status TEXT NOT NULL,
    folder TEXT NOT NULL, created TEXT NOT NULL, begun TEXT NOT NULL, done TEXT,
    outcome TEXT) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS decision (
    state TEXT NOT NULL, update_id TEXT NOT NULL, revision INTEGER NOT NULL,
    group_path TEXT NOT NULL, body TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (state, update_id, revision, group_path, body)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS step (
    work TEXT NOT NULL, name TEXT NOT NULL, result TEXT NOT NULL, done TEXT NOT NULL,
    PRIMARY KEY (work, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, command TEXT NOT NULL, started TEXT NOT NULL, ended TEXT,
    outcome TEXT, exit_code INTEGER, bundle TEXT, report TEXT) WITHOUT ROWID""",
)
_ACCEPTED_FINDINGS: Migration = (
    """CREATE TABLE accepted_finding (
    run TEXT NOT NULL, finding TEXT NOT NULL, evidence TEXT NOT NULL, reason TEXT NOT NULL,
    accepted TEXT NOT NULL, PRIMARY KEY (run, finding)) WITHOUT ROWID""",
)
_OWNERS_OF_RUNS: Migration = (
    "ALTER TABLE run ADD COLUMN flow_run TEXT",
    "ALTER TABLE run ADD COLUMN attempt INTEGER",
    "ALTER TABLE run ADD COLUMN owner TEXT",
)
# Of an older ledger nobody knows since when a decision waits: the import that wrote it last counts.
_WAITING_SINCE: Migration = (
    "ALTER TABLE decision ADD COLUMN since TEXT",
    """UPDATE decision SET since = (SELECT max(coalesce(done, begun)) FROM import)
    WHERE state <> 'applied'""",
    """CREATE TABLE missing_file (
    update_id TEXT NOT NULL, revision INTEGER NOT NULL, file TEXT NOT NULL, size_bytes INTEGER,
    reason TEXT NOT NULL, reason_text TEXT NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (update_id, revision, file)) WITHOUT ROWID""",
)
_RULINGS: Migration = (
    """CREATE TABLE ruling (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, update_id TEXT NOT NULL,
    revision INTEGER NOT NULL, group_path TEXT NOT NULL, action TEXT, deadline TEXT,
    optional INTEGER NOT NULL, waited_for TEXT NOT NULL, reason TEXT NOT NULL,
    account TEXT NOT NULL, decided TEXT NOT NULL, until TEXT, is_narrowed INTEGER NOT NULL,
    title TEXT NOT NULL, kb TEXT NOT NULL, revoked TEXT, revoked_by TEXT,
    revoked_reason TEXT)""",
)
_ACCEPTED_LOSSES: Migration = (
    """CREATE TABLE accepted_loss (
    subject TEXT NOT NULL, update_id TEXT NOT NULL, group_path TEXT NOT NULL,
    PRIMARY KEY (subject, update_id, group_path)) WITHOUT ROWID""",
)
_CUSTODY: Migration = (
    """CREATE TABLE custody (
    number INTEGER PRIMARY KEY, line TEXT NOT NULL, written INTEGER NOT NULL)""",
    """CREATE TABLE custody_key (
    fingerprint TEXT PRIMARY KEY, public TEXT NOT NULL) WITHOUT ROWID""",
)
_ANNOUNCED: Migration = (
    """CREATE TABLE announced (
    topic TEXT NOT NULL, name TEXT NOT NULL, told TEXT NOT NULL,
    PRIMARY KEY (topic, name)) WITHOUT ROWID""",
)
_QUESTIONS: Migration = (
    """CREATE TABLE question (
    flow_run TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, run TEXT NOT NULL,
    until TEXT NOT NULL, answer TEXT, PRIMARY KEY (flow_run, key)) WITHOUT ROWID""",
)
_REPAIRS: Migration = (
    """CREATE TABLE repair (
    run TEXT PRIMARY KEY, finding TEXT NOT NULL, plan TEXT NOT NULL, begun TEXT NOT NULL,
    done TEXT, undone TEXT)""",
)
_INVENTORIES_AND_CHOICES: Migration = (
    """CREATE TABLE inventory (
    digest TEXT PRIMARY KEY, entries TEXT NOT NULL, files INTEGER NOT NULL,
    folder TEXT NOT NULL, accepted TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE choice (
    run TEXT NOT NULL, kind TEXT NOT NULL, sequence INTEGER, reason TEXT NOT NULL,
    made TEXT NOT NULL, PRIMARY KEY (run, kind)) WITHOUT ROWID""",
)
# Until the next look at the content a file of an older ledger has no title.
_TITLES_OF_MISSING: Migration = (
    "ALTER TABLE missing_file ADD COLUMN title TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE missing_file ADD COLUMN kb TEXT NOT NULL DEFAULT ''",
)
_TAKEN_BACK: Migration = ("CREATE TABLE taken_back (line TEXT PRIMARY KEY) WITHOUT ROWID",)
MIGRATIONS: tuple[Migration, ...] = (
    _TABLES,
    _ACCEPTED_FINDINGS,
    _OWNERS_OF_RUNS,
    _WAITING_SINCE,
    _RULINGS,
    _ACCEPTED_LOSSES,
    _CUSTODY,
    _ANNOUNCED,
    _QUESTIONS,
    _REPAIRS,
    _INVENTORIES_AND_CHOICES,
    _TITLES_OF_MISSING,
    _TAKEN_BACK,
)


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Apply the missing migrations to a ledger, in one transaction.

    An up-to-date ledger is only read.

    Args:
        connection: The ledger, in autocommit mode.
        path: Path of the ledger, for the error.
        migrations: All migrations, oldest first.

    Raises:
        SafetyError: A later version of the product wrote the ledger; it is left unchanged.
    """
    if _version(connection) == len(migrations):
        return
    with transaction(connection):
        version = _version(connection)  # another process may have migrated it meanwhile
        if version > len(migrations):
            raise SafetyError(
                reason=f"the ledger {path} has schema version {version}; this version of the "
                f"product knows versions up to {len(migrations)}",
                remedy="Run the version of the product that wrote it, or a later one. Do not begin "
                "an empty state folder: it guards what may be imported.",
            )
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in a transaction, which is durable when the block ends without an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself when the disk is full
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
