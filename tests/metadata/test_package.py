"""The reader takes every shape that wsusutil may have chosen, and yields the same from all."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from blake3 import blake3

from tasks.content.names import Blake3
from tasks.errors import PackageError
from tasks.metadata.model import (
    MappedFile,
    PackageEnd,
    PackageHeader,
    PackageItem,
    PackageLanguage,
    PackageUpdate,
)
from tasks.metadata.package import read_package
from tests.metadata import writing
from tests.metadata.writing import File, Update

CHILD = Update(2, 7, title="Child", deployable=False, files=(File("child.msu", 5),))
UPDATE = Update(
    1,
    200,
    title="2026-02 Cumulative Update “quoted” <b>&amp; Привет 日本語 😀",
    kb="5031234",
    languages=("en", "de"),
    files=(
        File("full.CAB", 4_294_967_296),
        File("delta.psf", 7),
        File("other.cab", 8, patching="Express"),
        File("terms_de.txt", 9, language="DE", is_license=True),
    ),
    bundles=((2, 7),),
    supersedes=(5, 6),
    requires=(7,),
    categories=(8,),
    classifications=(9,),
    license_id="11111111-2222-4333-8444-555555555555",
)
UPDATES = (CHILD, UPDATE)


def read(path: Path) -> list[PackageItem]:
    return list(read_package(path))


def content(items: list[PackageItem]) -> list[PackageItem]:
    """All but the end, which tells of bytes."""
    assert isinstance(items[-1], PackageEnd)
    return items[:-1]


def shapes() -> dict[str, bytes]:
    plain = writing.package_xml(UPDATES)
    head = f"<Languages>{writing.LANGUAGES}</Languages><Files>{writing.file_map(UPDATES)}</Files>"

    def with_metadata(*metadata: str) -> str:
        elements = map(writing.update_element, UPDATES, metadata)
        return writing.document(f"{head}<Updates>{''.join(elements)}</Updates>")

    utf16 = '<?xml version="1.0" encoding="utf-16"?>' + plain
    declared = '<?xml version="1.0" encoding="utf-16"?>\r\n'
    return {
        "bom": b"\xef\xbb\xbf" + plain.encode(),
        "utf-16 little-endian with bom": b"\xff\xfe" + utf16.encode("utf-16-le"),
        "utf-16 big-endian with bom": b"\xfe\xff" + utf16.encode("utf-16-be"),
        "windows line ends": plain.replace("><", ">\r\n  <").encode(),
        "inline": with_metadata(*map(writing.update_xml, UPDATES)).encode(),
        "inline in a default namespace": with_metadata(
            *(writing.update_xml(update, "") for update in UPDATES)
        ).encode(),
        "cdata": with_metadata(
            *(f"<![CDATA[{writing.update_xml(update)}]]>" for update in UPDATES)
        ).encode(),
        "escaped with a declaration and a bom": with_metadata(
            *(escape("\ufeff" + declared + writing.update_xml(update)) for update in UPDATES)
        ).encode(),
        "comments and instructions everywhere": plain.replace(
            "<Files>", "<?pi x?><!-- <!DOCTYPE x> --><Files>"
        ).encode(),
        "elements that nobody knows": plain.replace(
            "<Updates>", "<New><Update/><File Digest='x'/></New><Updates>"
        ).encode(),
        "map before languages": writing.document(
            f"<Files>{writing.file_map(UPDATES)}</Files><Languages>{writing.LANGUAGES}</Languages>"
            + plain[plain.index("<Updates>") : plain.index("</ExportPackage>")]
        ).encode(),
    }


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> list[PackageItem]:
    path = tmp_path_factory.mktemp("usual") / "p.xml.gz"
    return read(writing.write_package(path, UPDATES))


def test_the_usual_shape_is_read_in_full(usual: list[PackageItem]) -> None:
    header, *rest, end = usual
    updates = [item for item in rest if isinstance(item, PackageUpdate)]
    read_update = updates[1]

    assert header == PackageHeader(
        server_id=writing.SERVER_ID,
        created=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
        protocol_version="1.20",
    )
    assert [i for i in rest if isinstance(i, PackageLanguage)] == [
        PackageLanguage("en", is_enabled=True),
        PackageLanguage("de", is_enabled=True),
        PackageLanguage("ja", is_enabled=False),
    ]
    assert sum(isinstance(item, MappedFile) for item in rest) == 5
    assert isinstance(end, PackageEnd)
    said = read_update.metadata
    assert said.title == UPDATE.title
    assert (said.kb, said.update_type, said.severity) == ("KB5031234", "Software", "Critical")
    assert (said.publication, said.created) == ("Published", "2026-01-02T03:04:05Z")
    assert said.languages == {"en", "de"}
    assert [(f.name, f.size_bytes, f.kind, f.language) for f in said.files] == [
        ("full.CAB", 4_294_967_296, "payload", ""),
        ("delta.psf", 7, "express", ""),
        ("other.cab", 8, "express", ""),
        ("terms_de.txt", 9, "license", "de"),
    ]
    assert all(f.sha256 is not None for f in said.files)
    assert [(c.update_id[-1], c.revision) for c in said.bundled] == [(2, 7)]
    assert {raw[-1] for raw in said.supersedes} == {5, 6}
    assert {raw[-1] for raw in said.requires} == {7}
    assert {raw[-1] for raw in read_update.categories} == {8}
    assert {raw[-1] for raw in read_update.classifications} == {9}


@pytest.mark.parametrize("shape", shapes())
def test_every_shape_yields_the_same(shape: str, usual: list[PackageItem], tmp_path: Path) -> None:
    path = writing.write(tmp_path / "p.xml.gz", shapes()[shape])

    found = content(read(path))

    def order(items: list[PackageItem]) -> list[PackageItem]:
        return sorted(items, key=lambda item: type(item).__name__)

    assert order(found) == order(content(usual))


def test_children_of_an_update_may_come_in_any_order(
    usual: list[PackageItem], tmp_path: Path
) -> None:
    plain = writing.package_xml(UPDATES)
    for update in UPDATES:
        element = writing.update_element(update, escape(writing.update_xml(update)))
        begin = element.index(">") + 1
        files, metadata = (
            element[begin : element.index("<MetaData>")],
            element[element.index("<MetaData>") : -len("</Update>")],
        )
        plain = plain.replace(element, f"{element[:begin]}{metadata}{files}</Update>")

    found = content(read(writing.write(tmp_path / "p.xml.gz", plain)))

    assert found == content(usual)


def test_parts_without_a_common_root_are_read(tmp_path: Path) -> None:
    whole = writing.update_xml(UPDATE, "")
    parts = whole[whole.index("<UpdateIdentity") : -len("</Update>")]
    for name in ("UpdateIdentity", "Properties", "LocalizedPropertiesCollection", "Relationships",
                 "Files", "EulaFiles", "ApplicabilityRules"):  # fmt: skip
        parts = parts.replace(f"<{name}", f'<{name} xmlns="{writing.SPACE}"', 1)
    body = (
        f"<Files>{writing.file_map(UPDATES)}</Files>"
        f"<Updates>{writing.update_element(UPDATE, escape(parts))}</Updates>"
    )

    *_, update, _ = read(writing.write(tmp_path / "p.xml.gz", writing.document(body)))

    assert isinstance(update, PackageUpdate)
    assert update.metadata.title == UPDATE.title
    assert len(update.metadata.files) == 4


def test_the_end_tells_bytes_and_digest(tmp_path: Path) -> None:
    path = writing.write_package(tmp_path / "p.xml.gz", UPDATES)

    *_, end = read(path)

    assert end == PackageEnd(
        package_bytes=path.stat().st_size,
        xml_bytes=len(writing.package_xml(UPDATES).encode()),
        blake3=Blake3(blake3(path.read_bytes()).digest()),
    )


def test_gzip_members_and_trailing_zeros_are_one_stream(
    usual: list[PackageItem], tmp_path: Path
) -> None:
    raw = writing.package_xml(UPDATES).encode()
    path = tmp_path / "p.xml.gz"
    path.write_bytes(
        gzip.compress(raw[:700]) + gzip.compress(b"") + gzip.compress(raw[700:]) + bytes(512)
    )

    assert content(read(path)) == content(usual)


@pytest.mark.parametrize(
    ("titles", "default", "expected"),
    [
        ({"en": "English", "de": "Deutsch"}, "de", "Deutsch"),
        ({"ja": "日本語", "en": "English"}, "fr", "English"),
        ({"ja": "日本語", "ar": "عربي"}, "fr", "日本語"),
        ({"en": "", "de": "Deutsch"}, "en", "Deutsch"),
        ({"en": "two\n  lines\tand a tab"}, "en", "two lines and a tab"),
        ({"en": "x" * 5_000}, "en", "x" * 1_000),
        ({}, "en", ""),
    ],
)
def test_the_title_is_the_default_one_then_english_then_any(
    titles: dict[str, str], default: str, expected: str, tmp_path: Path
) -> None:
    update = Update(1, titles=titles, default_language=default)

    *_, found, _ = read(writing.write_package(tmp_path / "p.xml.gz", [update]))

    assert isinstance(found, PackageUpdate)
    assert found.metadata.title == expected


@pytest.mark.parametrize(
    ("kb", "title", "expected"),
    [
        ("5031234", "", "KB5031234"),
        ("KB5031234", "", "KB5031234"),
        ("", "Update for Windows (KB890830)", "KB890830"),
        ("=cmd|' /C calc'!A0", "Something", ""),
        ("", "no number KBABC", ""),
    ],
)
def test_the_kb_number_is_a_number(kb: str, title: str, expected: str, tmp_path: Path) -> None:
    *_, found, _ = read(writing.write_package(tmp_path / "p", [Update(1, kb=kb, title=title)]))

    assert isinstance(found, PackageUpdate)
    assert found.metadata.kb == expected


def _broken(old: str, new: str) -> str:
    plain = writing.package_xml(UPDATES)
    assert old in plain
    return plain.replace(old, new)


BROKEN = {
    "another version": (_broken('FormatVersion="1.0"', 'FormatVersion="2.0"'), "FormatVersion"),
    "no version": (_broken('FormatVersion="1.0"', ""), "FormatVersion"),
    "another root": ("<html/>", "root element"),
    "a root in a namespace": (
        _broken("<ExportPackage ", "<ExportPackage xmlns='urn:x' "),
        "root element",
    ),
    "no server id": (_broken("ServerID", "Server"), "ServerID"),
    "no time": (_broken("2026-02-03T04:05:06Z", "yesterday"), "CreationTime"),
    "a time before time": (
        _broken("2026-02-03T04:05:06Z", "0001-01-01T00:00:00+23:00"),
        "Creation",
    ),
    "an update id that is none": (_broken(writing.guid(1), "../../x"), "GUID"),
    "a revision that is no number": (_broken('RevisionNumber="200"', 'RevisionNumber="-1"'), "Rev"),
    "a revision of 5,000 digits": (
        _broken('RevisionNumber="200"', f'RevisionNumber="{"9" * 5000}"'),
        "RevisionNumber",
    ),
    "a digest too short": (
        _broken(writing.b64(File("full.CAB").sha1), writing.b64(b"short")),
        "20 bytes",
    ),
    "a digest that is no base64": (
        _broken(writing.b64(File("full.CAB").sha1), "*" * 28),
        "20 bytes",
    ),
    "a mapped file without address": (_broken("MUUrl", "Url"), "MUUrl"),
    "no metadata": (_broken("MetaData", "Meta"), "no MetaData"),
    "empty metadata": (
        writing.document(f"<Updates>{writing.update_element(Update(1), '')}</Updates>"),
        "empty",
    ),
    "metadata that is text": (
        writing.document(f"<Updates>{writing.update_element(Update(1), 'hello')}</Updates>"),
        "no element",
    ),
    "metadata that is not well-formed": (
        writing.document(f"<Updates>{writing.update_element(Update(1), '&lt;a')}</Updates>"),
        "MetaData of update",
    ),
    "metadata of another update": (
        writing.document(
            "<Updates>"
            + writing.update_element(Update(1), escape(writing.update_xml(Update(2))))
            + "</Updates>"
        ),
        "of another update",
    ),
    "files without a map": (
        _broken(f"<Files>{writing.file_map(UPDATES)}</Files>", ""),
        "no file map",
    ),
    "the map after the updates": (
        _broken("</Updates>", f"</Updates><Files>{writing.file_map(UPDATES)}</Files>"),
        "after the updates",
    ),
    "a language after the updates": (
        _broken("</Updates>", f"</Updates><Languages>{writing.LANGUAGES}</Languages>"),
        "after the updates",
    ),
    "elements that are not closed": (writing.package_xml(UPDATES)[:-16], "does not reach"),
    "more than one document": (writing.package_xml(UPDATES) * 2, "well-formed"),
    "nothing at all in the gzip": ("", "no element found|no root|Document is empty"),
    "an entity that nobody declared": (_broken("<Updates>", "&x;<Updates>"), "undefined entity"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_certain_is_demanded(case: str, tmp_path: Path) -> None:
    text, expected = BROKEN[case]
    path = writing.write(tmp_path / "p.xml.gz", text)

    with pytest.raises(PackageError, match=expected):
        read(path)


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="cannot be read"):
        read(tmp_path / "p.xml.gz")


def test_progress_counts_the_bytes_of_the_package(tmp_path: Path) -> None:
    path = writing.write_package(tmp_path / "p.xml.gz", UPDATES)
    calls: list[object] = []

    class Counting:
        def start(self, step: str, *, total: int | None, unit: str, resumed_at: int = 0) -> None:
            calls.append((step, total, unit, resumed_at))

        def advance(self, amount: int) -> None:
            calls.append(amount)

        def check(self, amount: int) -> None:
            raise AssertionError(amount)

        def finish(self) -> None:
            calls.append("end")

    list(read_package(path, progress=Counting()))

    size = path.stat().st_size
    assert calls == [("Read metadata package", size, "bytes", 0), size, "end"]
