"""Updates and files of the catalogue, as generator, package and database exchange them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Kinds of revision that classify updates; the others can be installed.
TAXONOMY = ("category", "product", "classification", "detectoid")


@dataclass(frozen=True, slots=True)
class File:
    """One file of the catalogue.

    Attributes:
        sha1: 40 upper-case hex digits.
        sha256: 64 upper-case hex digits; None if the catalogue has none.
        kind: ``payload``, ``express`` or ``license``.
        language: The language of licence terms; None for other files.
        modified: ``yyyy-MM-ddTHH:mm:ssZ``.
        recipe: The recipe of the bytes for ``content_bytes``; None if Microsoft does not serve
            the file.
    """

    sha1: str
    name: str
    size_bytes: int
    sha256: str | None
    url: str
    decryption_key: str | None
    kind: str
    language: str | None
    modified: str
    recipe: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of an update, category, classification or detectoid.

    Attributes:
        kind: ``software``, ``driver``, ``category``, ``product``, ``classification``,
            ``detectoid``.
        hidden: True for a bundled child.
        languages: The languages that it is made for; empty for all.
        requires: Ids of the detectoids that are prerequisites.
        bundles: Bundled children by id and revision.
        supersedes: Ids of the superseded updates.
        details: The database's column of that name.
    """

    update_id: str
    revision: int
    kind: str
    title: str
    created: str
    arrived: str
    description: str = ""
    kb: str | None = None
    severity: str = "Unspecified"
    publication: str = "Published"
    hidden: bool = False
    explicitly_deployable: bool = True
    license_id: str | None = None
    classification_id: str | None = None
    product_id: str | None = None
    languages: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    bundles: tuple[tuple[str, int], ...] = ()
    supersedes: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """Update id and revision number."""
        return (self.update_id, self.revision)
