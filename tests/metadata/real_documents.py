"""Expected values of real update documents, each with its place, against which readers are held.

The documents are public artefacts of real WSUS servers. They are not part of this repository; the
variable ``tests.support.needs.REAL_DOCUMENTS`` names the folder that has them. The values were
written by hand from the documents. No reader printed them, so a reader that is wrong differs.

A value has the literal text of the document at its place, and what a reader must make of it. A
place is a path of local names below ``Update``; ``@`` begins an attribute. A literal None means
that the document has nothing at that place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SPACE = "http://schemas.microsoft.com/msus/2002/12/Update"

Reader = Literal["product", "lab"]
BOTH: tuple[Reader, ...] = ("product", "lab")
# The product has no use for these facts, so only the lab reads them.
LAB: tuple[Reader, ...] = ("lab",)


@dataclass(frozen=True)
class Value:
    """One value of a document.

    Attributes:
        literal: The text at that place; None if there is nothing.
        reading: The text that a reader must give; None if it must give nothing.
        altered: Another text for that place, which must change the reading.
    """

    place: str
    literal: str | None
    reading: str | None
    altered: str


@dataclass(frozen=True)
class Fact:
    """Values that a reader gives under one name; their order has no meaning."""

    name: str
    values: tuple[Value, ...]
    readers: tuple[Reader, ...] = BOTH

    @property
    def expected(self) -> list[str]:
        return sorted(value.reading for value in self.values if value.reading is not None)


@dataclass(frozen=True)
class Document:
    """One update document.

    Attributes:
        paths: The file, or the fragments that make up the document, below the folder.
        update_id, revision: Identity for the package around it.
        added: Attributes that a fragment lacks and every whole document has; no fact is about them.
    """

    paths: tuple[str, ...]
    update_id: str
    revision: int
    facts: tuple[Fact, ...]
    added: dict[str, str] = field(default_factory=dict)

    def text(self, folder: Path) -> str:
        """Read the document, or make one of its fragments."""
        parts = [(folder / path).read_text(encoding="utf-8") for path in self.paths]
        return parts[0] if parts[0].startswith("<upd:Update ") else _assemble(self, "".join(parts))


def _assemble(document: Document, fragments: str) -> str:
    """Make a document of the fragments that WSUS serves to clients.

    In a whole document the attributes of ``ExtendedProperties`` belong to ``Properties``.
    """
    added = "".join(f' {name}="{value}"' for name, value in document.added.items())
    body = fragments.replace('<Properties UpdateType="Software" />', "")
    body = body.replace("<ExtendedProperties ", f"<Properties{added} ")
    body = body.replace("</ExtendedProperties>", "</Properties>")
    if "<UpdateIdentity " not in body.partition("<Relationships")[0]:
        identity = f'UpdateID="{document.update_id}" RevisionNumber="{document.revision}"'
        body = f"<UpdateIdentity {identity} />{body}"
    return f'<Update xmlns="{SPACE}">{body}</Update>'


def another(literal: str) -> str:
    """Change the first letter or digit of a text into another one."""
    match = re.search(r"[A-Za-z0-9]", literal)
    if match is None:
        return literal + "x"
    old = match[0]
    new = str((int(old) + 1) % 10) if old.isdigit() else {"a": "b", "A": "B"}.get(old, "a")
    return literal[: match.start()] + new + literal[match.end() :]


def one(
    name: str,
    place: str,
    literal: str | None,
    *,
    reading: str | None = "",
    altered: str = "",
    readers: tuple[Reader, ...] = BOTH,
) -> Fact:
    """One value; a reading of "" is the literal itself."""
    meant = literal if reading == "" else reading
    return Fact(
        name, (Value(place, literal, meant, altered or another(literal or "")),), readers=readers
    )


def absent(name: str, place: str, *, altered: str, reading: str | None = None) -> Fact:
    return one(name, place, None, reading=reading, altered=altered)


def many(name: str, *values: tuple[str, str], readers: tuple[Reader, ...] = BOTH) -> Fact:
    """Values that are read as they stand, each with its place."""
    return Fact(
        name,
        tuple(Value(place, text, text, another(text)) for place, text in values),
        readers=readers,
    )


def child(number: int, place: str, update_id: str) -> Iterator[Fact]:
    """A bundled child; all children of the real bundle have revision 200."""
    yield one(f"child {number} id", f"{place}/@UpdateID", update_id)
    yield one(f"child {number} revision", f"{place}/@RevisionNumber", "200")


def file(
    number: int,
    name: str,
    size: str,
    modified: str,
    *,
    sha1: str,
    sha256: str,
    patching: str | None = "SelfContained",
) -> Iterator[Fact]:
    """A file of the document's list; every file in the documents is payload."""
    place = f"Files/File[{number}]"
    yield one(f"file {number} name", f"{place}/@FileName", name)
    yield one(f"file {number} size", f"{place}/@Size", size)
    yield one(f"file {number} sha1", f"{place}/@Digest", sha1)
    yield one(f"file {number} sha256", f"{place}/AdditionalDigest", sha256)
    yield one(
        f"file {number} kind", f"{place}/@PatchingType", patching, reading="payload",
        altered="Express",
    )  # fmt: skip
    yield one(f"file {number} modified", f"{place}/@Modified", modified, readers=LAB)


