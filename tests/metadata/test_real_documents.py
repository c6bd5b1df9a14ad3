"""Both readers read real update documents as the table of expected values has them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from deploy.lab.wsusutil import update_reader
from tasks.metadata.model import PackageUpdate
from tasks.metadata.package import read_package
from tests.metadata import writing
from tests.metadata.real_documents import DOCUMENTS, SPACE, Document, Reader
from tests.support import needs

pytestmark = needs.real_documents

Facts = dict[str, list[str]]
# What a fragment lacks is added to make a document of it, and is no fact about it.
_ADDED = {"update id", "revision", "update type", "created", "publication", "deployable"}


def _b64(raw: bytes | None) -> list[str]:
    return [] if raw is None else [base64.b64encode(raw).decode()]


def _guid(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _texts(*texts: str) -> list[str]:
    return sorted(text for text in texts if text)


def read_with_product(document: Document, text: str, folder: Path) -> Facts:
    """The facts that the product's reader gives of a document in a package."""
    element = (
        f'<Update UpdateId="{document.update_id}" RevisionNumber="{document.revision}">'
        f"<MetaData>{escape(text)}</MetaData></Update>"
    )
    package = writing.write(folder / "p", writing.document(f"<Updates>{element}</Updates>"))
    (update,) = (item for item in read_package(package) if isinstance(item, PackageUpdate))
    metadata = update.metadata
    assert metadata.identity is not None
    facts = {
        "update id": [_guid(metadata.identity[0])],
        "revision": [str(metadata.identity[1])],
        "update type": _texts(metadata.update_type),
        "created": _texts(metadata.created),
        "publication": _texts(metadata.publication),
        "severity": _texts(metadata.severity),
        "deployable": [str(metadata.is_deployable).lower()],
        "kb": _texts(metadata.kb.removeprefix("KB")),
        "title": _texts(metadata.title),
        "languages": sorted(metadata.languages),
        "supersedes": sorted(map(_guid, metadata.supersedes)),
        "prerequisites": sorted(map(_guid, metadata.requires)),
    }
    for number, child in enumerate(metadata.bundled, start=1):
        facts[f"child {number} id"] = [_guid(child.update_id)]
        facts[f"child {number} revision"] = [str(child.revision)]
    for number, file in enumerate(metadata.files, start=1):
        facts[f"file {number} name"] = [file.name]
        facts[f"file {number} size"] = [str(file.size_bytes)]
        facts[f"file {number} sha1"] = _b64(file.sha1)
        facts[f"file {number} sha256"] = _b64(file.sha256)
        facts[f"file {number} kind"] = [file.kind]
    return facts


def read_with_lab(document: Document, text: str, folder: Path) -> Facts:
    """The facts that the simulated server's reader gives of a document."""
    del folder
    read = update_reader.read(text, "")
    category = str(read.details.get("category_type", ""))
    parent = read.details.get("parent")
    categories = [*read.details.get("categories", ()), *([parent] if parent else ())]
    facts = {
        "update id": [read.update_id],
        "revision": [str(read.revision)],
        "update type": ["Category" if category else read.kind.capitalize()],
        "created": _texts(read.created),
        "publication": _texts(read.publication),
        "severity": _texts(read.severity.replace("Unspecified", "")),
        "deployable": [str(read.explicitly_deployable).lower()],
        "kb": _texts(read.kb or ""),
        "title": _texts(read.title),
        "languages": sorted(read.languages),
        "supersedes": sorted(read.supersedes),
        "prerequisites": sorted([*read.requires, *categories]),
        "category type": _texts(category),
    }
    for code, title in read.details["titles"].items():
        if (name := f"title {code}") in {fact.name for fact in document.facts}:
            facts[name] = [title]
    for number, (update_id, revision) in enumerate(read.bundles, start=1):
        facts[f"child {number} id"] = [update_id]
        facts[f"child {number} revision"] = [str(revision)]
    for number, file in enumerate(read.files, start=1):
        facts[f"file {number} name"] = [file.name]
        facts[f"file {number} size"] = [str(file.size_bytes)]
        facts[f"file {number} sha1"] = _b64(bytes.fromhex(file.sha1))
        facts[f"file {number} sha256"] = _b64(bytes.fromhex(file.sha256 or ""))
        facts[f"file {number} kind"] = [file.kind]
        facts[f"file {number} modified"] = [file.modified]
    return facts


READERS: dict[Reader, Callable[[Document, str, Path], Facts]] = {
    "product": read_with_product,
    "lab": read_with_lab,
}


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(os.environ[needs.REAL_DOCUMENTS])


def differences(reader: Reader, document: Document, text: str, folder: Path) -> list[str]:
    """The facts that a reader gives otherwise than the table; its refusal is one as well."""
    try:
        facts = READERS[reader](document, text, folder)
    except Exception as error:  # noqa: BLE001 # a reader that raises does not read it
        return [f"refused: {error!r}"]
    expected = {
        fact.name: fact.expected for fact in document.facts if reader in fact.readers
    }  # fmt: skip
    unknown = {name for name, value in facts.items() if value} - set(expected)
    if document.added:
        unknown -= _ADDED
    wrong = [name for name, value in expected.items() if facts.get(name, []) != value]
    return sorted([*wrong, *unknown])


def test_the_table_has_every_document(folder: Path) -> None:
    named = {path for document in DOCUMENTS.values() for path in document.paths}

    assert named == {path.relative_to(folder).as_posix() for path in folder.rglob("*.xml")}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_value_of_the_table_is_at_its_place(name: str, folder: Path) -> None:
    document = DOCUMENTS[name]
    root = etree.fromstring(document.text(folder).encode())

    wrong = [
        value.place
        for fact in document.facts
        for value in fact.values
        if _literal(root, value.place) != value.literal
    ]

    assert wrong == []


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_reader_gives_what_the_table_says(
    name: str, reader: Reader, folder: Path, tmp_path: Path
) -> None:
    document = DOCUMENTS[name]

    assert differences(reader, document, document.text(folder), tmp_path) == []


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_value_that_is_altered_in_a_copy_is_noticed(
    name: str, reader: Reader, folder: Path, tmp_path: Path
) -> None:
    document = DOCUMENTS[name]
    text = document.text(folder).encode()
    unnoticed = []
    for fact in document.facts:
        for value in fact.values if reader in fact.readers else ():
            root = etree.fromstring(text)
            _alter(root, value.place, value.altered)
            altered = etree.tostring(root, encoding="unicode")
            if not differences(reader, document, altered, tmp_path):
                unnoticed.append(value.place)

    assert unnoticed == []


def _steps(place: str) -> tuple[str, str]:
    """Split a place into the path of its element, any namespace, and its attribute or ""."""
    path, _, attribute = place.partition("@")
    steps = path.strip("/").split("/")
    return "/".join("{*}" + step for step in steps), attribute


def _literal(root: etree._Element, place: str) -> str | None:
    path, attribute = _steps(place)
    element = root.find(path)
    if element is None:
        return None
    return element.get(attribute) if attribute else element.text


def _alter(root: etree._Element, place: str, text: str) -> None:
    path, attribute = _steps(place)
    element = root.find(path)
    if element is None:
        parent = root.find(path.rpartition("/")[0])
        assert parent is not None, place
        element = etree.SubElement(parent, f"{{{SPACE}}}{path.rpartition('}')[2]}")
    if attribute:
        element.set(attribute, text)
    else:
        element.text = text
