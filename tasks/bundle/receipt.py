"""The receipt: the only data that leave the disconnected side after an import.

An allow-list: site, chain, sequence, header digest, outcome, counts, ids of updates without
content, and digests of missing content. It contains no host, user, group, computer or time. It is
shown as text before it is written. The disconnected side seals it with its own key, under its own
payload type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from tasks.bundle.canonical import Sealed, canonical_model
from tasks.bundle.header import ChainId, SealedCount, SequenceNumber
from tasks.bundle.keys import SigningKey
from tasks.bundle.seal import RECEIPT_TYPE, Trust, read_seal, seal_payload, verify_seal
from tasks.content.fields import Blake3Field, Sha1Field
from tasks.content.names import Blake3, ContentDigest
from tasks.names import SiteName
from tasks.refusals import SealError

RECEIPT_LIMIT_BYTES = 33_554_432
MOST_MISSING = 200_000
_SHOWN = 50

ReceiptOutcome = Literal["complete", "partial", "unlisted"]
"""``complete``: all content of the manifest is in place. ``partial``: all except the content that
is listed as missing. ``unlisted``: more is missing than a receipt can list, so the baseline must
not move."""


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(strict=True, extra="forbid"))
class MissingUpdate:
    """An approved or parked update that lacks content."""

    update_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    revision: SealedCount


class ReceiptCounts(Sealed):
    """Totals of an import; ``approvals_applied`` counts all our approvals now on the server."""

    files_in_place: SealedCount
    files_missing: SealedCount
    updates_loaded: SealedCount
    approvals_applied: SealedCount
    approvals_parked: SealedCount
    approvals_held: SealedCount
    approvals_failed: SealedCount


class Receipt(Sealed):
    """Result of an import, as far as the staging side needs to know it.

    Attributes:
        format: Version of the receipt format.
        header_digest: Header digest of the imported bundle.
        outcome: Completeness of the manifest's content.
        missing_content: Digests of manifest files that are not in place, ascending, unique.
        missing_updates: Approved or parked updates that lack content.
    """

    format: Literal[1] = 1
    site: SiteName
    chain: ChainId
    sequence: SequenceNumber
    header_digest: Blake3Field
    outcome: ReceiptOutcome
    counts: ReceiptCounts
    missing_content: Annotated[tuple[Sha1Field, ...], Field(max_length=MOST_MISSING)] = ()
    missing_updates: Annotated[tuple[MissingUpdate, ...], Field(max_length=MOST_MISSING)] = ()

    def payload(self) -> bytes:
        """Return the bytes that are signed."""
        return canonical_model(self)

    def missing_digests(self) -> frozenset[ContentDigest]:
        """Return the digests of the content files that the baseline must not contain."""
        return frozenset(self.missing_content)

    @property
    def file_name(self) -> str:
        """Name of the receipt's file: ``<site>-<sequence>.receipt.json``."""
        return f"{self.site}-{self.sequence}.receipt.json"


@dataclass(frozen=True, slots=True)
class TrustedReceipt:
    """A receipt whose seal was verified with the staging side's trusted keys."""

    receipt: Receipt
    digest: Blake3
    signed_by: tuple[str, ...]


def list_missing(
    missing: Sequence[ContentDigest],
) -> tuple[ReceiptOutcome, tuple[ContentDigest, ...]]:
    """Return the outcome for missing content, and the digests that the receipt lists."""
    unique = tuple(sorted(set(missing)))
    if not unique:
        return "complete", ()
    if len(unique) > MOST_MISSING:
        return "unlisted", ()
    return "partial", unique


def seal_receipt(receipt: Receipt, keys: Sequence[SigningKey]) -> bytes:
    """Sign a receipt, and return the bytes of its file."""
    return seal_payload(receipt.payload(), RECEIPT_TYPE, keys)


def read_receipt(content: bytes, *, path: str, trust: Trust) -> TrustedReceipt:
    """Verify the seal of a receipt, and parse the receipt only after that.

    The caller reads at most ``RECEIPT_LIMIT_BYTES`` + 1 bytes of the file.

    Raises:
        SealError: The seal is not valid, or its payload is not a receipt.
    """
    sealed = read_seal(content, path=path, limit_bytes=RECEIPT_LIMIT_BYTES)
    verified = verify_seal(sealed, RECEIPT_TYPE, trust)
    del content, sealed  # tens of megabytes each in the largest receipt
    try:
        receipt = Receipt.model_validate_json(verified.payload)
    except ValidationError as error:
        raise SealError(path=path, reason="its payload is not a receipt") from error
    if receipt.payload() != verified.payload or not _is_consistent(receipt):
        raise SealError(path=path, reason="its payload is not in its canonical form")
    return TrustedReceipt(receipt, verified.digest, verified.signed_by)


def show_receipt(receipt: Receipt) -> str:
    """Return the contents of a receipt as text, for a person to read before it leaves the side.

    Long lists are cut off, and the number of further items is given.
    """
    counts = receipt.counts
    lines = [
        f"Receipt for bundle {receipt.sequence} of site {receipt.site}",
        f"  chain            {receipt.chain}",
        f"  header digest    {receipt.header_digest.hex}",
        f"  outcome          {receipt.outcome}",
        # Not the numbers of the run above it: those are of one import and of all approved updates.
        f"  files of bundle  {counts.files_in_place} in place, {counts.files_missing} missing",
        f"  updates loaded   {counts.updates_loaded}",
        f"  approvals        {counts.approvals_applied} of staging in force",
        f"  waiting          {counts.approvals_parked} parked, {counts.approvals_held} held",
        f"  failed           {counts.approvals_failed}",
    ]
    missing = [digest.hex for digest in receipt.missing_content]
    lines += _show_list("files of the bundle that are missing", missing)
    updates = [
        f"{update.update_id} revision {update.revision}" for update in receipt.missing_updates
    ]
    lines += _show_list("approved updates that lack a file, in the bundle or not", updates)
    return "\n".join(lines) + "\n"


def _show_list(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    shown = [f"  {title}:", *(f"    {item}" for item in items[:_SHOWN])]
    if len(items) > _SHOWN:
        shown.append(f"    and {len(items) - _SHOWN} more")
    return shown


def _is_consistent(receipt: Receipt) -> bool:
    missing = receipt.missing_content
    return list(missing) == sorted(set(missing)) and (receipt.outcome == "partial") == bool(missing)
