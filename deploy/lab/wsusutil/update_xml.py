"""The XML of an update as Microsoft publishes it, which is the ``MetaData`` of a package.

Elements, attributes, namespaces and their order are those of documents that a Windows Server 2025
served (EVIDENCE.md). The position of licence terms is inferred.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterable, Iterator

from deploy.lab.store.languages import LANGUAGES
from deploy.lab.store.records import File, Revision
from deploy.lab.wsusutil import applicability

_MSUS = "http://schemas.microsoft.com/msus/2002/12/"
NAMESPACE = f"{_MSUS}Update"
CATEGORY_HANDLER = f"{_MSUS}UpdateHandlers/Category"
_OS_INSTALLER = "http://schemas.microsoft.com/msus/2016/01/UpdateHandlers/OSInstaller"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
# Each handler by its prefix in the type of HandlerSpecificData.
_HANDLERS = {
    "cmd": f"{_MSUS}UpdateHandlers/CommandLineInstallation",
    "cbs": f"{_MSUS}UpdateHandlers/Cbs",
    "drv": f"{_MSUS}UpdateHandlers/WindowsDriver",
    "app": f"{_MSUS}UpdateHandlers/AppxPackage",
    "osi": _OS_INSTALLER,
}
_PUBLISHER = "bccf8ca0-2819-4598-8d15-c1506e363e92"
_CATEGORY_PUBLISHER = "42f20e12-2856-447d-a8b2-68f06c2e9b45"
_UPDATE_TYPES = {
    "software": "Software",
    "driver": "Driver",
    "category": "Category",
    "product": "Category",
    "classification": "Category",
    "detectoid": "Detectoid",
}
_RULES = (
    "<upd:ApplicabilityRules><upd:IsInstalled>",
    "</upd:IsInstalled></upd:ApplicabilityRules>",
)
_LISTS = {"bulletins": "SecurityBulletinID", "cves": "CveID"}
_CATEGORY_TYPES = {"product": "Product", "classification": "UpdateClassification"}
# The standard library's escape imports what fetches web pages, which every program of the lab
# would wait for.
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_IN_ATTRIBUTE = _IN_TEXT | str.maketrans(
    {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
)


def attribute(value: str) -> str:
    """A value for double quotes, escaped so that line ends and tabs survive."""
    return value.translate(_IN_ATTRIBUTE)


def escape(text: str) -> str:
    """Text between tags, escaped."""
    return text.translate(_IN_TEXT)


def base64_of(digest_hex: str) -> str:
    """A digest in the base64 of packages, from the database's hex."""
    return base64.b64encode(bytes.fromhex(digest_hex)).decode()


def write(revision: Revision) -> str:
    """Write the XML of one revision."""
    return "".join(parts(revision))


def parts(revision: Revision) -> Iterator[str]:
    """Write the XML of one revision in pieces, because a document may have 47 MB."""
    is_category = _UPDATE_TYPES[revision.kind] == "Category"
    head, tail = _category(revision) if is_category else _update(revision)
    yield head
    if is_category:
        yield "<lar:True />".join(_RULES)
    elif not revision.bundles:
        opening, closing = _RULES
        size_bytes = revision.details.get("document_bytes", 0)
        used = len(f"{head}{opening}{closing}{tail}".encode())
        yield opening
        yield from applicability.rules(revision.update_id, size_bytes - used)
        yield closing
    yield tail


def _update(revision: Revision) -> tuple[str, str]:
    """The text before and after the rules of an update or detectoid."""
    handler = _handler(revision)
    spaces = ["pub=Publishing", "bar=BaseApplicabilityRules", "lar=LogicalApplicabilityRules"]
    declared = [f'xmlns:{name}="{_MSUS}{space}"' for name, space in (s.split("=") for s in spaces)]
    if handler:
        declared.append(f'xmlns:{handler}="{_HANDLERS[handler]}"')
    head = (
        f'<upd:Update {" ".join(declared)} xmlns:upd="{NAMESPACE}">'
        f'<upd:UpdateIdentity UpdateID="{revision.update_id}"'
        f' RevisionNumber="{revision.revision}" />{_properties(revision, handler)}'
        f"{_localized(revision)}{_relationships(revision)}"
    )
    payload = [file for file in revision.files if file.kind != "license"]
    terms = [file for file in revision.files if file.kind == "license"]
    tail = (
        f"{_files('Files', payload)}{_files('EulaFiles', terms)}"
        f"{_handler_data(handler, payload)}</upd:Update>"
    )
    return head, tail


