"""The certificate that signed a cabinet, from cabinets that are laid out as Windows signs them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tasks.content.cab_signature import HEAD_BYTES, read_signer

KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
FOR_CODE, FOR_TIME = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(
    name: str, issuer: str, usage: x509.ObjectIdentifier | None = None
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(KEY.public_key())
        .serial_number(len(name))
        .not_valid_before(datetime(2031, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2041, 1, 1, tzinfo=UTC))
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def signed(*certificates: x509.Certificate) -> bytes:
    return pkcs7.serialize_certificates(list(certificates), Encoding.DER)


def cabinet(signature: bytes, *, magic: bytes = b"MSCF", flags: int = 4, area: int = 20) -> bytes:
    """A cabinet's header with its reserved area, some bytes of files, and the signature."""
    body = b"files" * 20
    head = magic + bytes(26) + struct.pack("<HHHHBB", flags, 1, 0, area, 0, 0)
    head += struct.pack("<III", 0x0010_0000, HEAD_BYTES + len(body), len(signature)) + bytes(8)
    assert len(head) == HEAD_BYTES
    return head + body + signature


def subject_of(content: bytes) -> str | None:
    signer = read_signer(content[:HEAD_BYTES], lambda offset, size: content[offset : offset + size])
    return None if signer is None else signer.subject


OWN = certificate("WSUS Publishers Self-signed", "WSUS Publishers Self-signed", FOR_CODE)
LEAF = certificate("Contoso Packaging", "Contoso CA", FOR_CODE)
AUTHORITY = certificate("Contoso CA", "Contoso CA")
STAMP = certificate("A Time Stamp", "Stamp CA", FOR_TIME)


@pytest.mark.parametrize(
    ("content", "subject"),
    [
        (cabinet(signed(OWN)), "CN=WSUS Publishers Self-signed"),
        (cabinet(signed(AUTHORITY, LEAF)), "CN=Contoso Packaging"),
        (cabinet(signed(STAMP, AUTHORITY, LEAF)), "CN=Contoso Packaging"),
        (cabinet(signed(OWN), magic=b"MZ\x90\x00"), None),
        (cabinet(signed(OWN), flags=0), None),
        (cabinet(signed(OWN), area=24), None),
        (cabinet(b""), None),
        (cabinet(b"no PKCS #7"), None),
        (cabinet(signed(OWN)[:-40]), None),
        (b"MSCF", None),
    ],
)
def test_the_signing_certificate_is_named_and_anything_else_is_not_known(
    content: bytes, subject: str | None
) -> None:
    assert subject_of(content) == subject


def test_the_thumbprint_is_the_one_that_windows_shows() -> None:
    content = cabinet(signed(OWN))
    signer = read_signer(content[:HEAD_BYTES], lambda at, size: content[at : at + size])
    assert signer is not None
    assert signer.thumbprint == OWN.fingerprint(hashes.SHA1()).hex()  # noqa: S303
