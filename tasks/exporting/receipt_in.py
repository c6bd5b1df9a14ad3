"""Receipt that comes back to the staging side: read it, and move the baseline forward by it."""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.bundle.inventory import is_inventory
from tasks.bundle.receipt import RECEIPT_LIMIT_BYTES, Receipt, ReceiptOutcome, read_receipt
from tasks.bundle.receipt_code import AwaitedBundle, looks_like_code, match_code
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.errors import HostFileError, PathMissingError
from tasks.exporting.inventory_in import AcceptedInventory, count_on_inventory, open_inventory
from tasks.ledger.exports import ExportRecord
from tasks.refusals import ChainError, WrongSiteError
from tasks.run.carrier import record_carrier
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.keys import receipt_secret, receipt_trust


@dataclass(frozen=True, slots=True)
class AcceptedReceipt:
    """A receipt for one of our bundles. ``receipt`` is None for a typed code."""

    record: ExportRecord
    outcome: ReceiptOutcome
    receipt: Receipt | None

    @property
    def subject(self) -> str:
        """Name of what was accepted, for people."""
        return self.record.bundle.name


class Accepted(Protocol):
    """A receipt or an inventory."""

    @property
    def subject(self) -> str:
        """Name of what was accepted, for people."""
        ...


def open_receipt(run: RunContext, text: str) -> Accepted:
    """Read a receipt's file, the inventory of an adopted server, or the code that was typed.

    Raises:
        PathMissingError: The text is neither an existing file nor the form of a code.
        HostFileError: The file is there and cannot be read.
        SealError: The file has no valid seal by a trusted key.
        TamperError, TrustError: The lines of an inventory are not those that were sealed.
        WrongSiteError: It is for another site.
        ChainError: It is for a bundle that this staging side never sealed.
        UsageError: The code was mistyped.
        SiteFileError: A code was typed, and the site file names no receipt secret.
    """
    path = Path(text)
    start = _read_file(path, limit_bytes=HEADER_LIMIT_BYTES)
    if start is not None and is_inventory(start):
        return open_inventory(run.site, run.scratch, path)
    content = _read_file(path, limit_bytes=RECEIPT_LIMIT_BYTES)
    if content is None:
        if not looks_like_code(text):
            raise PathMissingError(what="the receipt", path=text)
        return _match(run, text)
    receipt = read_receipt(content, path=str(path), trust=receipt_trust(run.site)).receipt
    if receipt.site != run.site.name:
        raise WrongSiteError(what=path, found=receipt.site, expected=run.site.name)
    record = run.exports.by_digest(receipt.header_digest)
    if record is None or receipt.chain != run.ledger.chain:
        raise ChainError(
            reason=f"{path} is for a bundle that this staging side never sealed",
            remedy="Find out which staging server made that bundle; two may export for this site.",
        )
    return AcceptedReceipt(record, receipt.outcome, receipt)


def _read_file(path: Path, *, limit_bytes: int) -> bytes | None:
    """Read a file up to a limit and one byte more; None when there is no such file.

    Raises:
        HostFileError: The file is there and cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as stream:
            return stream.read(limit_bytes + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        reason = error.strerror or str(error)
        raise HostFileError(operation="read", path=path, reason=reason) from error


def _match(run: RunContext, text: str) -> AcceptedReceipt:
    chain = run.ledger.chain
    awaited = {
        AwaitedBundle(
            site=run.site.name,
            chain=chain,
            sequence=record.sequence,
            header_digest=record.header_digest,
        ): record
        for record in run.exports.all()
        if chain is not None and record.header_digest is not None and record.status == "sealed"
    }
    matched = match_code(text, awaited.keys(), receipt_secret(run.site))
    return AcceptedReceipt(awaited[matched.awaited], matched.outcome, None)


def record_receipt_carrier(run: RunContext, accepted: Accepted) -> None:
    """Record in the custody log who carried a receipt here, if somebody typed a name."""
    record = accepted.record if isinstance(accepted, AcceptedReceipt) else None
    digest = record.header_digest if record else None
    record_carrier(
        run,
        record.bundle.name if record else "",
        digest.hex if digest else "",
        name=run.carried_by,
        is_receipt=True,
    )


def advance_baseline(run: RunContext, accepted: Accepted) -> None:
    """Move the baseline to the receipted bundle, unless it is at a newer bundle already.

    A code cannot list missing content, so it moves the baseline only if nothing is missing. An
    inventory counts until the first receipt.
    """
    if isinstance(accepted, AcceptedInventory):
        count_on_inventory(run, accepted)
        return
    if not isinstance(accepted, AcceptedReceipt):
        raise TypeError(f"{accepted.subject} is neither a receipt nor an inventory")
    record = accepted.record
    baseline = run.exports.baseline()
    run.report.note(sequence=record.sequence, bundle=record.bundle)
    if baseline is not None and baseline.sequence > record.sequence:
        run.report.lines.append(
            f"the baseline stands at bundle {baseline.sequence} already; nothing changes"
        )
        return
    is_listed = accepted.receipt is not None and accepted.outcome == "partial"
    if accepted.outcome != "complete" and not is_listed:
        run.report.notice(
            f"the receipt says that content of bundle {record.sequence} is missing and cannot "
            "list it: the baseline stays where it is"
        )
        return
    record_event(
        run,
        "receipt",
        f"accepted: {accepted.outcome}, by {'file' if accepted.receipt else 'code'}",
        bundle=record.bundle.name,
        digest=record.header_digest.hex if record.header_digest else "",
    )
    payload = accepted.receipt.model_dump_json() if accepted.receipt else None
    run.exports.accept(record.sequence, receipt=payload, now=run.clock())
    run.report.lines.append(f"the baseline is bundle {record.sequence} now")
    missing = accepted.receipt.missing_content if accepted.receipt else ()
    if missing:
        run.report.lines.append(
            f"{len(missing)} files are missing there; the next bundle brings them"
        )
