"""The inventory: what a disconnected server held before its first import, as its first receipt.

A site that already has content need not get it again. Its inventory is one file: the first line is
a sealed envelope, which binds length and digest of the rest; the rest are lines of a manifest, of
which none is carried. So neither writer nor reader has the list in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from blake3 import blake3
from pydantic import ValidationError

from tasks.bundle.canonical import Sealed, canonical_model
from tasks.bundle.header import MANIFEST_LIMIT_BYTES, Binding, SealedCount
from tasks.bundle.keys import SigningKey
from tasks.bundle.manifest import read_entries
from tasks.bundle.seal import HEADER_LIMIT_BYTES, Trust, read_seal, seal_payload, verify_seal
from tasks.content.names import Blake3
from tasks.names import SiteName
from tasks.quantities import count, size
from tasks.refusals import SealError, TamperError, TrustError

INVENTORY_TYPE = "application/vnd.wsus-airgap.inventory+json"
_CHUNK_BYTES = 1_048_576


class Inventory(Sealed):
    """Sealed part of an inventory: an allow-list without time, host, user or group.

    Attributes:
        files, size_bytes: Totals of the listed content files.
        entries: Length and digest of the lines after the first.
    """

    format: Literal[1] = 1
    site: SiteName
    files: SealedCount
    size_bytes: SealedCount
    entries: Binding

    def payload(self) -> bytes:
        """Return the bytes that are signed."""
        return canonical_model(self)

    @property
    def file_name(self) -> str:
        """Name of the inventory's file."""
        return f"{self.site}-adopted.receipt.jsonl"


@dataclass(frozen=True, slots=True)
class TrustedInventory:
    """An inventory whose seal was verified; its lines are proved by ``copy_entries``."""

    inventory: Inventory
    digest: Blake3
    signed_by: tuple[str, ...]


def seal_inventory(inventory: Inventory, keys: Sequence[SigningKey]) -> bytes:
    """Sign an inventory, and return the first line of its file."""
    return seal_payload(inventory.payload(), INVENTORY_TYPE, keys)


def show_inventory(inventory: Inventory) -> tuple[str, ...]:
    """Return an inventory as text, for a person to read before it leaves the side."""
    return (
        f"Inventory of site {inventory.site}, as its first receipt",
        f"  content files    {count(inventory.files)}, {size(inventory.size_bytes)}",
        f"  BLAKE3 of list   {inventory.entries.blake3.hex}",
        "  of each file     name, size, SHA-1 and BLAKE3",
    )


def is_inventory(start: bytes) -> bool:
    """Return True if a file begins as an inventory; nothing is verified."""
    line, ends, _ = start.partition(b"\n")
    try:
        sealed = read_seal(line + ends, path="")
    except SealError:
        return False
    return sealed.envelope.payload_type == INVENTORY_TYPE


def read_inventory(stream: BinaryIO, *, path: str, trust: Trust) -> TrustedInventory:
    """Verify the seal in the first line, and leave the stream at the second.

    Raises:
        SealError: The seal is not valid, or its payload is not an inventory.
    """
    line = stream.readline(HEADER_LIMIT_BYTES + 1)
    verified = verify_seal(read_seal(line, path=path), INVENTORY_TYPE, trust)
    try:
        inventory = Inventory.model_validate_json(verified.payload)
    except ValidationError as error:
        raise SealError(path=path, reason="its payload is not an inventory") from error
    if inventory.payload() != verified.payload:
        raise SealError(path=path, reason="its payload is not in its canonical form")
    return TrustedInventory(inventory, verified.digest, verified.signed_by)


def copy_entries(stream: BinaryIO, target: Path, trusted: TrustedInventory, *, path: str) -> None:
    """Copy the lines after the first to a file of ours, and prove them.

    Raises:
        TamperError: They are not the bytes that were sealed.
        TrustError: They are more than the format allows, or break it although they are sealed.
    """
    bound = trusted.inventory.entries
    if bound.size_bytes > MANIFEST_LIMIT_BYTES:
        raise TrustError(reason=f"{path} lists {size(bound.size_bytes)} of files, too much")
    hasher, written = blake3(), 0
    with target.open("wb") as copy:
        for chunk in _chunks(stream, bound.size_bytes + 1):
            hasher.update(chunk)
            written += copy.write(chunk)
    if written != bound.size_bytes or hasher.digest() != bound.blake3.raw:
        raise TamperError(path=path, expected=bound.blake3.hex, found=hasher.hexdigest())
    _require_entries(target, trusted.inventory, path)


def _chunks(stream: BinaryIO, most_bytes: int) -> Iterator[bytes]:
    remaining = most_bytes
    while remaining > 0 and (chunk := stream.read(min(_CHUNK_BYTES, remaining))):
        remaining -= len(chunk)
        yield chunk


def _require_entries(entries: Path, inventory: Inventory, path: str) -> None:
    files = size_bytes = 0
    for entry in read_entries(entries):
        files += 1
        size_bytes += entry.size_bytes
        if entry.is_carried:
            raise TrustError(reason=f"{path} says that {entry.name.text} is carried")
    if (files, size_bytes) != (inventory.files, inventory.size_bytes):
        raise TrustError(reason=f"{path} lists {files} files, and seals {inventory.files}")
