"""The tables of a package's index, in which an update id has 16 bytes and a ``sha1`` has 20."""

from __future__ import annotations

VERSION = 1

# The index is written once, in the order of the package, and has a temporary name until it is
# complete. It therefore needs no journal and no flush. Sorting may use temporary files, so that
# memory does not grow.
WRITING = """
PRAGMA page_size = 8192;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -16000;
PRAGMA temp_store = FILE;
"""

TABLES = """
CREATE TABLE package (summary TEXT NOT NULL);
CREATE TABLE language (code TEXT NOT NULL, is_enabled INTEGER NOT NULL);
CREATE TABLE revision (
    number INTEGER PRIMARY KEY,          -- position in the package, from 1
    update_id BLOB NOT NULL,
    revision INTEGER NOT NULL,
    title TEXT NOT NULL,
    kb TEXT NOT NULL,                    -- KB5031234, or empty
    update_type TEXT NOT NULL,           -- Software, Driver, Category, Detectoid: unchanged
    severity TEXT NOT NULL,
    publication TEXT NOT NULL,           -- Published, Expired: unchanged
    created TEXT NOT NULL,
    license_id TEXT NOT NULL,
    is_deployable INTEGER NOT NULL,
    is_category INTEGER NOT NULL,        -- categories and detectoids: never approved
    is_hidden INTEGER NOT NULL DEFAULT 0 -- only ever installed as part of a bundle
);
CREATE TABLE file (
    sha1 BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    extension TEXT NOT NULL,
    size_bytes INTEGER,                  -- NULL: not given, or different sizes given
    sha256 BLOB,
    is_mapped INTEGER NOT NULL,          -- the package's own file map has it
    has_decryption_key INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE needs (
    revision INTEGER NOT NULL,
    sha1 BLOB NOT NULL,
    kind TEXT NOT NULL,                  -- payload, express, license
    language TEXT NOT NULL,              -- empty: any; "?": nothing tells it
    PRIMARY KEY (revision, sha1)
) WITHOUT ROWID;
CREATE TABLE bundle (parent INTEGER NOT NULL, child_id BLOB NOT NULL, child_revision INTEGER,
    child INTEGER);                      -- NULL: the package does not have that child
CREATE TABLE relation (revision INTEGER NOT NULL, kind TEXT NOT NULL, other BLOB NOT NULL);
CREATE TABLE cve (revision INTEGER NOT NULL, cve TEXT NOT NULL, PRIMARY KEY (revision, cve))
    WITHOUT ROWID;
CREATE TABLE elsewhere (sha1 BLOB PRIMARY KEY) WITHOUT ROWID; -- no address of Microsoft's
CREATE TABLE revision_language (revision INTEGER NOT NULL, language TEXT NOT NULL,
    PRIMARY KEY (revision, language)) WITHOUT ROWID;
CREATE VIEW record AS SELECT update_id, revision, title, kb, update_type, severity, publication,
    created, license_id, is_category, is_hidden, number FROM revision;

CREATE TEMP TABLE seen_file (sha1 BLOB, name TEXT, size_bytes INTEGER, sha256 BLOB,
    is_mapped INTEGER, has_decryption_key INTEGER);
CREATE TEMP TABLE seen_need (revision INTEGER, sha1 BLOB, kind TEXT, language TEXT);
"""

# A file's name in an update's own XML takes precedence over its name in the file map. Sizes or
# SHA-256s that contradict each other are dropped.
_FILES = """
INSERT INTO file
SELECT sha1, name, extension_of(name), size_bytes, sha256, is_mapped, has_decryption_key FROM (
    SELECT sha1,
        coalesce(min(CASE WHEN NOT is_mapped THEN nullif(name, '') END),
            min(nullif(name, '')), '') AS name,
        CASE WHEN min(size_bytes) = max(size_bytes) THEN min(size_bytes) END AS size_bytes,
        CASE WHEN min(sha256) = max(sha256) THEN min(sha256) END AS sha256,
        max(is_mapped) AS is_mapped,
        max(has_decryption_key) AS has_decryption_key
    FROM seen_file GROUP BY sha1 ORDER BY sha1
);
"""

# The kind of a file that an update lists, but its XML does not describe, follows from the name, and
# so does the language of licence terms.
_NEEDS = """
INSERT INTO needs
SELECT seen.revision, seen.sha1,
    CASE WHEN seen.kind <> '' THEN seen.kind
         WHEN is_terms(file.name, revision.license_id <> '') THEN 'license'
         WHEN lower(file.extension) = 'psf' THEN 'express'
         ELSE 'payload' END,
    CASE WHEN seen.kind = '' AND is_terms(file.name, revision.license_id <> '')
         THEN terms_language('', file.name) ELSE seen.language END
FROM seen_need AS seen
JOIN revision ON revision.number = seen.revision
JOIN file ON file.sha1 = seen.sha1
ORDER BY seen.revision, seen.sha1;
"""

FINISHING = (
    "CREATE UNIQUE INDEX revision_key ON revision (update_id, revision);",
    _FILES,
    _NEEDS,
    """UPDATE bundle SET child = (
        SELECT number FROM revision WHERE update_id = child_id
        AND revision = coalesce(child_revision, revision) ORDER BY revision DESC LIMIT 1);""",
    "CREATE INDEX bundle_parent ON bundle (parent);",
    """UPDATE revision SET is_hidden = 1
        WHERE NOT is_deployable AND number IN (SELECT child FROM bundle);""",
    "CREATE INDEX relation_revision ON relation (revision, kind);",
    "CREATE INDEX relation_other ON relation (other, kind);",
)
