"""The certificate that signed a cabinet, read from its bytes: no Windows is needed.

A signed cabinet has 20 reserved bytes behind its header, with the place and size of a PKCS #7
message at its end (observed: osslsigncode; documented: MS-CAB has the reserved area). The message
holds the certificates; the signature itself is not verified, which is the business of Windows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

HEAD_BYTES = 60
MOST_SIGNATURE_BYTES = 1_048_576
_MAGIC = b"MSCF"
_HAS_RESERVED_AREA = 0x0004
_RESERVED_BYTES = 20


@dataclass(frozen=True, slots=True)
class Signer:
    """A signing certificate: its subject, foreign text, and its SHA-1 thumbprint in hex."""

    subject: str
    thumbprint: str


def read_signer(head: bytes, read: Callable[[int, int], bytes]) -> Signer | None:
    """Return the certificate that signed a cabinet; None if it is no cabinet or not signed.

    Args:
        head: Its first ``HEAD_BYTES`` bytes.
        read: Reads so many bytes (second argument) from an offset (first argument).
    """
    if len(head) < HEAD_BYTES or not head.startswith(_MAGIC):
        return None
    (flags,) = struct.unpack_from("<H", head, 30)
    (reserved_bytes,) = struct.unpack_from("<H", head, 36)
    if not flags & _HAS_RESERVED_AREA or reserved_bytes != _RESERVED_BYTES:
        return None
    offset, size_bytes = struct.unpack_from("<II", head, 44)
    if not offset or not 0 < size_bytes <= MOST_SIGNATURE_BYTES:
        return None
    try:
        certificates = pkcs7.load_der_pkcs7_certificates(read(offset, size_bytes))
        return _signer_of(certificates)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _signer_of(certificates: list[x509.Certificate]) -> Signer | None:
    """The certificate for code signing that issued no other one of them."""
    issuers = {item.issuer for item in certificates if item.issuer != item.subject}
    leaves = [item for item in certificates if item.subject not in issuers]
    leaves.sort(key=lambda leaf: not _is_for_code(leaf))  # a time stamp has a certificate too
    if not leaves:
        return None
    thumbprint = leaves[0].fingerprint(hashes.SHA1())  # noqa: S303  Windows names them so
    return Signer(leaves[0].subject.rfc4514_string(), thumbprint.hex())


def _is_for_code(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.CODE_SIGNING in usage.value
