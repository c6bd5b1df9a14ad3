"""The key files of a new side, beside its site file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.keys import (
    PublicKey,
    generate_keys,
    load_public_key,
    load_receipt_secret,
    load_signing_key,
)
from tasks.errors import UsageError
from tasks.names import Side

KEYS_FOLDER = "keys"
_MOVE_IT = "Move it away if nobody needs it, then run `wsus-airgap site init` again."
_OTHER = {Side.STAGING: Side.DISCONNECTED, Side.DISCONNECTED: Side.STAGING}


@dataclass(frozen=True, slots=True)
class SideKeys:
    """Key files of a side.

    Attributes:
        folder: The folder of all of them.
        fingerprint: Fingerprint of this side's key, to compare over the telephone.
        are_new: False if the key pair was there before.
        trusted_key: The other side's public key; it may not be there yet.
    """

    folder: Path
    fingerprint: str
    are_new: bool
    trusted_key: Path

    @property
    def public_key(self) -> Path:
        """The half that is carried to the other side."""
        return self.folder / "signing.pub"


def prepare_keys(
    folder: Path, side: Side, *, trusted_key: Path | None, receipt_secret: bytes | None
) -> SideKeys:
    """Make a side's keys unless they are there, and take the other side's public key.

    Args:
        folder: The folder for the keys.
        side: This side.
        trusted_key: The other side's public key, which is copied; None: it comes later.
        receipt_secret: The secret of the other side; None: a new one.

    Raises:
        UsageError: Some of the files are there and others are not, one has another content, or the
            trusted key is this side's own. No file was changed.
    """
    copy = folder / f"{_OTHER[side].value}.pub"
    other = load_public_key(trusted_key) if trusted_key is not None else None
    names = ("signing.key", "signing.pub", "receipt.secret")
    are_new = not all((folder / name).is_file() for name in names)
    if not are_new:
        _require_fitting(folder, other, trusted_key, receipt_secret)
    if other is not None and copy.exists() and load_public_key(copy) != other:
        raise UsageError(reason=f"{copy} is another key than {trusted_key}", remedy=_MOVE_IT)
    if are_new:
        generate_keys(folder, receipt_secret=receipt_secret)
    if trusted_key is not None and not copy.exists():
        _copy_new(trusted_key, copy)
    fingerprint = load_signing_key(folder / "signing.key").public.fingerprint
    return SideKeys(folder, fingerprint, are_new, copy)


def _require_fitting(
    folder: Path, other: PublicKey | None, trusted_key: Path | None, receipt_secret: bytes | None
) -> None:
    """Require that keys which are there fit what came from the other side."""
    if other == load_signing_key(folder / "signing.key").public:
        raise UsageError(
            reason=f"{trusted_key} is this side's own key",
            remedy="Name the public key of the other side, which its `site init` has shown.",
        )
    secret = folder / "receipt.secret"
    if receipt_secret is not None and load_receipt_secret(secret) != receipt_secret:
        raise UsageError(reason=f"{secret} is another secret than the given one", remedy=_MOVE_IT)


def _copy_new(source: Path, target: Path) -> None:
    content = source.read_bytes()
    with target.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
