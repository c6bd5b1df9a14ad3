"""The files in an update's XML: digests, size, kind and language of each."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from tasks.metadata.limits import Limits
from tasks.metadata.model import DescribedFile, FileKind

_WORD_CHARACTERS = 100

Attributes = dict[str, str]


class MetadataError(ValueError):
    """A required part of an update's XML is missing; the caller adds update and package."""


class MetadataLimitError(MetadataError):
    """An update's XML exceeds a limit; the caller adds update and package."""


@dataclass(slots=True)
class OpenFile:
    """A file element that is open."""

    attributes: Attributes
    is_license: bool
    language: str = ""
    digests: dict[str, str] = field(default_factory=dict)


def described(file: OpenFile, limits: Limits) -> DescribedFile:
    """Make the description of a file whose element has ended.

    Raises:
        MetadataError: It has no SHA-1.
        MetadataLimitError: Its name is too long.
    """
    attributes = file.attributes
    digests = {attributes.get("DigestAlgorithm", "SHA1").upper(): attributes.get("Digest", "")}
    digests = file.digests | digests
    name = attributes.get("FileName", "")
    sha1 = _digest(digests.get("SHA1", ""), 20)
    if sha1 is None:
        raise MetadataError(f"file {name[:100]!r} has no SHA-1")
    if len(name) > limits.name_characters:
        raise MetadataLimitError(f"a name in it has more than {limits.name_characters} characters")
    size = attributes.get("Size", "")
    return DescribedFile(
        sha1=sha1,
        name=name,
        size_bytes=int(size) if size.isascii() and size.isdigit() and len(size) <= 18 else None,
        sha256=_digest(digests.get("SHA256", ""), 32),
        kind="license" if file.is_license else _kind(attributes.get("PatchingType", ""), name),
        language=language(file.language or attributes.get("Language", "")),
    )


def _kind(patching_type: str, name: str) -> FileKind:
    if patching_type:
        return "express" if patching_type.lower() == "express" else "payload"
    return "express" if name.lower().endswith(".psf") else "payload"


def _digest(text: str, length: int) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == length else None


def language(text: str) -> str:
    """Return the code of a language in the form of the index."""
    return word(text).lower()


def word(text: str) -> str:
    """Return the beginning of a short text without spaces around it."""
    return text.strip()[:_WORD_CHARACTERS]
