"""The parts of a metadata package, as the reader yields them one after another.

All of them are foreign. They were parsed within limits, and their identifiers have the right form,
but titles, names and addresses are unchecked text of their authors: escape them in every output.

Element and attribute names are constants in Microsoft's WSUS assemblies (10.0.14393).
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
    """A ``Language`` element.

    Attributes:
        code: For example ``zh-tw``.
        is_enabled: True if the staging server has the language enabled.
    """

    code: str
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class MappedFile:
    """A ``File`` element of the package's file map; ``sha1`` has 20 bytes, ``name`` may be ""."""

    sha1: bytes
    name: str
    url: str
    has_decryption_key: bool


@dataclass(frozen=True, slots=True)
class DescribedFile:
    """A file in the update's own XML; missing values are None or empty."""

    sha1: bytes
    name: str
    size_bytes: int | None
    sha256: bytes | None
    kind: FileKind
    language: str


@dataclass(frozen=True, slots=True)
class BundledChild:
    """An update that is installed as part of another; ``revision`` None means the latest one."""

    update_id: bytes
    revision: int | None


@dataclass(frozen=True, slots=True)
class UpdateMetadata:
    """The contents of a ``MetaData`` element. Update ids have 16 bytes; relations are update ids.

    Attributes:
        identity: Update id and revision number; None if the XML does not repeat them.
        cves: The CVE numbers that it names (``CveID``).
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
    cves: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PackageUpdate:
    """An ``Update`` element: a revision, its listed file digests, its categories, its own XML."""

    update_id: bytes
    revision: int
    sha1s: tuple[bytes, ...]
    categories: frozenset[bytes]
    classifications: frozenset[bytes]
    metadata: UpdateMetadata


@dataclass(frozen=True, slots=True)
class PackageEnd:
    """The end of a package: yielded last, and only if gzip and XML both end correctly."""

    package_bytes: int
    xml_bytes: int
    blake3: Blake3


PackageItem = PackageHeader | PackageLanguage | MappedFile | PackageUpdate | PackageEnd
