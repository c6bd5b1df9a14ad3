"""Read the XML of one update: the part of Microsoft's schema on which content depends.

Only elements in the namespace of the update's root are read, usually
``http://schemas.microsoft.com/msus/2002/12/Update``; rules and handlers use the same element names
in other namespaces.

The names of identity, properties, titles, relationships and files were observed in public
material. Inferred, and therefore optional, are: ``EulaFiles`` with a ``Language`` in each ``File``
as the licence terms; ``PatchingType`` and ``.psf`` as the signs of an express file; ``Language`` in
``Properties`` as the languages of an update.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from tasks.metadata.model import BundledChild, DescribedFile, FileKind, UpdateMetadata
from tasks.metadata.xml_options import GUARDS

_DECLARATION = re.compile(r"\A[\s\ufeff]*(?:<\?xml[^>]*\?>)?")
_GUID = re.compile(r"\{?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?")
_KB_NUMBER = re.compile(r"(?:KB)?(\d{5,8})", re.IGNORECASE)
_KB_IN_TITLE = re.compile(r"\bKB(\d{5,8})\b", re.IGNORECASE)
TITLE_CHARACTERS = 1_000
_WORD_CHARACTERS = 100
_ANY_LANGUAGE = frozenset({"", "all", "neutral"})


class MetadataError(ValueError):
    """A required part of an update's XML is missing; the caller adds update and package."""


def read_update_xml(metadata: etree._Element) -> UpdateMetadata:
    """Read a ``MetaData`` element that contains escaped text, CDATA, or the XML itself.

    Raises:
        MetadataError: The element is empty, a file in it has no SHA-1, or an identity is no GUID.
        lxml.etree.XMLSyntaxError: The text is not XML, or has a DOCTYPE.
    """
    view = _View(metadata if len(metadata) else _parse(metadata.text or ""))
    properties = view.first("Properties")
    attributes = (
        {} if properties is None else {str(k): str(v) for k, v in properties.attrib.items()}
    )
    title = _title(view, attributes.get("DefaultPropertiesLanguage", ""))
    return UpdateMetadata(
        identity=_identity(view.first("UpdateIdentity")),
        title=title,
        kb=_kb(view.text("Properties/KBArticleID"), title),
        update_type=_word(attributes.get("UpdateType", "")),
        severity=_word(attributes.get("MsrcSeverity", "")),
        publication=_word(attributes.get("PublicationState", "")),
        created=_word(attributes.get("CreationDate", "")),
        is_deployable=attributes.get("ExplicitlyDeployable", "").lower() in {"true", "1"},
        license_id=_word(attributes.get("EulaID", "")),
        languages=frozenset(map(_language, view.texts("Properties/Language"))) - _ANY_LANGUAGE,
        files=tuple(_files(view)),
        bundled=tuple(_children(view)),
        supersedes=_ids(view, "SupersededUpdates"),
        requires=_ids(view, "Prerequisites"),
    )


def _parse(text: str) -> etree._Element:
    """Parse escaped text inside a new root element, so that a DOCTYPE in it is a syntax error."""
    body = text[_DECLARATION.match(text).end() :]  # type: ignore[union-attr] # always matches
    if not body.strip():
        raise MetadataError("it is empty")
    return etree.fromstring(f"<MetaData>{body}</MetaData>".encode(), etree.XMLParser(**GUARDS))


@lru_cache(maxsize=256)
def _path(space: str, text: str) -> str:
    """Put every step of a path into a namespace; cached, because few paths are used often."""
    return "/".join(space + step for step in text.split("/"))


class _View:
    """Access to the elements of an update by path, in the update's own namespace."""

    def __init__(self, metadata: etree._Element) -> None:
        if len(metadata) == 0:
            raise MetadataError("it holds no element")
        space, _, name = str(metadata[0].tag).rpartition("}")
        self._space = space + "}" if space else ""
        # Without a root element of its own, the parts of the update are children of MetaData.
        self._update = metadata[0] if name == "Update" else metadata

    def first(self, path: str) -> etree._Element | None:
        return self._update.find(_path(self._space, path))

    def all(self, path: str, below: etree._Element | None = None) -> Iterator[etree._Element]:
        return (self._update if below is None else below).iterfind(_path(self._space, path))

    def text(self, path: str) -> str:
        element = self.first(path)
        return "" if element is None else (element.text or "").strip()

    def texts(self, path: str) -> Iterator[str]:
        return ((element.text or "").strip() for element in self.all(path))

    def child_text(self, element: etree._Element, name: str) -> str:
        return (element.findtext(self._space + name) or "").strip()


