"""What a metadata package holds, as it comes from the reader, one piece at a time.

All of it is foreign: it was parsed within limits and its identifiers have the right form, but
titles, names and addresses are whatever their author wrote. Escape them where they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.content.names import Blake3

FileKind = Literal["payload", "express", "license"]


@dataclass(frozen=True, slots=True)
class PackageHeader:
    """The attributes of ``ExportPackage``: the staging server, its clock and its protocol."""

    server_id: str
    created: datetime
    protocol_version: str


@dataclass(frozen=True, slots=True)
class PackageLanguage:
    """One ``Language``: whether the staging server has it enabled. ``code`` like ``zh-tw``."""

    code: str
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class MappedFile:
    """One ``File`` of the global map. ``sha1`` has 20 bytes; ``name`` may be empty."""

    sha1: bytes
    name: str
    url: str
    has_decryption_key: bool


@dataclass(frozen=True, slots=True)
class DescribedFile:
    """A file as the update's own XML describes it. What it does not say is None or empty."""

    sha1: bytes
    name: str
    size_bytes: int | None
    sha256: bytes | None
    kind: FileKind
    language: str


@dataclass(frozen=True, slots=True)
class BundledChild:
    """An update that is installed as part of another; ``revision`` None means its latest."""

    update_id: bytes
    revision: int | None


@dataclass(frozen=True, slots=True)
class UpdateMetadata:
    """What the XML inside ``MetaData`` says. Update ids are 16 bytes, relations are by id.

    ``identity`` is None where the XML does not repeat whose it is.
    """

    identity: tuple[bytes, int] | None
    title: str
    kb: str
    update_type: str
    severity: str
    publication: str
    created: str
    is_deployable: bool
    license_id: str
    languages: frozenset[str]
    files: tuple[DescribedFile, ...]
    bundled: tuple[BundledChild, ...]
    supersedes: frozenset[bytes]
    requires: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class PackageUpdate:
    """One ``Update``: a revision, the digests listed for it, its categories and its own XML."""

    update_id: bytes
    revision: int
    sha1s: tuple[bytes, ...]
    categories: frozenset[bytes]
    classifications: frozenset[bytes]
    metadata: UpdateMetadata


@dataclass(frozen=True, slots=True)
class PackageEnd:
    """Yielded last and only when gzip and XML both ended as they must."""

    package_bytes: int
    xml_bytes: int
    blake3: Blake3


PackageItem = PackageHeader | PackageLanguage | MappedFile | PackageUpdate | PackageEnd
