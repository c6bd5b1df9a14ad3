"""The export of metadata package and log, for ``wsusutil export`` and ``ExportUpdates``."""

from __future__ import annotations

import codecs
import sqlite3
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from deploy.lab.rules.server import RuleError, Server, now
from deploy.lab.store import languages, revision_store
from deploy.lab.store.records import Revision
from deploy.lab.wsusutil import update_xml
from deploy.lab.wsusutil.log import ExportLog, saved
from deploy.lab.wsusutil.package import FORMAT_VERSION, Contents, Header, write
from deploy.lab.wsusutil.text import DISK_FULL, text

_PIECE_BYTES = 256 * 1024


def export(server: Server, package: Path, log: Path) -> bool:
    """Write package and log; gives False on a failure, which the log names if possible."""
    export_log = ExportLog(now())
    try:
        _write_package(server, package, export_log)
        _spoil(server, package)
        if server.fault("catalogue-changes"):
            from deploy.lab.generate import month

            month.add_update(server)
        is_good = True
    except OSError as error:
        export_log.note_error(str(error))
        is_good = False
    if server.fault("log-error"):
        export_log.note_error("Timeout expired. The timeout period elapsed prior to completion.")
    return saved(export_log, log) and is_good


def export_updates(server: Server, package: str, log: str) -> None:
    """``ExportUpdates`` of the API.

    Raises:
        RuleError: A name is taken, or the export failed; the log names the reason.
    """
    if Path(package).exists() or Path(log).exists():
        raise RuleError("ArgumentException", text("en", "name-exists"))
    if not export(server, Path(package), Path(log)):
        raise RuleError("InvalidOperationException", text("en", "export-failed"))


def _write_package(server: Server, package: Path, log: ExportLog) -> None:
    if server.fault("disk-full"):
        package.write_bytes(b"\x1f\x8b\x08")
        raise OSError(DISK_FULL)
    header = Header(
        server_id=server.setting("ServerId"),
        creation_time=now(),
        format_version=FORMAT_VERSION,
        protocol_version=server.setting("protocol_version"),
    )
    enabled = set(server.setting("EnabledUpdateLanguages"))
    everything = bool(server.setting("AllUpdateLanguagesEnabled"))
    spoken = [
        (language, everything or language.code in enabled) for language in languages.LANGUAGES
    ]
    # A transaction, so that the package shows one state of the catalogue.
    server.connection.execute("BEGIN")
    try:
        lost = server.fault("update-lost")
        stored = revision_store.everything(server.connection)
        held = (revision for revision in stored if revision.update_id != lost)
        revisions = log.follow(held, server.content_dir)
        files = revision_store.files(server.connection)
        document = partial(document_parts, server.connection)
        listed = [(languages.ALL, everything), *spoken]
        odd = {"encoding": "utf-16", "further": "<Origin>9</Origin>"}
        form = odd if server.fault("package-form") else {}
        write(package, Contents(header, listed, files, revisions, document), **form)
    finally:
        server.connection.execute("COMMIT")


def document_parts(connection: sqlite3.Connection, revision: Revision) -> Iterator[str]:
    """The XML of a revision in pieces: as it came, or as the generator means it."""
    packed = revision_store.document(connection, *revision.key)
    if packed is None:
        yield from update_xml.parts(revision)
        return
    unpacker, decoder = zlib.decompressobj(), codecs.getincrementaldecoder("utf-8")()
    while packed:
        yield decoder.decode(unpacker.decompress(packed, _PIECE_BYTES))
        packed = unpacker.unconsumed_tail
    yield decoder.decode(unpacker.flush(), final=True)


def _spoil(server: Server, package: Path) -> None:
    if server.fault("package-empty"):
        package.write_bytes(b"")
    elif server.fault("package-truncated"):
        with package.open("r+b") as file:
            file.truncate(package.stat().st_size // 2)
