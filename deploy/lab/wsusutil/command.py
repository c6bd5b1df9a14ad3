"""The program ``wsusutil``: ``python -m deploy.lab.wsusutil DIR/<side> VERB ...``.

Its output is localised and proves nothing. The log is XML and is written at the end. The exit code
of success is 0; the lab takes 1 for every failure, because Microsoft documents no other code.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.lab.rules import configuration, content_agent, ingest, package_export
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server, now
from deploy.lab.store.records import File
from deploy.lab.wsusutil.log import ImportLog, saved
from deploy.lab.wsusutil.package import FORMAT_VERSION, Header, PackageError
from deploy.lab.wsusutil.package_reader import Reader
from deploy.lab.wsusutil.text import DISK_FULL, text

_SUCCESS = 0
_FAILURE = 1
# Updates of one transaction; a killed import loses at most so many.
_COMMIT_EVERY = 100
# Interval at which a hanging run reads whether the fault is cleared.
_POLL_SECONDS = 0.2
# What a verb prints when it finds the server out of its reach.
_UNREACHED = {
    "export": "export-failed",
    "import": "import-failed",
    "checkhealth": "health-no-service",
    "listinactiveapprovals": "inactive-failed",
}


class _UsageError(Exception):
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb on the server of a folder; gives the exit code."""
    side_folder, *words = sys.argv[1:] if arguments is None else arguments
    server = open_server(Path(side_folder))
    language = server.setting("language")
    try:
        name = words[0].lower() if words else ""
        if server.fault("wsusutil-fails"):
            print(text(language, _UNREACHED.get(name, "bad-arguments")))
            return _FAILURE
        verb = _VERBS.get(name, _unknown)
        code = verb(server, words[1:], lambda name: print(text(language, name), flush=True))
    except _UsageError:
        print(text(language, "bad-arguments"))
        print(text(language, "help"))
        return _FAILURE
    finally:
        server.close()
    return code


def _unknown(server: Server, arguments: list[str], say: Callable[[str], None]) -> int:  # noqa: ARG001
    raise _UsageError


def _export(server: Server, arguments: list[str], say: Callable[[str], None]) -> int:
    package, log = _paths(arguments, fewest=2)
    if package.exists() or log is None or log.exists():
        say("name-exists")
        return _FAILURE
    say("export-start")
    _take_time(server)
    is_good = package_export.export(server, package, log)
    failed = not is_good or bool(server.fault("exit-code"))
    say("export-failed" if failed else "export-done")
    return _FAILURE if failed else _SUCCESS


def _import(server: Server, arguments: list[str], say: Callable[[str], None]) -> int:
    package, log = _paths(arguments, fewest=1)
    if log is not None and log.exists():
        say("name-exists")
        return _FAILURE
    if not package.is_file():
        say("no-package")
        return _FAILURE
    if server.setting("IsReplicaServer"):
        say("replica")
        return _FAILURE
    say("import-header")
    configuration.stop_service(server)
    say("import-start")
    _take_time(server)
    import_log = ImportLog(now())
    try:
        _load_package(server, package, import_log)
        is_good = True
    except _WrongVersionError:
        say("version-mismatch")
        import_log.note_error(text("en", "version-mismatch"))
        is_good = False
    except (OSError, PackageError) as error:
        import_log.note_error(str(error))
        is_good = False
    configuration.start_service(server)
    if log is not None and not saved(import_log, log):
        is_good = False
    failed = not is_good or bool(server.fault("exit-code"))
    say("import-failed" if failed else "import-done")
    return _FAILURE if failed else _SUCCESS


class _WrongVersionError(Exception):
    pass