def _title(view: _View, default_language: str) -> str:
    titles: dict[str, str] = {}
    for properties in view.all("LocalizedPropertiesCollection/LocalizedProperties"):
        language = _language(view.child_text(properties, "Language"))
        titles.setdefault(language, view.child_text(properties, "Title"))
    for language in (_language(default_language), "en", *titles):
        if title := titles.get(language):
            # Reports show a title on one line; the limit stops one update from filling a report.
            return " ".join(title.split())[:TITLE_CHARACTERS]
    return ""


def _kb(article: str, title: str) -> str:
    match = _KB_NUMBER.fullmatch(article) or _KB_IN_TITLE.search(title)
    return f"KB{match[1]}" if match else ""


def _files(view: _View) -> Iterator[DescribedFile]:
    for element in view.all("Files/File"):
        yield _file(view, element, is_license=False)
    for path in ("EulaFiles/File", "Properties/EulaFiles/File", "Files/EulaFiles/File"):
        for element in view.all(path):
            yield _file(view, element, is_license=True)


def _file(view: _View, element: etree._Element, *, is_license: bool) -> DescribedFile:
    digests = {element.get("DigestAlgorithm", "SHA1").upper(): element.get("Digest", "")}
    for extra in view.all("AdditionalDigest", element):
        digests.setdefault(extra.get("Algorithm", "").upper(), (extra.text or "").strip())
    name = element.get("FileName", "")
    sha1 = _digest(digests.get("SHA1", ""), 20)
    if sha1 is None:
        raise MetadataError(f"file {name[:100]!r} has no SHA-1")
    size = element.get("Size", "")
    return DescribedFile(
        sha1=sha1,
        name=name,
        size_bytes=int(size) if size.isascii() and size.isdigit() and len(size) <= 18 else None,
        sha256=_digest(digests.get("SHA256", ""), 32),
        kind="license" if is_license else _kind(element.get("PatchingType", ""), name),
        language=_file_language(view, element),
    )


def _kind(patching_type: str, name: str) -> FileKind:
    if patching_type:
        return "express" if patching_type.lower() == "express" else "payload"
    return "express" if name.lower().endswith(".psf") else "payload"


def _file_language(view: _View, element: etree._Element) -> str:
    written = view.child_text(element, "Language") or element.get("Language", "")
    language = _language(written)
    return "" if language in _ANY_LANGUAGE else language


def _digest(text: str, length: int) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == length else None


def _identity(element: etree._Element | None) -> tuple[bytes, int] | None:
    return None if element is None else (_guid(element), _revision_number(element))


def _children(view: _View) -> Iterator[BundledChild]:
    for element in _identities(view, "BundledUpdates"):
        yield BundledChild(_guid(element), _revision_number(element) or None)


def _revision_number(element: etree._Element) -> int:
    """Read the revision number; 0 if it is missing or not a number."""
    number = element.get("RevisionNumber", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0


def _ids(view: _View, relation: str) -> frozenset[bytes]:
    return frozenset(_guid(element) for element in _identities(view, relation))


def _identities(view: _View, relation: str) -> Iterator[etree._Element]:
    """Yield the identities of a relation, with the ones inside ``AtLeastOne``."""
    for path in ("UpdateIdentity", "AtLeastOne/UpdateIdentity"):
        yield from view.all(f"Relationships/{relation}/{path}")


def _guid(element: etree._Element) -> bytes:
    text = element.get("UpdateID", "").strip()
    if _GUID.fullmatch(text) is None:
        raise MetadataError(f"an UpdateIdentity names {text[:60]!r}, which is no GUID")
    return bytes.fromhex(text.strip("{}").replace("-", ""))


def _language(text: str) -> str:
    return _word(text).lower()


def _word(text: str) -> str:
    return text.strip()[:_WORD_CHARACTERS]
