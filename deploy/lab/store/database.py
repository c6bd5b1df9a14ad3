"""The simulated server's database: its schema, opening and transactions.

Each server has one SQLite file, ``DIR/<side>/server/susdb.sqlite``. All processes of the lab share
it: ``wsusutil``, the rules behind PowerShell's pipe, ``lab state``. It is in WAL mode. Connections
are in autocommit mode, so related changes are written inside ``transaction``.

Update ids and group ids are lower-case GUIDs with dashes, SHA-1 has 40 upper-case hex digits, times
are ``yyyy-MM-ddTHH:mm:ssZ``, booleans 0 and 1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_NAME = "susdb.sqlite"

ALL_COMPUTERS = "a0a08746-4dbe-4a37-9adf-9e7652c0b421"
UNASSIGNED_COMPUTERS = "b73ca6ed-5727-47f3-84de-015e03f6a88a"
DOWNSTREAM_SERVERS = "d374f42a-9be2-4163-a0fa-3c86a401b7a7"
BUILT_IN_GROUPS = (ALL_COMPUTERS, UNASSIGNED_COMPUTERS, DOWNSTREAM_SERVERS)

SCHEMA = """
-- Configuration under the property names of IUpdateServerConfiguration (PascalCase), and settings
-- of the lab (the duration of the agent, the seed) in lower_case. The value is JSON.
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Every revision of the catalogue. `hidden` marks a bundled child, which is not offered by itself.
-- Categories, classifications and detectoids are revisions as well.
-- kind: software, driver, category (product family or company), product, classification, detectoid
-- `details` is JSON: {"bulletins": [..], "cves": [..], "parent": guid, "category_type": ..,
-- "groups": [[id of a bundled child, ..], ..], "is_localized": true, "document_bytes": size, ..};
-- every key may be absent.
CREATE TABLE revision (
    update_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    kb TEXT,
    severity TEXT NOT NULL,
    publication TEXT NOT NULL,
    created TEXT NOT NULL,
    arrived TEXT NOT NULL,
    is_latest INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    explicitly_deployable INTEGER NOT NULL,
    license_id TEXT,
    classification_id TEXT,
    product_id TEXT,
    languages TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (update_id, revision)
) WITHOUT ROWID;
CREATE INDEX revision_by_kind ON revision (kind, is_latest, hidden);
CREATE INDEX revision_by_arrival ON revision (arrived);
CREATE INDEX revision_by_license ON revision (license_id) WHERE license_id IS NOT NULL;

-- What the catalogue says of each file, by digest. `name` is the file's own name, whose extension
-- the content name takes; kind: payload, express, license. `language` only for licence terms.
CREATE TABLE file (
    sha1 TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT,
    url TEXT NOT NULL,
    decryption_key TEXT,
    kind TEXT NOT NULL,
    language TEXT,
    modified TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE revision_file (
    update_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    sha1 TEXT NOT NULL,
    PRIMARY KEY (update_id, revision, sha1)
) WITHOUT ROWID;
CREATE INDEX revision_file_by_sha1 ON revision_file (sha1);

-- kind: bundles (other revision named), supersedes and requires (any revision: NULL)
CREATE TABLE relation (
    update_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    other_id TEXT NOT NULL,
    other_revision INTEGER
);
CREATE INDEX relation_by_update ON relation (update_id, revision, kind);
CREATE INDEX relation_by_other ON relation (other_id, kind);

-- `parent_id` is NULL for All Computers alone, whose name is localised.
CREATE TABLE target_group (id TEXT PRIMARY KEY, name TEXT NOT NULL, parent_id TEXT) WITHOUT ROWID;

-- action: Install, Uninstall, NotApproved; `deadline` NULL when there is none.
CREATE TABLE approval (
    id TEXT PRIMARY KEY,
    update_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    group_id TEXT NOT NULL,
    action TEXT NOT NULL,
    deadline TEXT,
    optional INTEGER NOT NULL,
    created TEXT NOT NULL,
    administrator TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX approval_by_update ON approval (update_id, revision, group_id);
CREATE INDEX approval_by_group ON approval (group_id);

-- A decline holds for all revisions of an update.
CREATE TABLE decline (update_id TEXT PRIMARY KEY) WITHOUT ROWID;

-- Licence terms that an administrator accepted, by licence id.
CREATE TABLE license (
    id TEXT PRIMARY KEY, accepted_at TEXT NOT NULL, accepted_by TEXT NOT NULL
) WITHOUT ROWID;

-- The state of each file that an approved update or licence terms need, as the content agent last
-- wrote it: NotReady, Ready, Failed, Canceled.
CREATE TABLE content_state (sha1 TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX content_state_by_state ON content_state (state);
-- The same for a revision that has an Install or Uninstall approval.
CREATE TABLE update_state (
    update_id TEXT NOT NULL, revision INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (update_id, revision)
) WITHOUT ROWID;
CREATE INDEX update_state_by_state ON update_state (state);

-- The agent's next run: at most one row. `due` is seconds since 1970.
CREATE TABLE agent_job (due REAL NOT NULL);

-- The files that Microsoft serves to a connected server, each with the recipe of its bytes.
CREATE TABLE source (sha1 TEXT PRIMARY KEY, recipe TEXT NOT NULL) WITHOUT ROWID;

-- The event log (source "Windows Server Update Services") and subscription events.
CREATE TABLE event (
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, event_id INTEGER NOT NULL, text TEXT NOT NULL
);

-- result: Succeeded, Failed, Canceled; ended NULL while it runs.
CREATE TABLE synchronization (
    id TEXT PRIMARY KEY,
    started TEXT NOT NULL,
    ended TEXT,
    result TEXT NOT NULL,
    error TEXT NOT NULL,
    error_text TEXT NOT NULL,
    manual INTEGER NOT NULL
) WITHOUT ROWID;

-- Lists are JSON lists of ids.
CREATE TABLE approval_rule (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    group_ids TEXT NOT NULL,
    category_ids TEXT NOT NULL,
    classification_ids TEXT NOT NULL,
    deadline_days INTEGER,
    deadline_minutes INTEGER
);

-- Faults that are set. Each simulated program reads the faults that concern it.
CREATE TABLE fault (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
# The XML of imported revisions as it came, packed with zlib: what a server imported, it exports.
_DOCUMENTS = """
CREATE TABLE IF NOT EXISTS document (
    update_id TEXT NOT NULL, revision INTEGER NOT NULL, packed BLOB NOT NULL,
    PRIMARY KEY (update_id, revision)
);
"""


def create(server_folder: Path) -> sqlite3.Connection:
    """Make an empty database in a server's folder and open it."""
    server_folder.mkdir(parents=True, exist_ok=True)
    connection = _connect(server_folder / FILE_NAME)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA + _DOCUMENTS)
    return connection


def opened(server_folder: Path) -> sqlite3.Connection:
    """Open the database of a server's folder (``DIR/<side>/server``).

    Raises:
        FileNotFoundError: The folder has no database.
    """
    path = server_folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(path)
    connection = _connect(path)
    connection.execute(_DOCUMENTS)  # A lab of version 0.1.0 has none.
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    # In autocommit mode ``transaction`` alone begins transactions. A writer waits for another, as
    # in SQL Server.
    connection = sqlite3.connect(path, timeout=60.0, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    # SQLite's own functions ignore case in ASCII only.
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write all changes of a block or none; an inner block belongs to the outer one."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
