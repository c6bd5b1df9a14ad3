"""Licence terms are recognised wherever they are named, and an unknown language parks nothing."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from tasks.content.content_listing import PresentFile
from tasks.content.names import ContentDigest
from tasks.metadata.audit import ContentView, Provenance, find_missing, without_trace
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice, read_closures
from tasks.metadata.index import index_package
from tasks.metadata.license_files import UNKNOWN_LANGUAGE, language_in_name
from tasks.revision import RevisionId
from tests.metadata import writing
from tests.metadata.writing import SPACE, Update, guid

CODES = ("en", "de", "fr", "ja", "pt-br")
KEY = RevisionId(guid(1), 1)
CHOICE = ContentChoice(languages=frozenset({"en", "de"}), express=False)


def original_name(code: str) -> str:
    return f"someeulapriv-{code}-717c6af4-d907-42d7-9375-2ca8f225f953.txt"


def digest(name: str) -> str:
    return base64.b64encode(hashlib.sha1(name.encode()).digest()).decode()


def file_of(
    code: str, *, tag: str = "File", name: str = "", inside: str = "", more: str = ""
) -> str:
    name = name or original_name(code)
    return (
        f'<{tag} Digest="{digest(code)}" DigestAlgorithm="SHA1" FileName="{name}" Size="9"{more}>'
        f"{inside}</{tag}>"
    )


def update_with(*, eula: str = "", localized: str = "", files: str = "") -> str:
    payload = f'<File Digest="{digest("payload")}" FileName="a.cab" Size="5"/>'
    return (
        f'<Update xmlns="{SPACE}"><Properties DefaultPropertiesLanguage="en" EulaID="{guid(9)}"/>'
        f"<LocalizedPropertiesCollection>{localized}</LocalizedPropertiesCollection>"
        f"<Files>{payload}{files}</Files>{eula}</Update>"
    )


def text_in(code: str, terms: str) -> str:
    return (
        f"<LocalizedProperties><Language>{code}</Language><Title>{code}</Title>{terms}"
        "</LocalizedProperties>"
    )


PLACES = {
    "EulaFiles, language as element": update_with(
        eula=f"""<EulaFiles>{"".join(
            file_of(c, name="eula.txt", inside=f"<Language>{c}</Language>") for c in CODES
        )}</EulaFiles>"""
    ),
    "EulaFiles, language as attribute": update_with(
        eula=f"""<EulaFiles>{"".join(
            file_of(c, name="eula.txt", more=f' Language="{c}"') for c in CODES
        )}</EulaFiles>"""
    ),
    "EulaFiles, language as the offline scan file has it": update_with(
        eula=f"""<EulaFiles>{"".join(
            file_of(c, name="eula.txt", inside=f'<Language Name="{c}"/>') for c in CODES
        )}</EulaFiles>"""
    ),
    "EulaFiles, EulaFile": update_with(
        eula=f"<EulaFiles>{''.join(file_of(c, tag='EulaFile') for c in CODES)}</EulaFiles>"
    ),
    "localised texts": update_with(
        localized="".join(
            text_in(c, f"<EulaFiles>{file_of(c, name='eula.txt')}</EulaFiles>") for c in CODES
        )
    ),
    "only among the files": update_with(files="".join(map(file_of, CODES))),
    "only in the package's list": update_with(),
}  # fmt: skip


def write(folder: Path, xml: str, *, names: dict[str, str]) -> Path:
    """A package whose map has the original names of the licence terms in the addresses."""
    mapped = "".join(
        f'<File Digest="{digest(code)}" MUUrl="http://x.example/eula/{name}" Name=""/>'
        for code, name in (names | {"payload": "a.cab"}).items()
    )
    listed = "".join(f'<File Digest="{digest(code)}"/>' for code in (*names, "payload"))
    element = writing.update_element(Update(1), escape(xml)).replace(
        "<Files></Files>", f"<Files>{listed}</Files>"
    )
    body = f"<Files>{mapped}</Files><Updates>{element}</Updates>"
    return writing.write(folder / "p", writing.document(body))


def sha1(code: str) -> ContentDigest:
    return ContentDigest(hashlib.sha1(code.encode()).digest())


@pytest.mark.parametrize("place", PLACES)
def test_only_terms_in_enabled_languages_are_needed_wherever_they_are_named(
    place: str, tmp_path: Path
) -> None:
    names = {code: original_name(code) for code in CODES}
    index_package(write(tmp_path, PLACES[place], names=names), tmp_path / "i")

    with PackageIndex(tmp_path / "i") as index:
        (closure,) = read_closures(index, [KEY], CHOICE)

    kinds = {needed.name.digest: (needed.kind, needed.language) for needed in closure.files}
    assert kinds == {
        sha1("payload"): ("payload", ""),
        sha1("en"): ("license", "en"),
        sha1("de"): ("license", "de"),
    }


@pytest.mark.parametrize("place", [each for each in PLACES if "package" not in each])
def test_each_place_tells_the_language_by_itself(place: str, tmp_path: Path) -> None:
    names = {code: f"{number}.txt" for number, code in enumerate(CODES)}  # the package tells none
    index_package(write(tmp_path, PLACES[place], names=names), tmp_path / "i")

    with PackageIndex(tmp_path / "i") as index:
        (closure,) = read_closures(index, [KEY], CHOICE)

    languages = {needed.language for needed in closure.files if needed.kind == "license"}
    assert languages == {"en", "de"}


NAMELESS = {code: f"{number}.txt" for number, code in enumerate(CODES)}


@pytest.fixture
def unknown(tmp_path: Path) -> PackageIndex:
    """An update whose licence terms have no language anywhere."""
    files = "".join(file_of(code, name=name) for code, name in NAMELESS.items())
    path = write(tmp_path, update_with(eula=f"<EulaFiles>{files}</EulaFiles>"), names=NAMELESS)
    index_package(path, tmp_path / "i")
    return PackageIndex(tmp_path / "i")


def test_terms_in_an_unknown_language_that_staging_never_had_are_not_missing(
    unknown: PackageIndex,
) -> None:
    def find(digest: ContentDigest) -> PresentFile | None:
        return PresentFile(5, is_valid=None) if digest == sha1("payload") else None

    with unknown as index:
        (closure,) = read_closures(index, [KEY], CHOICE)
        missing = list(find_missing(index, [KEY], ContentView(CHOICE, find, without_trace)))

    assert {needed.language for needed in closure.files} == {"", UNKNOWN_LANGUAGE}
    assert missing == []


def test_terms_in_an_unknown_language_that_staging_has_are_missing(unknown: PackageIndex) -> None:
    def find(digest: ContentDigest) -> PresentFile | None:
        return PresentFile(5, is_valid=None) if digest == sha1("payload") else None

    def provenance(digest: ContentDigest) -> Provenance:
        has_it = digest == sha1("de")
        return Provenance.HELD_BY_STAGING if has_it else Provenance.NEVER_HELD

    with unknown as index:
        view = ContentView(CHOICE, find, provenance)
        missing = [file.file for file in find_missing(index, [KEY], view)]

    assert missing == [f"{sha1('de').hex}.txt"]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("someeulapriv-no-717c6af4-d907-42d7-9375-2ca8f225f953.txt", "no"),
        ("x-EULA-PT-BR-717C6AF4-D907-42D7-9375-2CA8F225F953.TXT", "pt-br"),
        ("x-zh-hk-717c6af4-d907-42d7-9375-2ca8f225f953.rtf", "zh-hk"),
        ("x-ja-nec-717c6af4-d907-42d7-9375-2ca8f225f953.txt", "ja-nec"),
        ("terms.txt", ""),
        ("x-no-717c6af4.txt", ""),
        ("x-no-717c6af4-d907-42d7-9375-2ca8f225f953.cab", ""),
    ],
)
def test_the_language_of_terms_is_in_their_original_name(name: str, language: str) -> None:
    assert language_in_name(name) == language
