"""The custody log as a run proves it: with this side's own key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tasks.bundle.keys import generate_keys
from tasks.refusals import CustodyError
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.custody_proof import prove_log


def test_a_log_whose_newest_line_is_of_another_key_counts_as_changed_until_the_next_line(
    disconnected: RunContext, tmp_path: Path
) -> None:
    record_event(disconnected, "verified", "a bundle")
    (sentence,) = prove_log(disconnected)
    assert sentence.startswith("custody log: 1 line, each signed")

    other = generate_keys(tmp_path / "other")
    shutil.copy(other.signing_key, disconnected.site.trust.signing_key)
    with pytest.raises(CustodyError, match="line 1, the newest, is signed by another key"):
        prove_log(disconnected)

    record_event(disconnected, "verified", "the first line by the new key")
    (sentence,) = prove_log(disconnected)
    assert sentence.startswith("custody log: 2 lines")


def test_nobody_is_asked_for_the_passphrase_of_an_encrypted_key(disconnected: RunContext) -> None:
    record_event(disconnected, "verified", "a bundle")
    path = disconnected.site.trust.signing_key
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    encryption = serialization.BestAvailableEncryption(b"of its owner")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, pkcs8, encryption))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    path.with_suffix(".pub").write_bytes(key.public_key().public_bytes(pem, spki))

    (sentence,) = prove_log(disconnected)

    assert "not compared" not in sentence