_PREREQUISITES = "Relationships/Prerequisites"
_BUNDLED = "Relationships/BundledUpdates/AtLeastOne"
_LOCALIZED = "LocalizedPropertiesCollection/LocalizedProperties"
_NO_SEVERITY = absent("severity", "Properties/@MsrcSeverity", altered="Critical")
_NOT_DEPLOYABLE = absent(
    "deployable", "Properties/@ExplicitlyDeployable", altered="true", reading="false"
)
_PUBLISHED = one("publication", "Properties/@PublicationState", "Published")
_NO_KB = absent("kb", "Properties/KBArticleID", altered="5031234")

LEAF = Document(
    ("xml/266f6222-r200.defender-leaf.xml",),
    "266f6222-c89d-43f2-9f8a-69340271e677",
    200,
    (
        one("update id", "UpdateIdentity/@UpdateID", "266f6222-c89d-43f2-9f8a-69340271e677"),
        one("revision", "UpdateIdentity/@RevisionNumber", "200"),
        one("update type", "Properties/@UpdateType", "Software"),
        one("created", "Properties/@CreationDate", "2026-10-04T12:00:58.287Z"),
        _PUBLISHED,
        _NO_SEVERITY,
        _NOT_DEPLOYABLE,
        _NO_KB,
        one(
            "title",
            f"{_LOCALIZED}[1]/Title",
            "Full Deltas 1.459.547.0 for Defender amd64fre"
            " [Ring0, Ring1, Ring2, Ring3, Ring4, Broad, Delayed]",
        ),
        many(
            "prerequisites",
            (f"{_PREREQUISITES}/UpdateIdentity[1]/@UpdateID",
             "be4048db-157c-4532-9582-7f05099590c9"),
            (f"{_PREREQUISITES}/UpdateIdentity[2]/@UpdateID",
             "59653007-e2e9-4f71-8525-2ff588527978"),
            (f"{_PREREQUISITES}/UpdateIdentity[3]/@UpdateID",
             "0aac58ee-82a0-4452-a7fa-19f68398f1fa"),
            (f"{_PREREQUISITES}/AtLeastOne[1]/UpdateIdentity[1]/@UpdateID",
             "8c3fcc84-7410-4a95-8b89-a166a0190486"),
        ),
        *file(
            1, "AM_Delta.exe", "11606440", "2026-10-04T09:39:26Z",
            sha1="h/W9BGlYUAaqXTp30cZi/SiV3c0=",
            sha256="Amt0qymy5KsROiwIXm4QIIV75Ju4r+Cl28Pg8gaLXUA=",
            patching=None,
        ),
    ),
)  # fmt: skip

