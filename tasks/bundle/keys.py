"""Ed25519 keys for sealing and verifying, and the secret for typed receipt codes.

A key's fingerprint, which is also its id in a seal, is the SHA-256 of its public half in DER
(SubjectPublicKeyInfo), so that OpenSSL can compute it without this program:
``openssl pkey -pubin -in KEY.pub -outform DER | sha256sum``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from tasks.errors import PathMissingError, UsageError

SECRET_BYTES = 32
_KEY_FILE_LIMIT = 16_384


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key. Keys are equal if ``raw`` is; ``fingerprint`` follows from it."""

    raw: bytes
    fingerprint: str

    @classmethod
    def of(cls, key: Ed25519PublicKey) -> PublicKey:
        """Wrap a key."""
        encoded = key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(key.public_bytes_raw(), hashlib.sha256(encoded).hexdigest())

    def for_seal(self) -> SSlibKey:
        """Return the key in the form that securesystemslib takes."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return SSlibKey.from_crypto(key, keyid=self.fingerprint)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair that seals. Its private half is never shown."""

    public: PublicKey
    signer: CryptoSigner

    def __repr__(self) -> str:
        return f"SigningKey({self.public.fingerprint})"


@dataclass(frozen=True, slots=True)
class GeneratedKeys:
    """Files made by ``generate_keys``, and the fingerprint to compare over the telephone."""

    signing_key: Path
    public_key: Path
    receipt_secret: Path
    fingerprint: str


def generate_keys(
    folder: Path, *, passphrase: bytes | None = None, receipt_secret: bytes | None = None
) -> GeneratedKeys:
    """Make files with a key pair and a receipt secret; never overwrite a file.

    Writes ``signing.key`` (PKCS#8 PEM, mode 0600), ``signing.pub`` (SubjectPublicKeyInfo PEM) and
    ``receipt.secret`` (64 hexadecimal digits, mode 0600; both sides of a site need the same).

    Args:
        folder: The folder; it is made if it is missing.
        passphrase: Encrypts the private key (PKCS#8, PBES2); None: it is not encrypted.
        receipt_secret: The secret of the other side (32 bytes); None: a new one.

    Raises:
        UsageError: One of the files exists, or ``folder`` is a file. Nothing was written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(reason=f"{folder} is a file", remedy="Name a folder for the keys.")
    paths = [folder / name for name in ("signing.key", "signing.pub", "receipt.secret")]
    for path in paths:
        if os.path.lexists(path):
            raise UsageError(
                reason=f"{path} exists, and a key is never overwritten",
                remedy="Name another folder, or move these keys away if nobody needs them.",
            )
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write_new(paths[0], private, mode=0o600)
    _write_new(paths[1], public, mode=0o644)
    secret = receipt_secret or secrets.token_bytes(SECRET_BYTES)
    _write_new(paths[2], secret.hex().encode() + b"\n", mode=0o600)
    return GeneratedKeys(paths[0], paths[1], paths[2], PublicKey.of(key.public_key()).fingerprint)


def is_encrypted(path: Path) -> bool:
    """Return True if a private key needs a passphrase.

    Raises:
        PathMissingError: The file does not exist.
        UsageError: It cannot be read.
    """
    return b"BEGIN ENCRYPTED PRIVATE KEY" in _read_small(path, "signing key")


def load_signing_key(path: Path, *, passphrase: bytes | None = None) -> SigningKey:
    """Read a private key.

    Raises:
        PathMissingError: The file does not exist.
        UsageError: The file is not an Ed25519 key in PKCS#8 PEM, or the passphrase is wrong.
    """
    content = _read_small(path, "signing key")
    try:
        key = serialization.load_pem_private_key(content, password=passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(reason=f"{path} is no private key that we can open: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(reason=f"{path} is no Ed25519 key")
    public = PublicKey.of(key.public_key())
    return SigningKey(public, CryptoSigner(key, public.for_seal()))


def load_public_key(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        PathMissingError: The file does not exist.
        UsageError: The file is not an Ed25519 key in SubjectPublicKeyInfo PEM.
    """
    content = _read_small(path, "public key")
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(reason=f"{path} is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(reason=f"{path} is no Ed25519 key")
    return PublicKey.of(key)


def load_receipt_secret(path: Path) -> bytes:
    """Read the secret for typed receipt codes: 32 bytes as 64 hexadecimal digits.

    Raises:
        PathMissingError: The file does not exist.
        UsageError: The file contains something else.
    """
    secret = parse_receipt_secret(_read_small(path, "receipt secret").decode("ascii", "replace"))
    if secret is None:
        raise UsageError(reason=f"{path} does not hold 64 hexadecimal digits")
    return secret


def parse_receipt_secret(text: str) -> bytes | None:
    """Parse a secret that was written, or typed, as 64 hexadecimal digits; None if it is none."""
    digits = text.strip()
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        return None
    return secret if len(secret) == SECRET_BYTES and len(digits) == 2 * SECRET_BYTES else None


def _read_small(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_KEY_FILE_LIMIT)
    except FileNotFoundError as error:
        raise PathMissingError(what=what, path=path) from error
    except OSError as error:
        raise UsageError(reason=f"{what} {path} cannot be read: {error.strerror}") from error


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
