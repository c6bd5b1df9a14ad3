"""The XML of an update, read while it arrives, in bounded memory.

Rules of applicability and the data of handlers, which make a document of up to 47 MB, are passed
over; the rest of an update is small. Elements in other namespaces are read for categories only.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from functools import lru_cache
from xml.etree import ElementTree
from xml.parsers import expat

from deploy.lab.store.records import File, Revision
from deploy.lab.wsusutil.update_xml import CATEGORY_HANDLER, NAMESPACE

_LISTS = {"bulletins": "SecurityBulletinID", "cves": "CveID"}
_RULES = f"{{{NAMESPACE}}}ApplicabilityRules"
_HANDLER_DATA = f"{{{NAMESPACE}}}HandlerSpecificData"
_CATEGORY = "CategoryInformation"


class UpdateParser:
    """The parser of one update's XML.

    ``feed`` takes the text in pieces of any length, ``close`` gives the revision. Both raise
    ``xml.parsers.expat.ExpatError``, ``KeyError`` or ``ValueError`` if the text is not such XML.
    """

    def __init__(self) -> None:
        self._builder = ElementTree.TreeBuilder()
        self._path: list[str] = []
        self._skipped = 0
        self._has_begun = False
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data

    def feed(self, text: str) -> None:
        """Read the next piece."""
        if not self._has_begun:
            text = text.lstrip("\ufeff \r\n\t")
            self._has_begun = bool(text)
        if text:
            self._parser.Parse(text)

    def close(self, arrived: str) -> Revision:
        """Give the revision; the URLs of its files stand in the package's map instead."""
        self._parser.Parse("", True)  # noqa: FBT003 - expat's own signature
        return _revision(self._builder.close(), arrived)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._skipped:
            self._skipped += 1
            return
        tag = "{" + name if "}" in name else name
        if tag == _RULES or (self._path[-1:] == [_HANDLER_DATA] and not name.endswith(_CATEGORY)):
            self._skipped = 1
            return
        self._path.append(tag)
        self._builder.start(tag, attributes)

    def _end(self, name: str) -> None:
        del name
        if self._skipped:
            self._skipped -= 1
            return
        self._builder.end(self._path.pop())

    def _data(self, text: str) -> None:
        if not self._skipped:
            self._builder.data(text)


def read(text: str, arrived: str) -> Revision:
    """Read the XML of one revision; errors as those of ``UpdateParser``."""
    parser = UpdateParser()
    parser.feed(text)
    return parser.close(arrived)


def hex_of(digest_base64: str) -> str:
    """A digest in the database's hex, from the base64 of packages."""
    return base64.b64decode(digest_base64, validate=True).hex().upper()


def _revision(root: ElementTree.Element, arrived: str) -> Revision:
    identity, properties = _one(root, "UpdateIdentity"), _one(root, "Properties")
    kind, details = _kind(root, properties)
    details |= _lists(properties)
    if categories := _ids(root, "Prerequisites", categories=True):
        details["parent" if kind in {"category", "product"} else "categories"] = (
            categories[0] if kind in {"category", "product"} else categories
        )
    texts = _texts(root)
    default = properties.get("DefaultPropertiesLanguage", "en")
    title, description = texts.get(default) or next(iter(texts.values()), ("", ""))
    details["titles"] = {code: other for code, (other, _) in texts.items() if other != title}
    is_deployable = properties.get("ExplicitlyDeployable") == "true"
    return Revision(
        update_id=identity.attrib["UpdateID"].lower(),
        revision=int(identity.attrib["RevisionNumber"]),
        kind=kind,
        title=title,
        created=properties.attrib["CreationDate"],
        arrived=arrived,
        description=description,
        kb=_text(properties, "KBArticleID") or None,
        severity=properties.get("MsrcSeverity", "Unspecified"),
        publication=properties.get("PublicationState", "Published"),
        hidden=kind in {"software", "driver"} and not is_deployable,
        explicitly_deployable=is_deployable,
        license_id=properties.get("EulaID"),
        languages=tuple(_languages(properties)),
        files=tuple(_files(root)),
        bundles=tuple(_children(root)),
        supersedes=tuple(_ids(root, "SupersededUpdates")),
        requires=tuple(_ids(root, "Prerequisites")),
        details=details,
    )


