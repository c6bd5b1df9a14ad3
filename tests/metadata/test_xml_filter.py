"""What nobody needs of an update is left out before parsing, and nothing else changes by that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import PackageError
from tasks.metadata.limits import Limits
from tasks.metadata.model import PackageUpdate
from tasks.metadata.package import read_package
from tasks.metadata.update_xml import UpdateReader
from tasks.metadata.xml_filter import RULES as RULES_NAME
from tasks.metadata.xml_filter import FilterError, XmlFilter
from tests.metadata import writing
from tests.metadata.writing import SPACE, File, Update

FORMS = {
    "escaped": escape,
    "inline": lambda xml: xml,
    "section": lambda xml: f"<![CDATA[{xml.replace(']]>', ']]]]><![CDATA[>')}]]>",
}
EMPTY = "<upd:ApplicabilityRules></upd:ApplicabilityRules>"
UPDATES = (
    Update(1, titles={"en": "Title", "de": "Titel", "ja": "題"}, files=(File("a.cab"),)),
    Update(2, title="Second", files=(File("b.cab"),)),
)
# Whatever well-formed rules can have in them, above all what looks like their end.
RULES = st.lists(
    st.sampled_from(
        [
            "<b:Rule xmlns:b='urn:b' x='/>'/>",
            "<b:Rule xmlns:b='urn:b' x='&lt;!-- &lt;/upd:ApplicabilityRules>'></b:Rule>",
            "<!-- </upd:ApplicabilityRules> -->",
            "<!-- <upd:ApplicabilityRules> -->",
            "<![CDATA[ </upd:ApplicabilityRules> <upd:ApplicabilityRules> ]]>",
            "<?x </upd:ApplicabilityRules> ?>",
            "<upd:ApplicabilityRules><b:x xmlns:b='urn:b'/></upd:ApplicabilityRules>",
            "<upd:ApplicabilityRules/>",
            "<upd:ApplicabilityRulesOld></upd:ApplicabilityRulesOld>",
            "<upd:Files><upd:File Digest='no'/></upd:Files>",
            "text ! and ? and ApplicabilityRules and > ",
            "&lt;/upd:ApplicabilityRules&gt; &amp;lt;!--",
            "<upd:LocalizedProperties></upd:LocalizedProperties>",
        ]
    ),
    max_size=8,
)


def package(metadata: list[str]) -> str:
    elements = map(writing.update_element, UPDATES, metadata)
    return writing.document(
        f"<Files>{writing.file_map(UPDATES)}</Files><Updates>{''.join(elements)}</Updates>"
    )


def with_rules(rules: str) -> list[str]:
    """The XML of the updates with other rules."""
    documents = map(writing.update_xml, UPDATES)
    return [
        document[: document.index("<upd:ApplicabilityRules>")]
        + f"<upd:ApplicabilityRules>{rules}</upd:ApplicabilityRules></upd:Update>"
        for document in documents
    ]


def updates(path: Path, limits: Limits | None = None) -> list[PackageUpdate]:
    items = read_package(path, limits=limits or Limits())
    return [item for item in items if isinstance(item, PackageUpdate)]


@given(rules=RULES, form=st.sampled_from(sorted(FORMS)), piece_bytes=st.integers(1, 400))
def test_rules_change_nothing_that_is_read(
    rules: list[str], form: str, piece_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    plain = writing.write(folder / "plain", package(list(map(escape, with_rules("")))))
    text = package(list(map(FORMS[form], with_rules("".join(rules)))))
    path = writing.write(folder / "rules", text)

    assert updates(path, Limits(piece_bytes=piece_bytes)) == updates(plain)


@pytest.mark.parametrize("form", ["escaped", "inline"])
@pytest.mark.parametrize(
    "rules",
    ["<!-- no end", "<![CDATA[ no end", "<?x no end", "<upd:ApplicabilityRules>", "<!DOCTYPE x>"],
)
def test_rules_without_end_never_swallow_the_next_update(
    rules: str, form: str, tmp_path: Path
) -> None:
    first, second = with_rules("")
    broken = first.replace("<upd:ApplicabilityRules>", f"<upd:ApplicabilityRules>{rules}")
    # What looks like the end is in the second update.
    second = second.replace("Second", "<![CDATA[ --> ]]>") + "<?x ?>"
    path = writing.write(tmp_path / "p", package(list(map(FORMS[form], (broken, second)))))

    with pytest.raises(PackageError, match=r"update .*1 revision 1|well-formed"):
        updates(path)


def test_the_rules_of_an_update_are_needless() -> None:
    reader = UpdateReader(Limits())
    reader.open()
    told = []
    for name in ("Update", "Properties"):
        reader.start(f"{SPACE} {name}", {})
        told.append(reader.needless())
    reader.end("Properties")
    reader.start(f"{SPACE} {RULES_NAME}", {})
    told.append(reader.needless())
    assert told == ["", "", RULES_NAME]


def test_what_is_left_out_does_not_reach_the_parser() -> None:
    parsed = bytearray()
    answers = iter(("", "ApplicabilityRules", "", ""))
    rules = escape("<upd:ApplicabilityRules a='1'><x/><!-- --></upd:ApplicabilityRules>")
    xml_filter = XmlFilter(parsed.extend, lambda _: next(answers))

    for at in range(0, 400, 7):
        xml_filter.feed(f"before {rules} behind {'.' * 300}".encode()[at : at + 7])
    xml_filter.close()

    opening = escape("<upd:ApplicabilityRules a='1'>")
    closing = escape("</upd:ApplicabilityRules>")
    assert bytes(parsed).rstrip(b".") == f"before {opening}{closing} behind ".encode()


def test_an_end_without_the_end_of_the_part_is_refused() -> None:
    answers = iter(("", "ApplicabilityRules"))
    xml_filter = XmlFilter(lambda _: None, lambda _: next(answers))
    xml_filter.feed(b"<ApplicabilityRules>" + b" " * 1_000)

    with pytest.raises(FilterError, match="does not end"):
        xml_filter.close()


MEASURE = """
import sys
from pathlib import Path
from tasks.metadata.index import index_package
from tests.support.memory import peak_mib
before = peak_mib()
summary = index_package(Path(sys.argv[1]), Path(sys.argv[2]))
print(summary.xml_bytes, peak_mib() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no figure for peak memory")
@pytest.mark.parametrize(("form", "megabytes"), [("escaped", 20), ("inline", 6), ("section", 6)])
def test_an_update_of_any_size_takes_little_memory(
    form: str, megabytes: int, tmp_path: Path
) -> None:
    line = "<assemblyIdentity name='Microsoft-Windows-Shell' version='10.0.22621.1'/>" * 14
    rules = f"<x xmlns='urn:x'>{line * (megabytes * 1_000)}</x>"
    assert len(rules) > megabytes * 1_000_000
    path = writing.write(tmp_path / "p", package(list(map(FORMS[form], [
        with_rules(rules)[0], with_rules("")[1],
    ]))))  # fmt: skip

    command = [sys.executable, "-c", MEASURE, str(path), str(tmp_path / "index")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)

    xml_bytes, grown_mib = done.stdout.split()
    assert int(xml_bytes) > megabytes * 1_000_000
    assert float(grown_mib) < 30


def test_titles_in_other_languages_are_left_out_only_behind_the_default(tmp_path: Path) -> None:
    texts = "".join(
        f"<upd:LocalizedProperties><upd:Language>{code}</upd:Language><upd:Title>{code} title"
        "</upd:Title></upd:LocalizedProperties>"
        for code in ("ar", "en", "de")
    )
    xml = (
        f'<upd:Update xmlns:upd="{SPACE}"><upd:Properties DefaultPropertiesLanguage="en"/>'
        f"<upd:LocalizedPropertiesCollection>{texts}</upd:LocalizedPropertiesCollection>"
        "</upd:Update>"
    )
    body = f"<Updates>{writing.update_element(Update(1), escape(xml))}</Updates>"

    (update,) = updates(writing.write(tmp_path / "p", writing.document(body)))

    assert update.metadata.title == "en title"