def _properties(revision: Revision, handler: str) -> str:
    attributes = f'UpdateType="{_UPDATE_TYPES[revision.kind]}" DefaultPropertiesLanguage="en"'
    inner = ""
    if revision.explicitly_deployable:
        attributes += ' AutoSelectOnWebSites="true" ExplicitlyDeployable="true"'
        inner += "<upd:SupportUrl>https://go.microsoft.com/fwlink/?LinkId=52661</upd:SupportUrl>"
    if revision.severity != "Unspecified":
        attributes += f' MsrcSeverity="{revision.severity}"'
    if revision.license_id:
        attributes += f' EulaID="{revision.license_id}"'
    if handler:
        attributes += f' Handler="{_HANDLERS[handler]}"'
        inner += '<upd:InstallationBehavior RebootBehavior="CanRequestReboot" />'
    for key, tag in _LISTS.items():
        inner += "".join(f"<upd:{tag}>{v}</upd:{tag}>" for v in revision.details.get(key, ()))
    if revision.kb:
        inner += f"<upd:KBArticleID>{revision.kb}</upd:KBArticleID>"
    inner += "".join(f"<upd:Language>{code}</upd:Language>" for code in revision.languages)
    size = sum(file.size_bytes for file in revision.files if file.kind != "license")
    return (
        f'<upd:Properties {attributes} MaxDownloadSize="{size}" MinDownloadSize="0"'
        f' PublicationState="{revision.publication}" CreationDate="{_created(revision)}"'
        f' PublisherID="{_PUBLISHER}">{inner}</upd:Properties>'
    )


def _created(revision: Revision) -> str:
    """The time of creation with Microsoft's milliseconds, which follow from the update."""
    thousandths = zlib.crc32(revision.update_id.encode()) % 1000
    return f"{revision.created.removesuffix('Z')}.{thousandths:03d}Z"


def _localized(revision: Revision) -> str:
    """Title and description: in English, and for an update of ``is_localized`` in all languages."""
    texts = [("en", revision.title, revision.description)]
    if revision.details.get("is_localized"):
        texts += [
            (
                language.code,
                f"{language.word}: {revision.title}",
                f"{language.word}: {revision.description}",
            )
            for language in LANGUAGES
            if language.code != "en"
        ]
    elif revision.kind == "category":
        texts.insert(0, ("ar", revision.title, revision.description))
    urls = ""
    if revision.explicitly_deployable:
        urls = (
            "<upd:MoreInfoUrl>https://go.microsoft.com/fwlink/?linkid=2007160</upd:MoreInfoUrl>"
            "<upd:SupportUrl>https://go.microsoft.com/fwlink/?LinkId=52661</upd:SupportUrl>"
        )
    inner = "".join(
        f"<upd:LocalizedProperties><upd:Language>{code}</upd:Language>"
        f"<upd:Title>{escape(title)}</upd:Title>{_description(text)}{urls}"
        "</upd:LocalizedProperties>"
        for code, title, text in texts
    )
    return f"<upd:LocalizedPropertiesCollection>{inner}</upd:LocalizedPropertiesCollection>"


def _description(text: str) -> str:
    return f"<upd:Description>{escape(text)}</upd:Description>" if text else ""


def _relationships(revision: Revision) -> str:
    required = "".join(map(_identity, revision.requires))
    for guid in (revision.classification_id, revision.product_id):
        if guid:
            # A bundled child names its product as an ordinary prerequisite.
            flag = ' IsCategory="true"' if revision.explicitly_deployable else ""
            required += f"<upd:AtLeastOne{flag}>{_identity(guid)}</upd:AtLeastOne>"
    inner = _element("SupersededUpdates", "".join(map(_identity, revision.supersedes)))
    inner += _element("Prerequisites", required)
    inner += _element("BundledUpdates", _bundled(revision))
    return _element("Relationships", inner)


def _bundled(revision: Revision) -> str:
    """The bundled children, each group of them in an ``AtLeastOne``."""
    numbers = dict(revision.bundles)
    groups = [list(group) for group in revision.details.get("groups", ())]
    grouped = {guid for group in groups for guid in group}
    groups += [[guid] for guid in numbers if guid not in grouped]
    return "".join(
        _element(
            "AtLeastOne",
            "".join(
                f'<upd:UpdateIdentity UpdateID="{guid}" RevisionNumber="{numbers[guid]}" />'
                for guid in group
            ),
        )
        for group in groups
    )


def _identity(guid: str) -> str:
    return f'<upd:UpdateIdentity UpdateID="{guid}" />'


def _element(name: str, inner: str) -> str:
    return f"<upd:{name}>{inner}</upd:{name}>" if inner else ""


def _files(name: str, files: Iterable[File]) -> str:
    return _element(name, "".join(map(_file, files)))


