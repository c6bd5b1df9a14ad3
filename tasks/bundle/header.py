"""The header: the small signed document that binds everything else in a bundle.

``TrustedHeader`` exists only as the result of ``verify_header``: the seal of a ``TrustedHeader``
was always checked against this site's keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, ValidationError, model_validator

from tasks.bundle.canonical import Sealed, canonical_json, strict_json
from tasks.bundle.keys import SigningKey
from tasks.bundle.seal import (
    BUNDLE_TYPE,
    HEADER_LIMIT_BYTES,
    SealedDocument,
    Trust,
    payload_digest,
    read_seal,
    seal_payload,
    verify_seal,
)
from tasks.content.fields import Blake3Field
from tasks.content.names import Blake3
from tasks.names import UTC_SECOND, Count, Mode, SiteName
from tasks.refusals import SafetyError, SealError, TrustError

FORMAT_VERSION: Final = 2
MOST_VOLUMES = 100
MOST_FILES = 1_000_000
MOST_VOIDED = 1_000
LARGEST_SEQUENCE = 1_000_000
MANIFEST_LIMIT_BYTES = 536_870_912
APPROVALS_LIMIT_BYTES = 268_435_456
BRINGS_LIMIT_BYTES = 268_435_456
PACKAGE_LIMIT_BYTES = 8_589_934_592
LIST_LIMIT_BYTES = 536_870_912
_LARGEST = 1 << 50  # a pebibyte; no real bundle needs larger numbers


def _read_time(value: object) -> datetime:
    if isinstance(value, str):
        value = datetime.strptime(value, UTC_SECOND).replace(tzinfo=UTC)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time is aware, or text like 2026-01-31T12:00:00Z")
    return value.astimezone(UTC).replace(microsecond=0)


TimeField = Annotated[
    datetime,
    PlainValidator(_read_time),
    PlainSerializer(lambda time: time.strftime(UTC_SECOND), str),
]
SealedCount = Annotated[Count, Field(le=_LARGEST)]
ChainId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
SequenceNumber = Annotated[int, Field(ge=1, le=LARGEST_SEQUENCE)]
_Text = Annotated[str, Field(max_length=100)]


class Binding(Sealed):
    """Length and digest of a file that the header binds."""

    size_bytes: SealedCount
    blake3: Blake3Field


class BundleReference(Sealed):
    """Another bundle of the chain: its number and the digest of its header."""

    sequence: SequenceNumber
    digest: Blake3Field


class StagingFacts(Sealed):
    """Facts about the staging server, without names of hosts, users or computers.

    An import compares id, protocol version, languages and express files; the rest is for people.
    """

    id: _Text
    version: _Text
    protocol_version: _Text
    languages: Annotated[tuple[_Text, ...], Field(max_length=200)]
    all_languages: bool
    download_express: bool
    download_as_needed: bool
    host_binaries_on_microsoft_update: bool
    update_count: SealedCount
    approved_count: SealedCount
    declined_count: SealedCount


class Counts(Sealed):
    """Totals of the staging server, and of the part that this bundle carries."""

    files: Annotated[int, Field(ge=0, le=MOST_FILES)]
    size_bytes: SealedCount
    carried_files: Annotated[int, Field(ge=0, le=MOST_FILES)]
    carried_bytes: SealedCount
    approvals: SealedCount
    declines: SealedCount


class VolumeBinding(Sealed):
    """One volume: the number of its content files (or parts), and its two lists."""

    number: Annotated[int, Field(ge=1, le=MOST_VOLUMES)]
    files: SealedCount
    size_bytes: SealedCount
    blake3sums: Binding
    sha1sums: Binding


class Header(Sealed):
    """Identity of one bundle and bindings of its documents. Its canonical JSON is signed.

    Attributes:
        format: Version of the bundle format: 2 with ``brings``, 1 without.
        product: Name and version of the program that packed it; for people only.
        chain: The chain's random id.
        parent: The bundle sealed before this one; None for the first.
        base: The bundle whose holdings were subtracted; None when all content is carried.
        voided: Sequence numbers since the parent that never became a bundle.
        created: When it was packed, in UTC and whole seconds.
        server: Facts of the staging server.
        manifest, package, approvals, brings: The documents in the first volume.
        volumes: All volumes, by number from 1.
    """

    format: Literal[1, 2] = 1
    product: _Text
    site: SiteName
    chain: ChainId
    sequence: SequenceNumber
    parent: BundleReference | None
    base: BundleReference | None
    voided: Annotated[tuple[SequenceNumber, ...], Field(max_length=MOST_VOIDED)] = ()
    created: TimeField
    mode: Annotated[Mode, Field(strict=False)]
    server: StagingFacts
    counts: Counts
    manifest: Binding
    package: Binding
    approvals: Binding
    brings: Binding | None = None
    volumes: Annotated[tuple[VolumeBinding, ...], Field(min_length=1, max_length=MOST_VOLUMES)]

    @model_validator(mode="after")
    def _is_of_its_format(self) -> Self:
        if (self.brings is None) != (self.format == 1):
            raise ValueError("format 2 has `brings`, and format 1 has none")
        return self

    def payload(self) -> bytes:
        """Return the bytes that are signed."""
        values: dict[str, Any] = self.model_dump(mode="json")
        if self.brings is None:
            del values["brings"]
        return canonical_json(values)

    @property
    def digest(self) -> Blake3:
        """Digest that identifies this bundle; adding signatures does not change it."""
        return payload_digest(self.payload())

    @property
    def bundle(self) -> str:
        """Name of the bundle and of its folder: ``<site>-<sequence>``."""
        return f"{self.site}-{self.sequence}"

    @property
    def reference(self) -> BundleReference:
        """Reference by which another bundle names this one as its parent or base."""
        return BundleReference(sequence=self.sequence, digest=self.digest)


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """A header whose seal was verified with this site's keys, and its digest.

    Attributes:
        signed_by: Fingerprints of the trusted keys whose signatures verify.
        signatures: Key ids of all signatures; those by unknown keys prove nothing.
    """

    header: Header
    digest: Blake3
    signed_by: tuple[str, ...]
    signatures: tuple[str, ...] = ()


def seal_header(header: Header, keys: list[SigningKey]) -> bytes:
    """Sign a header, and return the bytes of ``header.json``.

    Raises:
        SafetyError: The envelope, or a document that it binds, is larger than readers accept.
    """
    content = seal_payload(header.payload(), BUNDLE_TYPE, keys)
    if len(content) > HEADER_LIMIT_BYTES:
        raise SafetyError(reason=f"header of {header.bundle} would have {len(content)} bytes")
    if broken := broken_limit(header):
        raise SafetyError(reason=f"{header.bundle} cannot be sealed: {broken}")
    return content


def broken_limit(header: Header) -> str | None:
    """Describe the first document that is larger than the format allows; None if none is."""
    limits = [
        ("manifest", header.manifest, MANIFEST_LIMIT_BYTES),
        ("metadata package", header.package, PACKAGE_LIMIT_BYTES),
        ("approvals", header.approvals, APPROVALS_LIMIT_BYTES),
    ]
    if header.brings is not None:
        limits.append(("list of what it brings", header.brings, BRINGS_LIMIT_BYTES))
    limits += [
        (f"a list of volume {volume.number}", binding, LIST_LIMIT_BYTES)
        for volume in header.volumes
        for binding in (volume.blake3sums, volume.sha1sums)
    ]
    for name, binding, most_bytes in limits:
        if binding.size_bytes > most_bytes:
            return f"{name} of {binding.size_bytes} bytes, at most {most_bytes} are allowed"
    return None


def read_header(content: bytes, *, path: str) -> SealedDocument:
    """Read ``header.json`` into an untrusted envelope, without looking at its payload.

    Raises:
        SealError: The content is not a canonical envelope, or is larger than 64 KiB.
    """
    return read_seal(content, path=path)


def verify_header(sealed: SealedDocument, trust: Trust) -> TrustedHeader:
    """Check the seal of a header, and parse the header only after that.

    Raises:
        SealError: The seal is not valid, or its payload is not a header.
        TrustError: A document is larger than the format allows.
        SafetyError: The header has a newer format than this program knows.
    """
    verified = verify_seal(sealed, BUNDLE_TYPE, trust)
    header = _parse(verified.payload, sealed.path)
    return TrustedHeader(
        header, verified.digest, verified.signed_by, tuple(sorted(sealed.envelope.signatures))
    )


def _parse(payload: bytes, path: str) -> Header:
    try:
        document = strict_json(payload)
    except ValueError as error:
        raise SealError(path=path, reason=f"its payload is not a header: {error}") from error
    version = document.get("format") if isinstance(document, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise SafetyError(
            reason=f"{path} has format {version}; this program reads up to {FORMAT_VERSION}",
            remedy="Bring this side to the version of wsus-airgap that the staging side has.",
        )
    try:
        header = Header.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SealError(path=path, reason=f"header field {where}: {first['msg']}") from error
    if broken := broken_limit(header):
        raise TrustError(reason=f"{path}: {broken}")
    if header.payload() != payload:
        raise SealError(path=path, reason="its payload is not in its canonical form")
    if [volume.number for volume in header.volumes] != list(range(1, len(header.volumes) + 1)):
        raise SealError(path=path, reason="its volumes are not numbered from 1")
    return header
