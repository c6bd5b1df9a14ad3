"""The work of ``tidy``: find what retention removes on this side, and remove it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tasks.bundle.layout import HEADER, volume_name
from tasks.bundle.seal import HEADER_LIMIT_BYTES, payload_digest, read_seal
from tasks.content.names import Blake3
from tasks.errors import AirGapError, HostFileError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import Exports
from tasks.ledger.imports import Imports
from tasks.ledger.runs import Runs
from tasks.names import Side
from tasks.refusals import SealError
from tasks.reports.carry_card import card_paths
from tasks.reports.model import Column, Section
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.upkeep.retention import (
    Expired,
    expired_bundles,
    expired_exports,
    expired_imports,
    expired_reports,
    expired_trash,
    months_before,
)

_WORDS = {
    "report": "report of a run",
    "documents": "documents of a bundle",
    "trash": "content in the trash",
    "bundle": "bundle on the medium",
}


def plan_tidy(run: RunContext) -> tuple[Expired, ...]:
    """Find what is older than the site file's ``[retention]`` allows.

    A server that cannot be reached is a notice: its trash waits for the next time.
    """
    now, keep = run.clock(), run.site.retention
    old = months_before(now, keep.reports_months)
    reports = expired_reports(Runs(run.ledger).all(), run.site.state_dir / "reports", before=old)
    if run.site.side is Side.STAGING:
        return (*reports, *_staging(run.exports, keep.media_days, now=now, old=old))
    imports = run.imports
    documents = expired_imports(imports.all(), run.site.name, before=old)
    return (*reports, *documents, *_trash(run, imports, now - timedelta(days=keep.trash_days)))


def lock_for(run: RunContext, items: Sequence[Expired]) -> None:
    """Take the locks of the server and the medium, as far as anything of theirs goes.

    Raises:
        LockHeldError: Another run works there.
        WsusutilRunningError: A wsusutil works on the server.
    """
    if any(isinstance(item.folder, HostPath) for item in items):
        run.make_folders()
        run.lock_server()
        require_no_wsusutil(run)
    if any(item.kind == "bundle" for item in items):
        run.lock_media()


def _staging(
    exports: Exports, media_days: int | None, *, now: datetime, old: datetime
) -> Iterator[Expired]:
    records, baseline = exports.all(), exports.baseline()
    yield from expired_exports(
        records, baseline=baseline.sequence if baseline else None, before=old
    )
    if media_days is not None:
        bundles = expired_bundles(records, before=now - timedelta(days=media_days))
        digests = {record.bundle.name: record.header_digest for record in records}
        for item in bundles:
            if isinstance(item.folder, Path) and _is_ours(item.folder, digests[item.name]):
                yield replace(item, beside=tuple(filter(_is_file, card_paths(item.folder))))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_ours(bundle: Path, header_digest: Blake3 | None) -> bool:
    """Return True if the first volume on the medium has the very header that we sealed.

    Another medium may hold a folder of the same name by now.
    """
    path = bundle / volume_name(1) / HEADER
    try:
        with path.open("rb") as stream:
            document = read_seal(stream.read(HEADER_LIMIT_BYTES), path=str(path))
    except (OSError, SealError):
        return False
    return payload_digest(document.envelope.payload) == header_digest


def _trash(run: RunContext, imports: Imports, before: datetime) -> Iterator[Expired]:
    disk = run.known_disk
    if disk is None:
        return
    try:
        stats = run.server.list_folder(disk.trash)
    except AirGapError as error:
        run.report.notice(f"the trash on the server was left as it is: {error.message}")
        return
    names = [stat.name for stat in stats if stat.kind == "folder"]
    yield from expired_trash(imports.all(), run.site.name, disk.trash, names, before=before)


def describe_tidy(items: Sequence[Expired]) -> Section:
    """Table of what is removed, or would be."""
    return Section(
        key="retention",
        title="Older than [retention] allows",
        columns=(
            Column(label="What"),
            Column(label="Name"),
            Column(label="Of", kind="short"),
            Column(label="Path"),
        ),
        rows=tuple(
            (
                _WORDS[item.kind],
                item.name,
                f"{item.since:%Y-%m-%d}",
                _shown_path(item),
            )
            for item in items
        ),
    )


def _shown_path(item: Expired) -> str:
    files = f" ({', '.join(item.files)})" if item.files else ""
    beside = "".join(f", {path.name}" for path in item.beside)
    return f"{item.folder}{files}{beside}"


def remove_expired(server: Host, report: ReportDraft, items: Sequence[Expired]) -> int:
    """Remove the items and return their number; one that cannot be removed is a notice.

    The caller holds the lock of the server if items lie there, and that of the medium if bundles
    do.
    """
    removed = 0
    for item in items:
        try:
            _remove(server, item)
        except AirGapError as error:
            report.notice(f"{_WORDS[item.kind]} {item.name} was left: {error.message}")
        else:
            removed += 1
    return removed


def _remove(server: Host, item: Expired) -> None:
    if isinstance(item.folder, HostPath):
        server.remove_tree(item.folder)
        return
    try:
        for path in item.beside:  # first: without its folder nobody would find the card again
            path.unlink(missing_ok=True)
        if item.files:
            for name in item.files:
                (item.folder / name).unlink(missing_ok=True)
        else:
            shutil.rmtree(item.folder)
    except OSError as error:
        raise HostFileError(
            operation="remove", path=item.folder, reason=error.strerror or str(error)
        ) from error
