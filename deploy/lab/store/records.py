"""What the catalogue says of updates: the form in which generator, package and database agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Kinds of revision that say how updates are sorted; the others can be installed.
TAXONOMY = ("category", "product", "classification", "detectoid")


@dataclass(frozen=True, slots=True)
class File:
    """One file of the catalogue.

    Attributes:
        sha1: 40 upper-case hex digits; sha256 64 of them, or None where the catalogue has none.
        kind: ``payload``, ``express`` or ``license``.
        language: Of licence terms; None otherwise.
        modified: ``yyyy-MM-ddTHH:mm:ssZ``.
        recipe: What ``filling`` makes the bytes from; None when they are not to be had.
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
        hidden: A bundled child.
        languages: Those that it is made for; empty when for all.
        requires: Update ids of detectoids that must hold.
        bundles: Children by id and revision.
        supersedes: Update ids.
        details: As the database's column of that name.
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
