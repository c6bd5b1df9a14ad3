"""An update's own XML, which is the ``MetaData`` of a package, written and read.

Names of elements and attributes are Microsoft's (``http://schemas.microsoft.com/msus/2002/12/
Update``) as far as public material shows them. The position of licence terms is inferred.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from deploy.lab.store.records import File, Revision

NAMESPACE = "http://schemas.microsoft.com/msus/2002/12/Update"
_UPDATE_TYPES = {
    "software": "Software",
    "driver": "Driver",
    "category": "Category",
    "product": "Category",
    "classification": "Category",
    "detectoid": "Detectoid",
}
_LISTS = {"bulletins": "SecurityBulletinID", "cves": "CveID"}
_ENTITIES = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def attribute(value: str) -> str:
    """A value for double quotes, escaped so that line ends and tabs survive."""
    return escape(value, _ENTITIES)


def base64_of(digest_hex: str) -> str:
    """A digest in the base64 of packages, from the database's hex."""
    return base64.b64encode(bytes.fromhex(digest_hex)).decode()


def hex_of(digest_base64: str) -> str:
    """A digest in the database's hex, from the base64 of packages."""
    return base64.b64decode(digest_base64, validate=True).hex().upper()


def write(revision: Revision) -> str:
    """Write the XML of one revision."""
    identity = f'UpdateID="{revision.update_id}" RevisionNumber="{revision.revision}"'
    parts = [
        f'<upd:Update xmlns:upd="{NAMESPACE}">',
        f"<upd:UpdateIdentity {identity} />",
        _properties(revision),
        _localized(revision),
        _relationships(revision),
        _files("Files", [file for file in revision.files if file.kind != "license"]),
        _files("EulaFiles", [file for file in revision.files if file.kind == "license"]),
        _category(revision),
        "</upd:Update>",
    ]
    return "".join(parts)


def _properties(revision: Revision) -> str:
    deployable = "true" if revision.explicitly_deployable else "false"
    eula = f' EulaID="{revision.license_id}"' if revision.license_id else ""
    inner = [f"<upd:Language>{code}</upd:Language>" for code in revision.languages]
    inner.append("<upd:SupportUrl>https://support.microsoft.com</upd:SupportUrl>")
    for key, tag in _LISTS.items():
        inner += [f"<upd:{tag}>{name}</upd:{tag}>" for name in revision.details.get(key, ())]
    if revision.kb:
        inner.append(f"<upd:KBArticleID>{revision.kb}</upd:KBArticleID>")
    return (
        '<upd:Properties DefaultPropertiesLanguage="en"'
        f' UpdateType="{_UPDATE_TYPES[revision.kind]}" ExplicitlyDeployable="{deployable}"'
        f' AutoSelectOnWebSites="false" MsrcSeverity="{revision.severity}"'
        f' PublicationState="{revision.publication}" IsPublic="true"'
        f' CreationDate="{revision.created}"{eula}>{"".join(inner)}</upd:Properties>'
    )


def _localized(revision: Revision) -> str:
    titles = {"en": revision.title, **revision.details.get("titles", {})}
    return (
        "<upd:LocalizedPropertiesCollection>"
        + "".join(
            f"<upd:LocalizedProperties><upd:Language>{language}</upd:Language>"
            f"<upd:Title>{escape(title)}</upd:Title>"
            f"<upd:Description>{escape(revision.description)}</upd:Description>"
            "</upd:LocalizedProperties>"
            for language, title in titles.items()
        )
        + "</upd:LocalizedPropertiesCollection>"
    )


def _relationships(revision: Revision) -> str:
    required = "".join(f'<upd:UpdateIdentity UpdateID="{guid}" />' for guid in revision.requires)
    for guid in (revision.product_id, revision.classification_id):
        if guid:
            required += (
                '<upd:AtLeastOne IsCategory="true">'
                f'<upd:UpdateIdentity UpdateID="{guid}" /></upd:AtLeastOne>'
            )
    bundled = "".join(
        f'<upd:UpdateIdentity UpdateID="{guid}" RevisionNumber="{number}" />'
        for guid, number in revision.bundles
    )
    replaced = "".join(f'<upd:UpdateIdentity UpdateID="{guid}" />' for guid in revision.supersedes)
    inner = ""
    for name, elements in (
        ("Prerequisites", required),
        ("SupersededUpdates", replaced),
        ("BundledUpdates", bundled),
    ):
        inner += f"<upd:{name}>{elements}</upd:{name}>" if elements else ""
    return f"<upd:Relationships>{inner}</upd:Relationships>" if inner else ""


def _files(name: str, files: Iterable[File]) -> str:
    inner = "".join(map(_file, files))
    return f"<upd:{name}>{inner}</upd:{name}>" if inner else ""


