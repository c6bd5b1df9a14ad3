"""Keys and secrets as files."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from tasks.bundle.keys import (
    generate_keys,
    load_public_key,
    load_receipt_secret,
    load_signing_key,
)
from tasks.errors import PathMissingError, UsageError


def test_a_generated_pair_fits_together_and_its_fingerprint_needs_no_code_of_ours(
    tmp_path: Path,
) -> None:
    made = generate_keys(tmp_path / "keys")

    public = load_public_key(made.public_key)

    assert load_signing_key(made.signing_key).public == public
    assert made.fingerprint == public.fingerprint
    pem = made.public_key.read_bytes()
    der = serialization.load_pem_public_key(pem).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert hashlib.sha256(der).hexdigest() == made.fingerprint
    assert len(load_receipt_secret(made.receipt_secret)) == 32


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    made = generate_keys(tmp_path)

    for path in (made.signing_key, made.receipt_secret):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_is_no_folder_for_keys(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    with pytest.raises(UsageError, match="is a file"):
        generate_keys(tmp_path / "file")


@pytest.mark.parametrize("name", ["signing.key", "signing.pub", "receipt.secret"])
def test_no_file_is_overwritten_and_nothing_else_written_then(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    with pytest.raises(UsageError, match="never overwritten"):
        generate_keys(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_what_is_no_key_is_refused_by_name(tmp_path: Path) -> None:
    made = generate_keys(tmp_path)
    other = tmp_path / "other.key"
    other.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    with pytest.raises(UsageError, match=r"no Ed25519 key"):
        load_signing_key(other)
    with pytest.raises(UsageError, match="no private key"):
        load_signing_key(made.public_key)
    with pytest.raises(UsageError, match="no public key"):
        load_public_key(made.signing_key)
    with pytest.raises(UsageError, match="64 hexadecimal"):
        load_receipt_secret(made.public_key)
    with pytest.raises(PathMissingError):
        load_signing_key(tmp_path / "nowhere.key")


def test_a_signing_key_does_not_show_its_secret(tmp_path: Path) -> None:
    key = load_signing_key(generate_keys(tmp_path).signing_key)

    assert repr(key) == f"SigningKey({key.public.fingerprint})"


def test_an_encrypted_key_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    made = generate_keys(tmp_path)
    key = serialization.load_pem_private_key(made.signing_key.read_bytes(), password=None)
    path = tmp_path / "encrypted.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    assert load_signing_key(path, passphrase=b"secret").public.fingerprint == made.fingerprint
    with pytest.raises(UsageError):
        load_signing_key(path)
    with pytest.raises(UsageError):
        load_signing_key(path, passphrase=b"wrong")
