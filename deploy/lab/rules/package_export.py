"""The export of metadata package and log, for ``wsusutil export`` and ``ExportUpdates``."""

from __future__ import annotations

from pathlib import Path

from deploy.lab.rules import configuration
from deploy.lab.rules.server import RuleError, Server, now
from deploy.lab.store import revision_store
from deploy.lab.wsusutil.log import ExportLog, saved
from deploy.lab.wsusutil.package import FORMAT_VERSION, Contents, Header, write
from deploy.lab.wsusutil.text import DISK_FULL, text


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
    languages = [(c, everything or c in enabled) for c in configuration.SUPPORTED_LANGUAGES]
    # A transaction, so that the package shows one state of the catalogue.
    server.connection.execute("BEGIN")
    try:
        revisions = log.follow(revision_store.everything(server.connection), server.content_dir)
        write(
            package, Contents(header, languages, revision_store.files(server.connection), revisions)
        )
    finally:
        server.connection.execute("COMMIT")


def _spoil(server: Server, package: Path) -> None:
    if server.fault("package-empty"):
        package.write_bytes(b"")
    elif server.fault("package-truncated"):
        with package.open("r+b") as file:
            file.truncate(package.stat().st_size // 2)