BUNDLE = Document(
    ("xml/a2fef9b0-r200.defender-bundle.xml",),
    "a2fef9b0-7951-4c2c-a42b-9e351dd1c1fe",
    200,
    (
        one("update id", "UpdateIdentity/@UpdateID", "a2fef9b0-7951-4c2c-a42b-9e351dd1c1fe"),
        one("revision", "UpdateIdentity/@RevisionNumber", "200"),
        one("update type", "Properties/@UpdateType", "Software"),
        one("created", "Properties/@CreationDate", "2026-10-04T12:00:58.381Z"),
        _PUBLISHED,
        _NO_SEVERITY,
        one("deployable", "Properties/@ExplicitlyDeployable", "true"),
        one("kb", "Properties/KBArticleID", "2267602"),
        one(
            "title",
            f"{_LOCALIZED}[1]/Title",
            "Security Intelligence Update for Microsoft Defender Antivirus - KB2267602"
            " (Version 1.459.547.0) - Current Channel (Broad)",
        ),
        one(
            "title de",
            f"{_LOCALIZED}[3]/Title",
            "Security Intelligence-Update für Microsoft Defender Antivirus – KB2267602"
            " (Version 1.459.547.0) – Aktueller Kanal (Allgemein)",
            readers=LAB,
        ),
        one(
            "title ja",
            f"{_LOCALIZED}[5]/Title",
            "Microsoft Defender Antivirus のセキュリティ インテリジェンス更新プログラム - KB2267602"
            " (バージョン 1.459.547.0) - 現在のチャネル (広範)",
            readers=LAB,
        ),
        many(
            "supersedes",
            ("Relationships/SupersededUpdates/UpdateIdentity[1]/@UpdateID",
             "ce84983e-b20e-44d7-a412-1fd91fc7bda8"),
            ("Relationships/SupersededUpdates/UpdateIdentity[2]/@UpdateID",
             "74e87997-e3b3-45d2-a527-a8877a5162ec"),
        ),
        many(
            "prerequisites",
            (f"{_PREREQUISITES}/UpdateIdentity[1]/@UpdateID",
             "be4048db-157c-4532-9582-7f05099590c9"),
            (f"{_PREREQUISITES}/UpdateIdentity[2]/@UpdateID",
             "0aac58ee-82a0-4452-a7fa-19f68398f1fa"),
            (f"{_PREREQUISITES}/AtLeastOne[1]/UpdateIdentity[1]/@UpdateID",
             "e0789628-ce08-4437-be74-2495b842f43b"),
            (f"{_PREREQUISITES}/AtLeastOne[2]/UpdateIdentity[1]/@UpdateID",
             "8c3fcc84-7410-4a95-8b89-a166a0190486"),
        ),
        *child(1, f"{_BUNDLED}[1]/UpdateIdentity[1]", "90f961a9-1756-4493-aade-644c37589961"),
        *child(2, f"{_BUNDLED}[1]/UpdateIdentity[2]", "ccb78947-6453-4ecc-9de8-bc0305c98f2d"),
        *child(3, f"{_BUNDLED}[2]/UpdateIdentity[1]", "940d319c-760b-429c-9bc8-e059163457fb"),
        *child(4, f"{_BUNDLED}[2]/UpdateIdentity[2]", "1f9bd9bb-7390-4aa3-bbdb-ded99fac2583"),
        *child(5, f"{_BUNDLED}[3]/UpdateIdentity[1]", "538f3373-6e39-4c48-b27b-a120f6caccef"),
        *child(6, f"{_BUNDLED}[3]/UpdateIdentity[2]", "3467e049-6a80-451e-a7e1-dc70cd142859"),
        *child(7, f"{_BUNDLED}[4]/UpdateIdentity[1]", "1c835ddf-0c98-431b-93e2-50a3a872a30a"),
        *child(8, f"{_BUNDLED}[4]/UpdateIdentity[2]", "266f6222-c89d-43f2-9f8a-69340271e677"),
    ),
)  # fmt: skip

COMPANY = Document(
    ("xml/56309036-r101.company-category.xml",),
    "56309036-4c77-4dd9-951a-99ee9c246a94",
    101,
    (
        one("update id", "UpdateIdentity/@UpdateID", "56309036-4C77-4DD9-951A-99EE9C246A94",
            reading="56309036-4c77-4dd9-951a-99ee9c246a94"),
        one("revision", "UpdateIdentity/@RevisionNumber", "101"),
        one("update type", "Properties/@UpdateType", "Category"),
        one("created", "Properties/@CreationDate", "2005-09-22T00:05:11.471Z"),
        _PUBLISHED,
        _NO_SEVERITY,
        _NOT_DEPLOYABLE,
        _NO_KB,
        one("title", f"{_LOCALIZED}[2]/Title", "Microsoft"),
        one("category type", "HandlerSpecificData/CategoryInformation/@CategoryType", "Company",
            readers=LAB),
    ),
)  # fmt: skip

