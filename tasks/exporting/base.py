"""Base of a bundle: the content that the disconnected side is known to have, and that stays out.

It is the newest bundle whose receipt was accepted; before the first receipt the inventory that the
disconnected side has sealed (``audit --adopt``); or the bundle that a person names (``--since``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.bundle.layout import MANIFEST
from tasks.bundle.manifest import Entry, read_entries, subtract_missing
from tasks.content.digest import blake3_of_file
from tasks.content.names import Blake3
from tasks.errors import UsageError
from tasks.exporting.request import ExportRequest
from tasks.ledger.exports import ExportRecord, Exports
from tasks.ledger.inventories import Inventories, InventoryRecord
from tasks.ledger.store import Ledger
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import matches_binding, read_header_copy


@dataclass(frozen=True, slots=True)
class Base:
    """Base of a bundle; without record and inventory everything is carried."""

    record: ExportRecord | None = None
    inventory: InventoryRecord | None = None

    @property
    def digest(self) -> Blake3 | None:
        """Header digest of the bundle whose holdings are subtracted; None without one."""
        return self.record.header_digest if self.record else None

    @property
    def identity(self) -> str | None:
        """Text that differs for different bases; None if everything is carried."""
        if self.inventory is not None:
            return f"inventory {self.inventory.digest.hex}"
        return self.digest.hex if self.digest else None

    def entries(self, exports: Exports, request: ExportRequest) -> Iterator[Entry]:
        """Yield the files that the other side has, without those that it asks for or misses."""
        missing = request.bring_digests
        if self.inventory is not None:
            return subtract_missing(read_entries(self.inventory.folder / MANIFEST), missing)
        if self.record is None:
            return iter(())
        missing |= exports.missing_after(self.record)
        return subtract_missing(read_entries(self.record.folder / MANIFEST), missing)


def choose_base(run: RunContext, request: ExportRequest) -> Base:
    """Return the base of the next bundle.

    A baseline whose manifest is lost or changed does not count, with a notice: without it we do
    not know what the other side has, so all content is carried.

    Raises:
        UsageError: The bundle that a person named cannot be a base.
    """
    if request.full:
        return Base()
    if request.since is not None:
        return Base(record=_named_record(run.exports, request.since))
    base = _recorded_base(run.exports, run.ledger)
    if base.record is not None and not _has_manifest(base.record):
        _report_lost(
            run.report, f"the manifest of bundle {base.record.sequence}", base.record.folder
        )
        return Base()
    if base.inventory is not None and not _has_list(base.inventory):
        _report_lost(run.report, "the inventory of the disconnected side", base.inventory.folder)
        return Base()
    return base


def bases_for_comparison(
    run: RunContext, record: ExportRecord, request: ExportRequest
) -> Iterator[Base]:
    """Yield the bases with which a sealed bundle would still be up to date.

    Two new baselines do not outdate a bundle: the bundle itself (with ``baseline = "sent"``), and,
    for a bundle made with ``--full``, one accepted before it was made.
    """
    if request.full or request.since is not None:
        yield choose_base(run, request)
        return
    base = _recorded_base(run.exports, run.ledger)
    yield base
    is_own = run.site.policy.baseline == "sent" and base.record == record
    accepted = (base.record or base.inventory or record).accepted
    is_older = accepted is not None and accepted <= record.created
    if is_own and record.base_digest is not None:
        yield Base(record=run.exports.by_digest(record.base_digest))
    elif record.base_digest is None and (is_own or is_older):
        yield Base()
        yield Base(inventory=Inventories(run.ledger).newest())


def _recorded_base(exports: Exports, ledger: Ledger) -> Base:
    baseline = exports.baseline()
    if baseline is not None:
        return Base(record=baseline)
    return Base(inventory=Inventories(ledger).newest())


def _named_record(exports: Exports, sequence: int) -> ExportRecord:
    """Return the record of the bundle that a person names as base.

    Raises:
        UsageError: No such bundle was sealed here, or its manifest is lost or damaged.
    """
    record = exports.by_sequence(sequence)
    if record is None or record.status != "sealed":
        numbers = [other.sequence for other in exports.all() if other.status == "sealed"]
        sealed = ", ".join(map(str, numbers[-10:])) or "none"
        raise UsageError(
            reason=f"--since {sequence}: no bundle {sequence} was sealed here, only {sealed}",
            remedy="Name the newest bundle that the disconnected side has imported "
            "(`wsus-airgap status` there), or export with --full.",
        )
    if not _has_manifest(record):
        raise UsageError(
            reason=f"--since {sequence}: the manifest of bundle {sequence} in {record.folder} is "
            "lost or damaged",
            remedy="Restore the state folder from its backup, or export with --full.",
        )
    return record


def _has_manifest(record: ExportRecord) -> bool:
    header = read_header_copy(record.folder)
    is_ours = header is not None and header.digest == record.header_digest
    return (
        header is not None
        and is_ours
        and matches_binding(record.folder / MANIFEST, header.manifest)
    )


def _has_list(inventory: InventoryRecord) -> bool:
    path = inventory.folder / MANIFEST
    return path.is_file() and blake3_of_file(path) == inventory.entries


def _report_lost(report: ReportDraft, what: str, folder: object) -> None:
    report.notice(
        f"{what} in {folder} is lost or damaged, so all content is carried; restore the state "
        "folder from its backup to carry only what is new"
    )
