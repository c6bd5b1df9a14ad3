"""Packages written by hand for tests, in shapes that wsusutil may or may not choose."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from tasks.revision import RevisionId

SPACE = "http://schemas.microsoft.com/msus/2002/12/Update"
SERVER_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def sha1(content: str) -> bytes:
    return hashlib.sha1(content.encode()).digest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@dataclass(frozen=True)
class File:
    """A file that a test makes up: its digests come from its name."""

    name: str
    size: int | None = 100
    patching: str = ""
    language: str = ""
    is_license: bool = False
    has_key: bool = False
    is_mapped: bool = True

    @property
    def sha1(self) -> bytes:
        return sha1(self.name)

    @property
    def content_name(self) -> str:
        dot, extension = ("." in self.name), self.name.rpartition(".")[2]
        return self.sha1.hex().upper() + (f".{extension}" if dot else "")


@dataclass(frozen=True)
class Update:
    number: int
    revision: int = 1
    title: str = ""
    titles: dict[str, str] = field(default_factory=dict)
    default_language: str = "en"
    kb: str = ""
    kind: str = "Software"
    severity: str = "Critical"
    deployable: bool = True
    languages: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    listed_only: tuple[File, ...] = ()
    bundles: tuple[tuple[int, int | None], ...] = ()
    supersedes: tuple[int, ...] = ()
    requires: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()
    classifications: tuple[int, ...] = ()
    license_id: str = ""
    publication: str = "Published"

    @property
    def key(self) -> RevisionId:
        return RevisionId(guid(self.number), self.revision)


def update_xml(update: Update, prefix: str = "upd") -> str:
    """The update's own XML, with a prefix or in a default namespace."""
    p = f"{prefix}:" if prefix else ""
    declared = f'xmlns:{prefix}="{SPACE}"' if prefix else f'xmlns="{SPACE}"'
    titles = {update.default_language: update.title} if update.title else {}
    titles |= update.titles
    localized = "".join(
        f"<{p}LocalizedProperties><{p}Language>{code}</{p}Language>"
        f"<{p}Title>{escape(title)}</{p}Title></{p}LocalizedProperties>"
        for code, title in titles.items()
    )
    relations = "".join(
        f"<{p}{name}>{held}</{p}{name}>"
        for name, held in (
            ("Prerequisites", f"<{p}AtLeastOne>{_ids(p, update.requires)}</{p}AtLeastOne>"),
            ("SupersededUpdates", _ids(p, update.supersedes)),
            ("BundledUpdates", _children(p, update.bundles)),
        )
    )
    eula = f' EulaID="{update.license_id}"' if update.license_id else ""
    languages = "".join(f"<{p}Language>{code}</{p}Language>" for code in update.languages)
    kb = f"<{p}KBArticleID>{update.kb}</{p}KBArticleID>" if update.kb else ""
    return (
        f"<{p}Update {declared}>"
        f'<{p}UpdateIdentity UpdateID="{guid(update.number)}" RevisionNumber="{update.revision}"/>'
        f'<{p}Properties DefaultPropertiesLanguage="{update.default_language}"'
        f' UpdateType="{update.kind}" MsrcSeverity="{update.severity}"'
        f' ExplicitlyDeployable="{str(update.deployable).lower()}"'
        f' PublicationState="{update.publication}"'
        f' CreationDate="2026-01-02T03:04:05Z"{eula}>{languages}{kb}</{p}Properties>'
        f"<{p}LocalizedPropertiesCollection>{localized}</{p}LocalizedPropertiesCollection>"
        f"<{p}Relationships>{relations}</{p}Relationships>"
        f"<{p}Files>{_files(p, update, is_license=False)}</{p}Files>"
        f"<{p}EulaFiles>{_files(p, update, is_license=True)}</{p}EulaFiles>"
        f'<{p}ApplicabilityRules><b:File xmlns:b="urn:rules" Digest="not ours"/>'
        f"</{p}ApplicabilityRules></{p}Update>"
    )


def _ids(p: str, numbers: Iterable[int]) -> str:
    return "".join(f'<{p}UpdateIdentity UpdateID="{guid(number)}"/>' for number in numbers)


def _children(p: str, children: Iterable[tuple[int, int | None]]) -> str:
    return "".join(
        f'<{p}UpdateIdentity UpdateID="{guid(number)}"'
        + (f' RevisionNumber="{revision}"/>' if revision is not None else "/>")
        for number, revision in children
    )


def _files(p: str, update: Update, *, is_license: bool) -> str:
    return "".join(
        f'<{p}File Digest="{b64(file.sha1)}" DigestAlgorithm="SHA1" FileName={quoteattr(file.name)}'
        + (f' Size="{file.size}"' if file.size is not None else "")
        + (f' PatchingType="{file.patching}"' if file.patching else "")
        + f' Modified="2026-01-01T00:00:00Z"><{p}AdditionalDigest Algorithm="SHA256">'
        f"{b64(hashlib.sha256(file.name.encode()).digest())}</{p}AdditionalDigest>"
        + (f"<{p}Language>{file.language}</{p}Language>" if file.language else "")
        + f"</{p}File>"
        for file in update.files
        if file.is_license is is_license
    )


def file_map(updates: Iterable[Update]) -> str:
    known = {file.sha1: file for update in updates for file in (*update.files, *update.listed_only)}
    return "".join(
        f'<File Digest="{b64(file.sha1)}" MUUrl="http://download.example/c/{quoteattr(file.name)[1:-1]}"'
        f" Name={quoteattr(file.name)}" + (' DecryptionKey="a2V5"' if file.has_key else "") + "/>"
        for file in known.values()
        if file.is_mapped
    )


def update_element(update: Update, metadata: str) -> str:
    listed = "".join(
        f'<File Digest="{b64(file.sha1)}"/>' for file in (*update.files, *update.listed_only)
    )
    categories = "".join(f'<Category Value="{guid(n)}"/>' for n in update.categories)
    classes = "".join(f'<Classification Value="{guid(n)}"/>' for n in update.classifications)
    return (
        f'<Update UpdateId="{guid(update.number)}" RevisionNumber="{update.revision}">'
        f"<Files>{listed}</Files><Categories>{categories}</Categories>"
        f"<Classifications>{classes}</Classifications><MetaData>{metadata}</MetaData></Update>"
    )


LANGUAGES = (
    '<Language Id="9" ShortName="en" LongName="English" Enabled="1"/>'
    '<Language Id="7" ShortName="de" LongName="German" Enabled="1"/>'
    '<Language Id="17" ShortName="ja" LongName="Japanese" Enabled="0"/>'
)


def document(body: str, *, version: str = "1.0", declaration: str = "", doctype: str = "") -> str:
    return (
        f'{declaration}{doctype}<ExportPackage ServerID="{SERVER_ID}"'
        f' CreationTime="2026-02-03T04:05:06Z" FormatVersion="{version}" ProtocolVersion="1.20">'
        f"{body}</ExportPackage>"
    )


def package_xml(updates: Iterable[Update]) -> str:
    """The usual shape: languages, map, updates with escaped MetaData."""
    held = list(updates)
    return document(
        f"<Languages>{LANGUAGES}</Languages><Files>{file_map(held)}</Files><Updates>"
        + "".join(update_element(update, escape(update_xml(update))) for update in held)
        + "</Updates>"
    )


def write(path: Path, content: str | bytes) -> Path:
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw, compresslevel=1, mtime=0))
    return path


def write_package(path: Path, updates: Iterable[Update]) -> Path:
    return write(path, package_xml(updates))
