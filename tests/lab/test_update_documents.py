"""The XML of updates in the lab has the shapes that real documents show, and is read again."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy.lab.generate import draft, real_catalogue, shapes, taxonomy
from deploy.lab.generate.catalogue import Catalogue
from deploy.lab.rules.server import RuleError
from deploy.lab.store.languages import CODES
from deploy.lab.store.records import Revision
from deploy.lab.wsusutil import update_reader, update_xml
from deploy.lab.wsusutil.package_reader import Reader, Received
from tests.lab.lab_pair import LabPair, count, package_root

CATALOGUE = Catalogue(1, 10_000.0)
SPACE = f"{{{update_xml.NAMESPACE}}}"
MB = 1_000_000


def _revisions() -> Iterator[Revision]:
    yield from taxonomy.built_in()
    yield from taxonomy.synchronized()
    for number in range(2 * 3 * draft.SHAPE_COUNT):
        yield from CATALOGUE.entry(number).revisions


def _as_read(revision: Revision, read: Revision) -> Revision:
    """A generated revision as its document can give it: some facts stand in the package alone."""
    files = tuple(
        replace(file, url="", decryption_key=None, recipe=None)
        for file in sorted(revision.files, key=lambda file: file.kind == "license")
    )
    return replace(
        revision,
        files=files,
        bundles=(),
        product_id=None,
        classification_id=None,
        created=read.created,
        requires=read.requires,
        details=read.details,
    )


def _document(revision: Revision) -> ElementTree.Element:
    text = update_xml.write(revision)
    assert text.startswith("<upd:Update ")
    return ElementTree.fromstring(text)


def _names(root: ElementTree.Element, path: str = ".") -> list[str]:
    element = root.find("/".join(SPACE + step for step in path.split("/")) if path != "." else path)
    assert element is not None
    return [each.tag.removeprefix(SPACE) for each in element]


def test_every_shape_comes_in_its_turn() -> None:
    assert len(shapes.SHAPES) == draft.SHAPE_COUNT


def test_what_is_written_is_read_as_it_was_meant() -> None:
    for revision in _revisions():
        read = update_reader.read(update_xml.write(revision), revision.arrived)
        assert replace(read, bundles=()) == _as_read(revision, read), revision.title
        assert sorted(read.bundles) == sorted(revision.bundles)
        assert read.created[:19] == revision.created[:19]
        categories = read.details.get("categories", [])
        direct = {*read.requires, *categories} - {None}
        meant = {*revision.requires, revision.product_id, revision.classification_id}
        if revision.kind in {"software", "driver", "detectoid"}:
            assert direct == meant - {None}
        assert read.details.get("parent") == revision.details.get("parent")


def test_a_bundle_has_its_parts_in_the_order_of_real_ones_and_its_children_in_groups() -> None:
    bundle = CATALOGUE.entry(36).newest
    assert bundle.supersedes
    root = _document(bundle)
    assert _names(root) == [
        "UpdateIdentity", "Properties", "LocalizedPropertiesCollection", "Relationships",
    ]  # fmt: skip
    assert _names(root, "Relationships") == ["SupersededUpdates", "Prerequisites", "BundledUpdates"]
    assert _names(root, "Relationships/BundledUpdates") == ["AtLeastOne"] * 4
    localized = root.findall(f"{SPACE}LocalizedPropertiesCollection/*/{SPACE}Language")
    assert {each.text for each in localized} == set(CODES)
    assert len(update_xml.write(bundle)) > 15_000


def test_a_security_bundle_names_articles_last_and_its_languages_after_them() -> None:
    child = next(each for each in CATALOGUE.entry(3).revisions if each.languages)
    assert _names(_document(child), "Properties")[-1] == "Language"
    assert _names(_document(CATALOGUE.entry(0).newest), "Properties") == [
        "SupportUrl", "SecurityBulletinID", "CveID", "KBArticleID",
    ]  # fmt: skip


def test_a_leaf_has_no_severity_description_article_or_deployable_mark() -> None:
    leaf = CATALOGUE.entry(0).revisions[0]
    root = _document(leaf)
    properties = root.find(f"{SPACE}Properties")
    assert properties is not None
    assert not {"MsrcSeverity", "ExplicitlyDeployable"} & set(properties.attrib)
    assert {"Handler", "MaxDownloadSize", "PublisherID"} <= set(properties.attrib)
    assert "KBArticleID" not in _names(root, "Properties")
    assert _names(root, "LocalizedPropertiesCollection/LocalizedProperties") == [
        "Language", "Title",
    ]  # fmt: skip


def test_a_category_stands_in_its_own_namespace_with_its_parent_as_a_prerequisite() -> None:
    by_kind = {each.details.get("category_type"): each for each in taxonomy.synchronized()}
    family = _document(by_kind["ProductFamily"])
    information = family.find(f"{SPACE}HandlerSpecificData/*")
    assert information is not None
    namespace = "http://schemas.microsoft.com/msus/2002/12/UpdateHandlers/Category"
    assert information.tag == f"{{{namespace}}}CategoryInformation"
    assert information.get("ParentCategoryID") is None
    identity = family.find(f"{SPACE}UpdateIdentity")
    assert identity is not None
    assert identity.attrib["UpdateID"].isupper()
    assert _names(family, "Relationships/Prerequisites") == ["AtLeastOne"]


def test_files_have_the_names_and_marks_of_real_ones() -> None:
    marks: dict[str, set[str | None]] = {}
    kinds: dict[str, str] = {}
    for revision in _revisions():
        for element in _document(revision).iterfind(f"{SPACE}Files/{SPACE}File"):
            suffix = element.attrib["FileName"].rpartition(".")[2]
            mark = element.get("PatchingType") or element.get("PatchingTypePreferred")
            marks.setdefault(suffix, set()).add(mark)
        kinds |= {file.name: file.kind for file in revision.files}
    assert set(marks) >= {"cab", "msu", "psf", "wim", "exe", "appx", "msix", "msixbundle", "esd"}
    assert marks["exe"] == marks["appx"] == {None}
    assert marks["cab"] >= {"SelfContained", "Metadata", "ServicingStack", "DynamicMetadata"}
    assert {kind for name, kind in kinds.items() if name.endswith(".psf")} == {"payload", "express"}
    assert any(name.endswith("-express.cab") for name, kind in kinds.items() if kind == "payload")


def test_a_package_names_the_39_languages_of_windows(lab_pair: LabPair) -> None:
    package = lab_pair.folder / "p.xml.gz"
    lab_pair.wsusutil("staging", "export", package, lab_pair.folder / "p.log")
    languages = package_root(package).findall("Languages/Language")
    numbers = {each.attrib["ShortName"]: each.attrib["Id"] for each in languages}
    assert len(numbers) == 39
    assert (numbers["all"], numbers["en"], numbers["ja-nec"]) == ("0", "1033", "66577")
    assert languages[0].attrib["Enabled"] == "0"
    with lab_pair.server("staging") as server:
        detectoids = count(server, "SELECT count(*) FROM revision WHERE kind = 'detectoid'")
        assert 2 * detectoids > count(server, "SELECT count(*) FROM revision")


def test_the_real_catalogue_has_the_statistics_that_were_measured() -> None:
    sizes = sorted(real_catalogue.document_sizes())
    small = Catalogue(1, 64.0)
    revisions = [r for entry in real_catalogue.entries(small) for r in entry.revisions]
    further = list(real_catalogue.taxonomy_of(small))
    built_in = [*taxonomy.built_in(), *taxonomy.synchronized()]
    everything = [*revisions, *further, *built_in]
    rest = sum(len(update_xml.write(r).encode()) for r in everything if not _is_large(r))
    assert len(everything) == len({r.key for r in everything}) == 5_253
    assert sum(r.kind == "detectoid" for r in everything) == 3_710
    assert len({r.update_id for r in revisions if r.bundles}) == 561
    assert (sizes[0], sizes[72], sizes[-1]) == (50_662, 167_067, 46_887_043)
    assert (sum(s > MB for s in sizes), sum(s > 32 * 2**20 for s in sizes)) == (46, 10)
    assert sorted(r.details["document_bytes"] for r in revisions if _is_large(r)) == sizes
    assert 1_180 * MB < sum(sizes) + rest < 1_190 * MB
    assert 16_000 < sum(len(r.supersedes) for r in revisions) < 17_500


def _is_large(revision: Revision) -> bool:
    return "document_bytes" in revision.details


def test_a_large_document_has_its_size_and_is_read_in_little_memory(tmp_path: Path) -> None:
    leaf = CATALOGUE.entry(0).revisions[0]
    large = replace(leaf, details={**leaf.details, "document_bytes": 4 * MB})
    package = tmp_path / "p.xml.gz"
    files = "".join(
        f'<File Digest="{update_xml.base64_of(file.sha1)}" MUUrl="" />' for file in leaf.files
    )
    written = 0
    with gzip.open(package, "wt", encoding="utf-8", compresslevel=1) as stream:
        stream.write(
            '<ExportPackage ServerID="" CreationTime="" FormatVersion="1.0" ProtocolVersion="">'
            f"<Files>{files}</Files><Updates>"
            f'<Update UpdateId="{leaf.update_id}" RevisionNumber="102"><MetaData><![CDATA['
        )
        for part in update_xml.parts(large):
            written += len(part.encode())
            stream.write(part)
        stream.write("]]></MetaData></Update></Updates></ExportPackage>")
    assert written == 4 * MB
    known = {file.sha1: file for file in leaf.files}
    reader = Reader(package, "2026-01-01T00:00:00Z", lambda _: None, known.get)
    tracemalloc.start()
    try:
        _, received = reader.items()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(received, Received)
    assert {file.sha1 for file in received.revision.files} == set(known)
    assert peak < 1.5 * MB


def test_a_server_of_an_earlier_lab_still_opens(lab_pair: LabPair) -> None:
    with lab_pair.server("staging") as server:
        server.connection.execute("DROP TABLE document")
    with lab_pair.server("staging") as server:
        assert count(server, "SELECT count(*) FROM document") == 0


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_groups_that_wsus_has_built_in_are_three(tmp_path: Path, language: str) -> None:
    from deploy import lab
    from deploy.lab.rules import groups
    from deploy.lab.rules.opened_server import open_server
    from deploy.lab.store.database import BUILT_IN_GROUPS
    from deploy.lab.store.groups import BUILT_IN_NAMES

    lab.create(tmp_path / "lab", updates=1, content_bytes=1_000, language=language)
    server = open_server(tmp_path / "lab" / "disconnected")
    try:
        names = {group.id: group.name for group in groups.all_groups(server)}
        for childless in BUILT_IN_GROUPS[1:]:
            with pytest.raises(RuleError, match="cannot have child groups"):
                groups.create(server, "Below", childless)
    finally:
        server.close()
    assert tuple(names[each] for each in BUILT_IN_GROUPS) == BUILT_IN_NAMES[language]
