"""The seal: a DSSE envelope around a small document, and the steps from bytes to trust.

| type | trust |
|---|---|
| ``bytes`` | untrusted |
| ``SealedDocument`` (``read_seal``) | well-formed envelope; the payload is untrusted, not parsed |
| ``VerifiedPayload`` (``verify_seal``) | signed by enough trusted keys |

``read_seal`` and ``verify_seal`` accept an envelope only if

* it is within the size limit and in its canonical serialisation: spare bits of base64 and spare
  space of JSON would let an enemy change the file without breaking the seal;
* its payload type is the type that the caller expects, so that a receipt never passes as a bundle;
* every signature that names a trusted key verifies, and no signature by a trusted key has the
  name of another key;
* signatures by at least ``threshold`` different public keys verify. Keys are counted, not names.

Signatures by unknown keys are ignored: another site may trust them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blake3 import blake3
from pydantic import Field, ValidationError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, SSlibKey  # type: ignore[attr-defined]

from tasks.bundle.canonical import Sealed, canonical_json, strict_json
from tasks.bundle.keys import PublicKey, SigningKey
from tasks.content.names import Blake3
from tasks.quantities import size
from tasks.refusals import SealError

BUNDLE_TYPE = "application/vnd.wsus-airgap.bundle+json"
RECEIPT_TYPE = "application/vnd.wsus-airgap.receipt+json"
HEADER_LIMIT_BYTES = 65_536
MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class Trust:
    """Trusted keys, and the number of different keys needed; both come from the site file only."""

    keys: tuple[PublicKey, ...]
    threshold: int = 1


@dataclass(frozen=True, slots=True)
class SealedDocument:
    """A well-formed envelope whose signatures are not verified yet."""

    path: str
    envelope: Envelope

    @property
    def digest(self) -> Blake3:
        """Digest of the payload, which is not trusted before its signatures are verified."""
        return payload_digest(self.envelope.payload)


@dataclass(frozen=True, slots=True)
class VerifiedPayload:
    """A payload with a valid seal. ``digest`` is its BLAKE3; more signatures do not change it."""

    payload: bytes
    digest: Blake3
    signed_by: tuple[str, ...]


class _Signature(Sealed):
    keyid: str = Field(pattern=r"^[0-9a-f]{64}$")
    sig: str = Field(min_length=1, max_length=200)


class _Envelope(Sealed):
    payload: str
    payloadType: str = Field(max_length=100)  # noqa: N815  the name is DSSE's
    signatures: tuple[_Signature, ...] = Field(min_length=1, max_length=MOST_SIGNATURES)


def seal_payload(payload: bytes, payload_type: str, keys: Sequence[SigningKey]) -> bytes:
    """Sign a payload with each key, and return the envelope's bytes."""
    envelope = Envelope(payload, payload_type, {})
    for key in keys:
        envelope.sign(key.signer)
    return _serialise(envelope)


def add_signature(document: SealedDocument, key: SigningKey) -> bytes:
    """Return the bytes of an envelope with one signature more; its payload stays as it is.

    Raises:
        SealError: It has as many signatures as the format allows.
    """
    source = document.envelope
    envelope = Envelope(source.payload, source.payload_type, dict(source.signatures))
    envelope.sign(key.signer)
    content = _serialise(envelope)
    if len(envelope.signatures) > MOST_SIGNATURES or len(content) > HEADER_LIMIT_BYTES:
        reason = f"a seal has at most {MOST_SIGNATURES} signatures"
        raise SealError(
            path=document.path, reason=reason, remedy="Remove none: have the bundle made again."
        )
    return content


def payload_digest(payload: bytes) -> Blake3:
    """Return the digest that identifies a sealed document: the BLAKE3 of its payload."""
    return Blake3(blake3(payload).digest())


def read_seal(
    content: bytes, *, path: str, limit_bytes: int = HEADER_LIMIT_BYTES
) -> SealedDocument:
    """Parse an envelope without trusting its payload.

    Args:
        content: The file's bytes, untrusted.
        path: The file's name in messages.
        limit_bytes: The largest accepted envelope.

    Raises:
        SealError: The content is too large, not a DSSE envelope, or not in canonical form.
    """
    if len(content) > limit_bytes:
        raise SealError(path=path, reason=f"it is larger than {size(limit_bytes)}")
    try:
        _Envelope.model_validate_json(content)
        envelope = Envelope.from_dict(strict_json(content))
        serialised = _serialise(envelope)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise SealError(path=path, reason="it is no envelope of a seal") from error
    if serialised != content:
        raise SealError(path=path, reason="it is not in its canonical form")
    return SealedDocument(path, envelope)


def verify_seal(document: SealedDocument, payload_type: str, trust: Trust) -> VerifiedPayload:
    """Check the seal, and return the payload.

    Raises:
        SealError: The type differs, a signature is wrong, or too few trusted keys signed.
    """
    envelope = document.envelope
    if envelope.payload_type != payload_type:
        raise SealError(
            path=document.path, reason=f"it seals {envelope.payload_type}, not {payload_type}"
        )
    signed_message = envelope.pae()
    signers: dict[bytes, str] = {}
    for signature in envelope.signatures.values():
        key = _signer_of(signature, signed_message, trust, document.path)
        if key is not None:
            signers[key.raw] = key.fingerprint
    if len(signers) < max(trust.threshold, 1):
        raise SealError(
            path=document.path,
            reason=f"{len(signers)} trusted keys signed it, {max(trust.threshold, 1)} are needed",
        )
    return VerifiedPayload(
        envelope.payload, payload_digest(envelope.payload), tuple(sorted(signers.values()))
    )


def _signer_of(
    signature: Signature, signed_message: bytes, trust: Trust, path: str
) -> PublicKey | None:
    """Return the trusted key that made a signature; None for a signature by an unknown key.

    Raises:
        SealError: A signature that names a trusted key is wrong, or one by it has another name.
    """
    for key in trust.keys:
        is_named = key.fingerprint == signature.keyid
        verifies = _verifies(key.for_seal(), signature.signature, signed_message)
        if is_named and not verifies:
            raise SealError(path=path, reason=f"the signature by {key.fingerprint} is wrong")
        if verifies and not is_named:
            raise SealError(path=path, reason=f"a signature by {key.fingerprint} is misnamed")
        if verifies:
            return key
    return None


def _verifies(key: SSlibKey, signature: str, signed_message: bytes) -> bool:
    try:
        key.verify_signature(Signature(key.keyid, signature), signed_message)
    except (UnverifiedSignatureError, VerificationError):
        return False
    return True


def _serialise(envelope: Envelope) -> bytes:
    """Return an envelope in its only form: canonical JSON, signatures by key id, one line."""
    document: dict[str, Any] = envelope.to_dict()
    document["signatures"] = sorted(
        document["signatures"], key=lambda signature: str(signature["keyid"])
    )
    return canonical_json(document) + b"\n"
