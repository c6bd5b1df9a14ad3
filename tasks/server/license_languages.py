"""Languages of licence terms that a metadata package does not tell, asked of the server.

The API marks a file with licence terms (``IsEula``) and gives its original name, which ends in
language and GUID (recorded output of the API, PoshWSUS). What the server does not tell either stays
unknown, and is needed only if the staging server has the file (``tasks/metadata/license_files``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tasks.errors import ScriptFailedError
from tasks.hosts.host import Json
from tasks.logs import log
from tasks.metadata.index import guid_text
from tasks.metadata.license_files import UNKNOWN_LANGUAGE, language_in_name
from tasks.run.context import RunContext
from tasks.server import queries

# One call of the API for each revision.
_MOST_REVISIONS = 2_000
_SCRIPT = "read-license-files"


def ask_license_languages(run: RunContext, index: Path) -> None:
    """Ask the server about files whose language nothing tells, and write it into the index.

    Args:
        run: The run.
        index: Index of a package that this server has, opened by nobody else.
    """
    with closing(sqlite3.connect(index, isolation_level=None)) as connection:
        revisions = _uncertain(connection)
        if not revisions:
            return
        changed = 0
        try:
            with queries.answer_errors(_SCRIPT):
                for line in _ask(run, revisions):
                    changed += _write(connection, line)
        except ScriptFailedError as error:
            log.warning("the languages of licence terms could not be asked: %s", error.message)
        log.info(
            "%s revisions have licence terms in an unknown language; the server told of %s files",
            len(revisions), changed,
        )  # fmt: skip


def _uncertain(connection: sqlite3.Connection) -> list[Json]:
    rows = connection.execute(
        "SELECT DISTINCT revision.update_id, revision.revision FROM needs"
        " JOIN revision ON revision.number = needs.revision WHERE needs.language = ? LIMIT ?",
        (UNKNOWN_LANGUAGE, _MOST_REVISIONS),
    )
    return [{"update_id": guid_text(row[0]), "revision": row[1]} for row in rows]


def _ask(run: RunContext, revisions: list[Json]) -> Iterator[Json]:
    return queries.run_query(run, _SCRIPT, items=revisions, timeout_seconds=queries.BATCH_SECONDS)


def _write(connection: sqlite3.Connection, line: Json) -> int:
    """Write what the server says of one file; return the number of rows that it changed."""
    sha1 = bytes.fromhex(str(line["sha1"]))
    language = language_in_name(str(line["name"]))
    if not line["is_license"]:
        kind = "payload"
        language = ""
    elif language:
        kind = "license"
    else:
        return 0
    return connection.execute(
        "UPDATE needs SET kind = ?, language = ? WHERE sha1 = ? AND language = ?",
        (kind, language, sha1, UNKNOWN_LANGUAGE),
    ).rowcount