def _file(file: File) -> str:
    extra = (
        f'<upd:AdditionalDigest Algorithm="SHA256">{base64_of(file.sha256)}</upd:AdditionalDigest>'
        if file.sha256
        else ""
    )
    language = f"<upd:Language>{file.language}</upd:Language>" if file.language else ""
    return (
        f'<upd:File Digest="{base64_of(file.sha1)}" DigestAlgorithm="SHA1"'
        f' FileName="{attribute(file.name)}" Size="{file.size_bytes}" Modified="{file.modified}"'
        f"{_patching(file)}>{extra}{language}</upd:File>"
    )


# The first test that a file's name passes gives its attribute; real documents have these.
_PATCHING: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: name.endswith("AggregatedMetadata.cab"), ' PatchingTypePreferred="Metadata"'),
    (lambda name: name == "DesktopDeployment.cab", ' PatchingTypePreferred="ServicingStack"'),
    (lambda name: name.startswith("Abm_"), ' PatchingType="DynamicMetadata"'),
    (lambda name: name.endswith((".exe", ".txt", ".appx", ".msixbundle")), ""),
    (lambda _: True, ' PatchingType="SelfContained"'),
)


def _patching(file: File) -> str:
    if file.kind == "express":
        return ' PatchingType="Express"'
    return next(text for test, text in _PATCHING if test(file.name))


def _handler(revision: Revision) -> str:
    """The prefix of the handler of an update with files; empty without."""
    names = [file.name for file in revision.files if file.kind != "license"]
    if not names:
        return ""
    if revision.kind == "driver":
        return "drv"
    if any(name.endswith("AggregatedMetadata.cab") for name in names):
        return "osi"
    if any(name.endswith((".appx", ".msixbundle")) for name in names):
        return "app"
    return "cmd" if any(name.endswith(".exe") for name in names) else "cbs"


def _handler_data(handler: str, files: list[File]) -> str:
    types = {
        "cmd": ("CommandLineInstallation", "InstallCommand", "ReturnCode"),
        "cbs": ("Cbs", "CbsData", ""),
        "osi": ("OSInstallerMetadata", "OSInstallData", ""),
    }
    if handler not in types:
        return ""
    kind, element, inside = types[handler]
    program = f' Program="{attribute(files[0].name)}" Arguments="/q"' if inside else ""
    inner = f'<{handler}:{inside} Code="0" Result="Succeeded" />' if inside else ""
    return (
        f'<upd:HandlerSpecificData xsi:type="{handler}:{kind}" xmlns:xsi="{_XSI}">'
        f'<{handler}:{element}{program} xmlns:{handler}="{_HANDLERS[handler]}">{inner}'
        f"</{handler}:{element}></upd:HandlerSpecificData>"
    )


def _category(revision: Revision) -> tuple[str, str]:
    """The text before and after the rule of a category; companies and families are upper case."""
    is_upper = revision.kind == "category"
    update_id = revision.update_id.upper() if is_upper else revision.update_id
    kind = revision.details.get("category_type") or _CATEGORY_TYPES[revision.kind]
    parent = revision.details.get("parent")
    above = _identity(parent) if parent else ""
    group = f'<upd:AtLeastOne IsCategory="true">{above}</upd:AtLeastOne>' if above else ""
    more = ' ExplicitlyDeployable="false" PerUser="false"' if revision.kind == "product" else ""
    head = (
        f'<upd:Update xmlns:pub="{_MSUS}Publishing" xmlns:lar="{_MSUS}LogicalApplicabilityRules"'
        f' xmlns:cat="{CATEGORY_HANDLER}" xmlns:upd="{NAMESPACE}">'
        f'<upd:UpdateIdentity UpdateID="{update_id}" RevisionNumber="{revision.revision}" />'
        f'<upd:Properties DefaultPropertiesLanguage="en" UpdateType="Category"{more}'
        f' IsPublic="true" Handler="{CATEGORY_HANDLER}" PublicationState="{revision.publication}"'
        f' CreationDate="{_created(revision)}" PublisherID="{_CATEGORY_PUBLISHER}">'
        f"</upd:Properties>{_localized(revision)}"
        f"{_element('Relationships', _element('Prerequisites', group))}"
    )
    flag = "false" if kind == "Product" else "true"
    tail = (
        f'<upd:HandlerSpecificData xsi:type="cat:Category" xmlns:xsi="{_XSI}">'
        f'<cat:CategoryInformation CategoryType="{kind}" ProhibitsSubcategories="false"'
        f' ProhibitsUpdates="{flag}" DisplayOrder="1" /></upd:HandlerSpecificData></upd:Update>'
    )
    return head, tail
