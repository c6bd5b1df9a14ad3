"""Documents of our own in the shapes of real ones are read as they mean."""

from __future__ import annotations

import hashlib
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from tasks.metadata.model import PackageUpdate, UpdateMetadata
from tasks.metadata.package import read_package
from tests.metadata import writing
from tests.metadata.writing import SPACE, Update, b64, guid

CATEGORY = SPACE + "Handlers/Category"
LANGUAGES = (
    *("ar", "bg", "zh-tw", "cs", "da", "de", "el", "en", "es", "fi", "fr", "he", "hu", "it", "ja"),
    *("ko", "nl", "no", "pl", "pt-br", "ro", "ru", "hr", "sk", "sv", "th", "tr", "uk", "sl", "et"),
    *("lv", "lt", "hi", "zh-cn", "pt", "sr", "zh-hk", "ja-nec"),
)


def read(folder: Path, inside: str) -> UpdateMetadata:
    """The metadata of update 1, whose root has these contents; without an XML declaration."""
    identity = f'<upd:UpdateIdentity UpdateID="{guid(1).upper()}" RevisionNumber="1" />'
    xml = f'<upd:Update xmlns:upd="{SPACE}">{identity}{inside}</upd:Update>'
    element = writing.update_element(Update(1), escape(xml))
    path = writing.write(folder / "p", writing.document(f"<Updates>{element}</Updates>"))
    (update,) = (item for item in read_package(path) if isinstance(item, PackageUpdate))
    return update.metadata


def test_a_category_has_its_own_namespace_and_its_parent_among_the_prerequisites(
    tmp_path: Path,
) -> None:
    metadata = read(
        tmp_path,
        '<upd:Properties DefaultPropertiesLanguage="en" UpdateType="Category" />'
        "<upd:LocalizedPropertiesCollection>"
        "<upd:LocalizedProperties><upd:Language>ar</upd:Language><upd:Title>X</upd:Title>"
        "</upd:LocalizedProperties>"
        "<upd:LocalizedProperties><upd:Language>en</upd:Language><upd:Title>Windows</upd:Title>"
        "</upd:LocalizedProperties></upd:LocalizedPropertiesCollection>"
        '<upd:Relationships><upd:Prerequisites><upd:AtLeastOne IsCategory="true">'
        f'<upd:UpdateIdentity UpdateID="{guid(0xAB).upper()}" /></upd:AtLeastOne>'
        "</upd:Prerequisites></upd:Relationships>"
        '<upd:HandlerSpecificData xsi:type="cat:Category"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><cat:CategoryInformation'
        f' xmlns:cat="{CATEGORY}" CategoryType="ProductFamily" /></upd:HandlerSpecificData>',
    )

    assert metadata.identity == (bytes.fromhex(guid(1).replace("-", "")), 1)
    assert (metadata.update_type, metadata.title) == ("Category", "Windows")
    assert [raw[-1] for raw in metadata.requires] == [0xAB]


def test_a_bundle_has_its_children_in_groups_and_texts_in_38_languages(tmp_path: Path) -> None:
    texts = "".join(
        f"<upd:LocalizedProperties><upd:Language>{code}</upd:Language><upd:Title>Update {code}"
        "</upd:Title><upd:Description>Text.</upd:Description></upd:LocalizedProperties>"
        for code in LANGUAGES
    )
    groups = "".join(
        "<upd:AtLeastOne>"
        + "".join(
            f'<upd:UpdateIdentity UpdateID="{guid(number)}" RevisionNumber="{number}" />'
            for number in group
        )
        + "</upd:AtLeastOne>"
        for group in ((2, 3), (4,), (5, 6))
    )

    metadata = read(
        tmp_path,
        '<upd:Properties DefaultPropertiesLanguage="en" ExplicitlyDeployable="true" />'
        f"<upd:LocalizedPropertiesCollection>{texts}</upd:LocalizedPropertiesCollection>"
        "<upd:Relationships><upd:SupersededUpdates>"
        f'<upd:UpdateIdentity UpdateID="{guid(9)}" /></upd:SupersededUpdates>'
        f"<upd:BundledUpdates>{groups}</upd:BundledUpdates></upd:Relationships>",
    )

    assert metadata.title == "Update en"
    assert [child.revision for child in metadata.bundled] == [2, 3, 4, 5, 6]
    assert [raw[-1] for raw in metadata.supersedes] == [9]


def test_a_leaf_has_neither_severity_nor_description_nor_a_word_on_deployment(
    tmp_path: Path,
) -> None:
    metadata = read(
        tmp_path,
        '<upd:Properties UpdateType="Software" DefaultPropertiesLanguage="en"'
        ' CreationDate="2026-10-04T12:00:58.287Z" MaxDownloadSize="1"><upd:InstallationBehavior'
        ' Impact="Minor" /><upd:KBArticleID>5000001</upd:KBArticleID>'
        "<upd:Language>all</upd:Language></upd:Properties>",
    )

    assert (metadata.severity, metadata.title, metadata.is_deployable) == ("", "", False)
    assert (metadata.kb, metadata.languages) == ("KB5000001", frozenset())


@pytest.mark.parametrize(
    ("name", "attributes", "kind"),
    [
        ("a.cab", 'PatchingTypePreferred="Metadata"', "payload"),
        ("a.cab", 'PatchingTypePreferred="ServicingStack"', "payload"),
        ("a-express.cab", 'PatchingType="SelfContained"', "payload"),
        ("a.psf", 'PatchingType="SelfContained"', "payload"),
        ("a.wim", 'PatchingType="SelfContained"', "payload"),
        ("a.msu", "", "payload"),
        ("a.exe", "", "payload"),
        ("a.appx", "", "payload"),
        ("a.msixbundle", "", "payload"),
        ("a.cab", 'PatchingType="DynamicMetadata"', "payload"),
        ("a.psf", 'PatchingType="Express"', "express"),
    ],
)
def test_a_file_is_payload_unless_it_is_called_express(
    name: str, attributes: str, kind: str, tmp_path: Path
) -> None:
    sha1 = hashlib.sha1(b"x").digest()

    metadata = read(
        tmp_path,
        f'<upd:Files><upd:File {attributes} Modified="2025-09-08T17:31:31Z" Size="1353199"'
        f' FileName="{name}" DigestAlgorithm="SHA1" Digest="{b64(sha1)}" /></upd:Files>',
    )

    (file,) = metadata.files
    assert (file.name, file.kind, file.sha1, file.size_bytes) == (name, kind, sha1, 1_353_199)
