"""The receipt: what the disconnected side lets out of an import, and nothing more.

An allow-list: site, chain, sequence, header digest, outcome, counts, and ids and digests of what
is missing. No host, user, group, computer or time. It is shown as text before it is written, and
sealed by the disconnected side's own key under a payload type of its own.
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
"""``complete``: all content of the manifest is in place. ``partial``: all but what is listed as
missing. ``unlisted``: more is missing than a receipt lists; the baseline must not move."""


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(strict=True, extra="forbid"))
class MissingUpdate:
    """An approved or parked update that lacks content."""

    update_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    revision: SealedCount


class ReceiptCounts(Sealed):
    """How much came of it, in numbers; ``approvals_applied`` are all that stand there from us."""

    files_in_place: SealedCount
    files_missing: SealedCount
    updates_loaded: SealedCount
    approvals_applied: SealedCount
    approvals_parked: SealedCount
    approvals_held: SealedCount
    approvals_failed: SealedCount


class Receipt(Sealed):
    """What an import did, as far as the staging side needs to know it.

    Attributes:
        format: Version of the receipt format.
        header_digest: Of the bundle that was imported.
        outcome: How much of the bundle's manifest is in place.
        missing_content: Digests of manifest files that are not in place, ascending, no duplicates.
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
        """Write the bytes that are signed."""
        return canonical_model(self)

    def missing_digests(self) -> frozenset[ContentDigest]:
        """The content files that the baseline must not count as held."""
        return frozenset(self.missing_content)

    @property
    def file_name(self) -> str:
        """What the receipt's file is called: ``<site>-<sequence>.receipt.json``."""
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
    """Say which outcome missing content amounts to, and which digests the receipt lists."""
    unique = tuple(sorted(set(missing)))
    if not unique:
        return "complete", ()
    if len(unique) > MOST_MISSING:
        return "unlisted", ()
    return "partial", unique


def seal_receipt(receipt: Receipt, keys: Sequence[SigningKey]) -> bytes:
    """Sign a receipt and give the bytes of its file."""
    return seal_payload(receipt.payload(), RECEIPT_TYPE, keys)


def read_receipt(content: bytes, *, path: str, trust: Trust) -> TrustedReceipt:
    """Verify a receipt's seal; only then read it.

    The caller reads at most ``RECEIPT_LIMIT_BYTES`` + 1 bytes of the file.

    Raises:
        SealError: The seal is not valid, or what it seals is no receipt.
    """
    sealed = read_seal(content, path=path, limit_bytes=RECEIPT_LIMIT_BYTES)
    verified = verify_seal(sealed, RECEIPT_TYPE, trust)
    del content, sealed  # tens of megabytes each in the largest receipt
    try:
        receipt = Receipt.model_validate_json(verified.payload)
    except ValidationError as error:
        raise SealError(path=path, reason="what it seals is no receipt") from error
    if receipt.payload() != verified.payload or not _is_consistent(receipt):
        raise SealError(path=path, reason="what it seals is not in its canonical form")
    return TrustedReceipt(receipt, verified.digest, verified.signed_by)


def show_receipt(receipt: Receipt) -> str:
    """Write everything that a receipt says as text, for a person to read before it goes out.

    Long lists are cut; the number of what is not shown is.
    """
    counts = receipt.counts
    lines = [
        f"Receipt for bundle {receipt.sequence} of site {receipt.site}",
        f"  chain            {receipt.chain}",
        f"  header digest    {receipt.header_digest.hex}",
        f"  outcome          {receipt.outcome}",
        f"  content files    {counts.files_in_place} in place, {counts.files_missing} missing",
        f"  updates loaded   {counts.updates_loaded}",
        f"  approvals        {counts.approvals_applied} applied, {counts.approvals_parked} parked",
        f"                   {counts.approvals_held} held, {counts.approvals_failed} failed",
    ]
    lines += _show_list("missing content", [digest.hex for digest in receipt.missing_content])
    updates = [f"{one.update_id} revision {one.revision}" for one in receipt.missing_updates]
    lines += _show_list("updates without content", updates)
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