def _file(file: File) -> str:
    patching = {"payload": ' PatchingType="SelfContained"', "express": ' PatchingType="Express"'}
    extra = (
        f'<upd:AdditionalDigest Algorithm="SHA256">{base64_of(file.sha256)}</upd:AdditionalDigest>'
        if file.sha256
        else ""
    )
    language = f"<upd:Language>{file.language}</upd:Language>" if file.language else ""
    return (
        f'<upd:File Digest="{base64_of(file.sha1)}" DigestAlgorithm="SHA1"'
        f' FileName="{attribute(file.name)}" Size="{file.size_bytes}" Modified="{file.modified}"'
        f"{patching.get(file.kind, '')}>{extra}{language}</upd:File>"
    )


def _category(revision: Revision) -> str:
    if revision.kind not in {"category", "product", "classification"}:
        return ""
    kind = revision.details.get("category_type", "UpdateClassification")
    parent = revision.details.get("parent")
    extra = f' ParentCategoryID="{parent}"' if parent else ""
    return (
        "<upd:HandlerSpecificData>"
        f'<upd:CategoryInformation CategoryType="{kind}"{extra} /></upd:HandlerSpecificData>'
    )


def read(text: str, arrived: str) -> Revision:
    """Read the XML of one revision; the URLs of its files stand in the package's map instead.

    Raises:
        xml.etree.ElementTree.ParseError, KeyError, ValueError: The text is not such XML.
    """
    root = ElementTree.fromstring(text)  # noqa: S314 - what a lab's server wrote
    identity, properties = _one(root, "UpdateIdentity"), _one(root, "Properties")
    titles = {
        _text(localized, "Language"): _text(localized, "Title")
        for localized in root.iterfind(_path("LocalizedPropertiesCollection/LocalizedProperties"))
    }
    kind, details = _kind(root, properties)
    details |= _lists(properties)
    if extra := {code: title for code, title in titles.items() if code != "en"}:
        details["titles"] = extra
    deployable = properties.get("ExplicitlyDeployable") == "true"
    revision = Revision(
        update_id=identity.attrib["UpdateID"].lower(),
        revision=int(identity.attrib["RevisionNumber"]),
        kind=kind,
        title=titles.get("en") or next(iter(titles.values()), ""),
        created=properties.attrib["CreationDate"],
        arrived=arrived,
        kb=_text(properties, "KBArticleID") or None,
        severity=properties.get("MsrcSeverity", "Unspecified"),
        publication=properties.get("PublicationState", "Published"),
        hidden=kind in {"software", "driver"} and not deployable,
        explicitly_deployable=deployable,
        license_id=properties.get("EulaID"),
        languages=tuple(e.text or "" for e in properties.iterfind(_path("Language"))),
        files=tuple(_read_files(root)),
        details=details,
    )
    first = root.find(_path("LocalizedPropertiesCollection/LocalizedProperties"))
    description = "" if first is None else _text(first, "Description")
    return _with_relationships(replace(revision, description=description), root)


def _kind(
    root: ElementTree.Element, properties: ElementTree.Element
) -> tuple[str, dict[str, object]]:
    written = properties.attrib["UpdateType"]
    if written != "Category":
        return written.lower(), {}
    information = _one(root, "HandlerSpecificData/CategoryInformation")
    category_type = information.attrib["CategoryType"]
    if category_type == "UpdateClassification":
        return "classification", {}
    details: dict[str, object] = {"category_type": category_type}
    if parent := information.get("ParentCategoryID"):
        details["parent"] = parent
    return ("product" if category_type == "Product" else "category"), details


def _lists(properties: ElementTree.Element) -> dict[str, object]:
    return {
        key: values
        for key, tag in _LISTS.items()
        if (values := [element.text or "" for element in properties.iterfind(_path(tag))])
    }


def _with_relationships(revision: Revision, root: ElementTree.Element) -> Revision:
    def ids(path: str) -> list[ElementTree.Element]:
        return root.findall(_path(f"Relationships/{path}/UpdateIdentity"))

    return replace(
        revision,
        requires=tuple(element.attrib["UpdateID"].lower() for element in ids("Prerequisites")),
        supersedes=tuple(
            element.attrib["UpdateID"].lower() for element in ids("SupersededUpdates")
        ),
        bundles=tuple(
            (element.attrib["UpdateID"].lower(), int(element.attrib["RevisionNumber"]))
            for element in ids("BundledUpdates")
        ),
    )


def _read_files(root: ElementTree.Element) -> Iterable[File]:
    kinds = {"SelfContained": "payload", "Express": "express"}
    for list_name in ("Files", "EulaFiles"):
        for element in root.iterfind(_path(f"{list_name}/File")):
            sha256 = element.find(_path("AdditionalDigest"))
            kind = kinds.get(element.get("PatchingType", ""), "payload")
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