FAMILY = Document(
    ("xml/6964aab4-r100.family-category.xml",),
    "6964aab4-c5b5-43bd-a17d-ffb4346a8e1d",
    100,
    (
        one("update id", "UpdateIdentity/@UpdateID", "6964AAB4-C5B5-43BD-A17D-FFB4346A8E1D",
            reading="6964aab4-c5b5-43bd-a17d-ffb4346a8e1d"),
        one("revision", "UpdateIdentity/@RevisionNumber", "100"),
        one("update type", "Properties/@UpdateType", "Category"),
        one("created", "Properties/@CreationDate", "2004-05-15T05:50:01.611Z"),
        _PUBLISHED,
        _NO_SEVERITY,
        _NOT_DEPLOYABLE,
        _NO_KB,
        one("title", f"{_LOCALIZED}[2]/Title", "Windows"),
        one("prerequisites", f"{_PREREQUISITES}/AtLeastOne[1]/UpdateIdentity[1]/@UpdateID",
            "56309036-4c77-4dd9-951a-99ee9c246a94"),
        one("category type", "HandlerSpecificData/CategoryInformation/@CategoryType",
            "ProductFamily", readers=LAB),
    ),
)  # fmt: skip

PRODUCT = Document(
    ("xml/dd78b8a1-r202.product-category.xml",),
    "dd78b8a1-0b20-45c1-add6-4da72e9364cf",
    202,
    (
        one("update id", "UpdateIdentity/@UpdateID", "dd78b8a1-0b20-45c1-add6-4da72e9364cf"),
        one("revision", "UpdateIdentity/@RevisionNumber", "202"),
        one("update type", "Properties/@UpdateType", "Category"),
        one("created", "Properties/@CreationDate", "2015-08-25T20:09:50.002Z"),
        _PUBLISHED,
        _NO_SEVERITY,
        one("deployable", "Properties/@ExplicitlyDeployable", "false", altered="true"),
        _NO_KB,
        one("title", f"{_LOCALIZED}[1]/Title", "OOBE ZDP"),
        one("prerequisites", f"{_PREREQUISITES}/AtLeastOne[1]/UpdateIdentity[1]/@UpdateID",
            "6964aab4-c5b5-43bd-a17d-ffb4346a8e1d"),
        one("category type", "HandlerSpecificData/CategoryInformation/@CategoryType", "Product",
            readers=LAB),
    ),
)  # fmt: skip

CUMULATIVE = Document(
    ("fragments/osinstaller-kb5065431.core.xml", "fragments/osinstaller-kb5065431.extended.xml"),
    "f97b86e6-5c6c-4366-b948-b5426295a5a7",
    100,
    (
        one("update id", "UpdateIdentity/@UpdateID", "f97b86e6-5c6c-4366-b948-b5426295a5a7"),
        one("revision", "UpdateIdentity/@RevisionNumber", "100"),
        _NO_SEVERITY,
        _NOT_DEPLOYABLE,
        # The language "all" limits an update to no language.
        one("languages", "Properties/Language", "all", reading=None, altered="de"),
        many(
            "prerequisites",
            (f"{_PREREQUISITES}/AtLeastOne[1]/UpdateIdentity[1]/@UpdateID",
             "72e7624a-5b00-45d2-b92f-e561c0a6a160"),
            (f"{_PREREQUISITES}/AtLeastOne[2]/UpdateIdentity[1]/@UpdateID",
             "0fa1201d-4330-4fa8-8ae9-b877473b6441"),
            (f"{_PREREQUISITES}/UpdateIdentity[1]/@UpdateID",
             "e657ef08-e43d-4326-aa4c-6fee197e8192"),
            (f"{_PREREQUISITES}/UpdateIdentity[2]/@UpdateID",
             "03aa8476-15b7-4288-bf9b-286b31f99bd6"),
        ),
        *file(
            1,
            "C9D85971E5CFA760D02C4B58B2C71B54E74504D0_45720379-b8b6-463f-852b-4130f998c87a"
            "_Wsus.AggregatedMetadata.cab",
            "1353199", "2025-09-08T17:31:31Z",
            sha1="ydhZceXPp2DQLEtYsscbVOdFBNA=",
            sha256="IVwDB7LJ1Sc/zk2dukWgbzWToJTCXcpYVysffW+x6vU=",
            patching=None,
        ),
        *file(
            2, "SSU-22621.5973-arm64.cab", "16969715", "2025-09-08T17:31:57Z",
            sha1="T3/+1bbZOyBSoB8AOWN2Q5QrXpg=",
            sha256="pk3L570GwNPt9s/Vlrc4oL5H4zF6dK5D2cBsAB9ccQQ=",
        ),
        *file(
            3, "88F7F1CBEA99404A170FB6425B88AB33755A91B5_LanguagePackClient.wim",
            "803483247", "2025-09-08T17:31:50Z",
            sha1="iPfxy+qZQEoXD7ZCW4irM3VakbU=",
            sha256="6GUZVJthZcIjNNHTYFsS+YyHUEFTa9z7a3vVxbAsNFg=",
        ),
        *file(
            4, "Windows11.0-KB5065431-arm64.psf", "969677118", "2025-09-08T17:31:51Z",
            sha1="mp7SZRo2/01mFhmxp1uWTD5ezjk=",
            sha256="2l+qrhNcl0GzJ6mEecg/6QVXxugZ11g9BDUAcwwaSKY=",
        ),
        *file(
            5, "DesktopDeployment.cab", "7213645", "2025-09-08T17:31:49Z",
            sha1="sUeBmRcq+CK7Mjypb3dYMi3g6ak=",
            sha256="hAxKk96pyN/qWWIP9BgBXlulXEvwdMhhvEq7PMQMA+M=",
            patching=None,
        ),
        *file(
            6, "ABBC22B8FD21EACE6878B695DD9BA6B9108B6D3F_FeatureOnDemand.wim",
            "3927955052", "2025-09-08T17:31:55Z",
            sha1="q7wiuP0h6s5oeLaV3ZumuRCLbT8=",
            sha256="8xwu02GoDtRYsMDANU3x+v9+le7Ey7/BS323RTGoF6E=",
        ),
    ),
    added={"UpdateType": "Software", "CreationDate": "2025-09-09T17:00:00Z"},
)  # fmt: skip