def _kind(
    root: ElementTree.Element, properties: ElementTree.Element
) -> tuple[str, dict[str, object]]:
    written = properties.attrib["UpdateType"]
    if written != "Category":
        return written.lower(), {}
    information = _one(root, "HandlerSpecificData").find(f"{{{CATEGORY_HANDLER}}}{_CATEGORY}")
    if information is None:
        # A package of the lab of version 0.1.0.
        information = _one(root, f"HandlerSpecificData/{_CATEGORY}")
    category_type = information.attrib["CategoryType"]
    if category_type == "UpdateClassification":
        return "classification", {}
    kind = "product" if category_type == "Product" else "category"
    return kind, {"category_type": category_type}


def _texts(root: ElementTree.Element) -> dict[str, tuple[str, str]]:
    """Title and description of an update by language."""
    return {
        _text(texts, "Language"): (_text(texts, "Title"), _text(texts, "Description"))
        for texts in root.iterfind(_path("LocalizedPropertiesCollection/LocalizedProperties"))
    }


def _lists(properties: ElementTree.Element) -> dict[str, object]:
    return {
        key: values
        for key, tag in _LISTS.items()
        if (values := [element.text or "" for element in properties.iterfind(_path(tag))])
    }


def _languages(properties: ElementTree.Element) -> Iterator[str]:
    """The languages that an update is for; ``all`` names none."""
    for element in properties.iterfind(_path("Language")):
        if element.text and element.text != "all":
            yield element.text


def _children(root: ElementTree.Element) -> Iterator[tuple[str, int]]:
    for element in _related(root, "BundledUpdates"):
        yield element.attrib["UpdateID"].lower(), int(element.attrib["RevisionNumber"])


def _ids(root: ElementTree.Element, relation: str, *, categories: bool = False) -> list[str]:
    """The ids of a relation: those of categories, or those of all else."""
    return [
        element.attrib["UpdateID"].lower()
        for element in _related(root, relation, categories=categories)
    ]


def _related(
    root: ElementTree.Element, relation: str, *, categories: bool = False
) -> Iterator[ElementTree.Element]:
    """The identities of a relation, directly in it or in an ``AtLeastOne``."""
    identity = _path("UpdateIdentity")
    for element in root.iterfind(_path(f"Relationships/{relation}") + "/*"):
        if (element.get("IsCategory") == "true") == categories:
            yield from [element] if element.tag == identity else element.iterfind(identity)


def _files(root: ElementTree.Element) -> Iterable[File]:
    for list_name in ("Files", "EulaFiles"):
        for element in root.iterfind(_path(f"{list_name}/File")):
            sha256 = element.find(_path("AdditionalDigest"))
            is_express = element.get("PatchingType") == "Express"
            kind = "express" if is_express else "payload"
            yield File(
                sha1=hex_of(element.attrib["Digest"]),
                name=element.attrib["FileName"],
                size_bytes=int(element.attrib["Size"]),
                sha256=None if sha256 is None else hex_of(sha256.text or ""),
                url="",
                decryption_key=None,
                kind="license" if list_name == "EulaFiles" else kind,
                language=_text(element, "Language") or None,
                modified=element.attrib["Modified"],
            )


@lru_cache(maxsize=64)
def _path(path: str) -> str:
    return "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))


def _one(element: ElementTree.Element, path: str) -> ElementTree.Element:
    child = element.find(_path(path))
    if child is None:
        raise KeyError(path)
    return child


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(_path(name)) or ""