def _load_package(server: Server, package: Path, log: ImportLog) -> None:
    """Insert update by update; those before a break in the package stay."""
    if server.fault("disk-full"):
        raise OSError(DISK_FULL)
    remembered = _FileMap(server.connection)
    reader = Reader(package, now(), remembered.put, remembered.get)
    arrived: list[tuple[str, int]] = []
    # The fault omits one update: only the log shows it, and every other signal looks good.
    to_omit = 1 if server.fault("log-error") else 0
    connection = server.connection
    connection.execute("BEGIN IMMEDIATE")
    try:
        for item in reader.items():
            if isinstance(item, Header):
                _check(server, item)
                continue
            revision = item.revision
            if to_omit and revision.kind == "software":
                to_omit = 0
                error = f"spImportUpdate caught a deadlock SqlException. {revision.update_id}"
                log.note_error(error)
                continue
            existing = ingest.insert(server, revision, item.document)
            log.inserted(revision, existing=existing)
            if not existing:
                arrived.append(revision.key)
                if len(arrived) % _COMMIT_EVERY == 0:
                    connection.execute("COMMIT")
                    connection.execute("BEGIN IMMEDIATE")
    finally:
        # Also after an error: an import is not transactional.
        connection.execute("COMMIT")
        remembered.drop()
        ingest.apply_rules(server, arrived)


def _check(server: Server, header: Header) -> None:
    if header.format_version != FORMAT_VERSION:
        raise PackageError(
            f"Expected export package version of {FORMAT_VERSION},"
            f" but found {header.format_version}"
        )
    if header.protocol_version != server.setting("protocol_version"):
        raise _WrongVersionError


class _FileMap:
    """The file map of a package, in a temporary table because it grows with the catalogue."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(
            "CREATE TEMP TABLE mapped (sha1 TEXT PRIMARY KEY, url TEXT, key TEXT) WITHOUT ROWID"
        )

    def put(self, file: File) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO mapped VALUES (?, ?, ?)",
            (file.sha1, file.url, file.decryption_key),
        )

    def get(self, sha1: str) -> File | None:
        row = self._connection.execute("SELECT * FROM mapped WHERE sha1 = ?", (sha1,)).fetchone()
        if row is None:
            return None
        return File(sha1, "", 0, None, row["url"], row["key"], "payload", None, "")

    def drop(self) -> None:
        self._connection.execute("DROP TABLE mapped")


def _reset(server: Server, arguments: list[str], say: Callable[[str], None]) -> int:
    del say  # it prints nothing: the service does the work later
    _refuse_more(arguments)
    content_agent.reset(server)
    server.record_event(361, "Content synchronization started.")
    return _SUCCESS


def _check_health(server: Server, arguments: list[str], say: Callable[[str], None]) -> int:
    _refuse_more(arguments)
    if configuration.service_status(server) != "Running":
        say("health-no-service")
        return _FAILURE
    if content_agent.failed_count(server):
        server.record_event(10032, "The server is failing to download some updates.")
    else:
        server.record_event(10000, "WSUS is working correctly.")
    say("health-done")
    return _SUCCESS


def _list_inactive(server: Server, arguments: list[str], say: Callable[[str], None]) -> int:
    del say
    _refuse_more(arguments)
    if server.setting("AllUpdateLanguagesEnabled"):
        return _SUCCESS
    enabled = set(server.setting("EnabledUpdateLanguages"))
    rows = server.connection.execute(
        "SELECT DISTINCT title, languages FROM revision JOIN approval"
        " USING (update_id, revision) WHERE languages != '[]' ORDER BY title"
    )
    for row in rows:
        # Permanently inactive: approved, but only for languages that the server does not serve.
        if all(f'"{code}"' not in row["languages"] for code in enabled):
            print(row["title"])
    return _SUCCESS


_VERBS: dict[str, Callable[[Server, list[str], Callable[[str], None]], int]] = {
    "export": _export,
    "import": _import,
    "reset": _reset,
    "checkhealth": _check_health,
    "listinactiveapprovals": _list_inactive,
}


def _paths(arguments: list[str], *, fewest: int) -> tuple[Path, Path | None]:
    if not fewest <= len(arguments) <= 2:
        raise _UsageError
    package, *log = map(Path, arguments)
    return package, log[0] if log else None


def _refuse_more(arguments: list[str]) -> None:
    if arguments:
        raise _UsageError


def _take_time(server: Server) -> None:
    time.sleep(server.setting("wsusutil_seconds"))
    while server.fault("wsusutil-hang"):
        time.sleep(_POLL_SECONDS)