CBS_LEAF = Document(
    ("fragments/cbs-kb5026368.extended.xml",),
    "00000000-0000-4000-8000-0000000000c1",
    1,
    (
        *file(
            1, "Windows10.0-KB5026368-arm64.cab", "479510336", "2023-05-04T06:59:55Z",
            sha1="1MrMC8LV5k+xRuzrZqRbqmD55Q0=",
            sha256="gC6suVZDPSeSFSaRlr6YiJjcRH5XbWR8HSqVTujSjiQ=",
        ),
    ),
    added={"UpdateType": "Software", "CreationDate": "2023-05-09T17:00:00Z"},
)  # fmt: skip

LOCAL_MSI = Document(
    ("fragments/msi-local-publish.extended.xml",),
    "00000000-0000-4000-8000-0000000000c2",
    1,
    (
        *file(
            1, "bc856cf9-c69e-40bd-acbb-e46cedbdd580_1.cab", "11551", "2026-10-05T11:00:55.642Z",
            sha1="br8eaMSqh4RzvhmfbQA546QF5ZM=",
            sha256="XSVHYC1Z1ZjQVWyXCXjKcIT6EHtgckWLBFV9KIrHH9k=",
            patching=None,
        ),
    ),
    added={"UpdateType": "Software", "CreationDate": "2026-10-05T11:00:00Z"},
)  # fmt: skip

APPX = Document(
    ("fragments/appx-vclibs.extended.xml",),
    "00000000-0000-4000-8000-0000000000c3",
    1,
    (
        one("created", "Properties/@CreationDate", "2024-04-10T21:34:54.6743066Z"),
        *file(
            1, "9683459a-02fa-4bd6-9ae6-af8ddfbeef35.appx", "758544",
            "2024-01-29T20:03:05.7437236Z",
            sha1="/DWIkZI6XJwxOY/s/GAOyxuZIBQ=",
            sha256="e6bqe8Ms1Yt+BoPaWIeWCGrM+3Tvt6PlJen4AU0q1mM=",
            patching=None,
        ),
        *file(
            2, "Abm_9683459a-02fa-4bd6-9ae6-af8ddfbeef35.cab", "1491",
            "2024-01-29T20:03:05.7437236Z",
            sha1="R3wKJD2qNYxtduw50Ezcxv6Blg4=",
            sha256="xPnH1+pblf7oK+ivWJwv1GUym6aXbAIuBqJq02SrG/c=",
            patching="DynamicMetadata",
        ),
    ),
    added={"UpdateType": "Software"},
)  # fmt: skip

DOCUMENTS: dict[str, Document] = {
    "defender leaf": LEAF,
    "defender bundle": BUNDLE,
    "company": COMPANY,
    "product family": FAMILY,
    "product": PRODUCT,
    "cumulative update": CUMULATIVE,
    "cbs leaf": CBS_LEAF,
    "local msi": LOCAL_MSI,
    "appx": APPX,
}
