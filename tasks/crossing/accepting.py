"""The staging side takes a receipt: the baseline moves by it, and only forward."""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.receipt import RECEIPT_LIMIT_BYTES, Receipt, ReceiptOutcome, read_receipt
from tasks.bundle.receipt_code import Awaited, looks_like_code, match_code
from tasks.crossing.trust import receipt_secret, site_trust
from tasks.crossing.workplace import Workplace
from tasks.errors import HostFileError, PathMissingError
from tasks.ledger.exports import ExportRecord
from tasks.refusals import ChainError, WrongSiteError


@dataclass(frozen=True, slots=True)
class Accepted:
    """A receipt that is for one of our bundles. ``receipt`` is None for a typed code."""

    record: ExportRecord
    outcome: ReceiptOutcome
    receipt: Receipt | None


def open_receipt(place: Workplace, text: str) -> Accepted:
    """Read a receipt's file, or the code that an operator typed.

    Raises:
        PathMissingError: Neither a file nor anything like a code.
        HostFileError: The file is there and cannot be read.
        SealError, WrongSiteError, ChainError: It is not to be believed, or not for us.
        UsageError: The code was mistyped.
        SiteFileError: A code was typed, and the site file names no receipt secret.
    """
    path = Path(text)
    content = _read_file(path)
    if content is None:
        if not looks_like_code(text):
            raise PathMissingError(what="the receipt", path=text)
        return _match(place, text)
    receipt = read_receipt(content, path=str(path), trust=site_trust(place.site)).receipt
    if receipt.site != place.site.name:
        raise WrongSiteError(what=path, found=receipt.site, expected=place.site.name)
    record = place.exports.by_digest(receipt.header_digest)
    if record is None or receipt.chain != place.ledger.chain:
        raise ChainError(
            reason=f"{path} is for a bundle that this staging side never sealed",
            remedy="Find out which staging server made that bundle; two may export for this site.",
        )
    return Accepted(record, receipt.outcome, receipt)


def _read_file(path: Path) -> bytes | None:
    """Read a receipt's file up to its cap and one byte more; None when there is no such file.

    Raises:
        HostFileError: There is, and it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as stream:
            return stream.read(RECEIPT_LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        reason = error.strerror or str(error)
        raise HostFileError(operation="read", path=path, reason=reason) from error


def _match(place: Workplace, text: str) -> Accepted:
    chain = place.ledger.chain
    awaited = {
        Awaited(
            site=place.site.name,
            chain=chain,
            sequence=record.sequence,
            header_digest=record.header_digest,
        ): record
        for record in place.exports.all()
        if chain is not None and record.header_digest is not None and record.status == "sealed"
    }
    matched = match_code(text, awaited.keys(), receipt_secret(place.site))
    return Accepted(awaited[matched.awaited], matched.outcome, None)


def advance_baseline(place: Workplace, accepted: Accepted) -> None:
    """Move the baseline to the receipted bundle, unless it stands further already.

    A code cannot list what is missing, so it moves the baseline only when nothing is.
    """
    record = accepted.record
    now = place.exports.baseline()
    place.note(sequence=record.sequence, bundle=record.bundle)
    if now is not None and now.sequence > record.sequence:
        place.lines.append(f"the baseline stands at bundle {now.sequence} already; nothing changes")
        return
    is_listed = accepted.receipt is not None and accepted.outcome == "partial"
    if accepted.outcome != "complete" and not is_listed:
        place.alarm(
            f"the receipt says that content of bundle {record.sequence} is missing and cannot "
            "list it: the baseline stays where it is"
        )
        return
    payload = accepted.receipt.model_dump_json() if accepted.receipt else None
    place.exports.accept(record.sequence, receipt=payload, now=place.clock())
    place.lines.append(f"the baseline is bundle {record.sequence} now")
    missing = accepted.receipt.missing_content if accepted.receipt else ()
    if missing:
        place.lines.append(f"{len(missing)} files are missing there; the next bundle brings them")
