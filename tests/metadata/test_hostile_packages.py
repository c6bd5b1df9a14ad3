"""Packages that an enemy wrote are refused in bounded time and memory."""

from __future__ import annotations

import gzip
import io
import random
import re
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import PackageError, PackageLimitError
from tasks.metadata.limits import Limits
from tasks.metadata.model import PackageUpdate
from tasks.metadata.package import read_package
from tests.metadata import writing
from tests.metadata.writing import File, Update

ENTITIES = (
    '<!DOCTYPE ExportPackage [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
)
EXTERNAL = '<!DOCTYPE ExportPackage [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def refuse(path: Path, expected: str, limits: Limits | None = None) -> None:
    begun = time.process_time()
    with pytest.raises(PackageError) as caught:
        for _ in read_package(path, limits=limits or Limits()):
            pass
    # The reason alone: the path in the sentence has the name of the test in it.
    assert re.search(expected, str(caught.value.facts["reason"])), caught.value
    assert time.process_time() - begun < 20  # whatever else the machine does


@pytest.mark.parametrize(
    "doctype",
    [
        ENTITIES,
        EXTERNAL,
        "<!DOCTYPE ExportPackage>",
        '<!DOCTYPE ExportPackage SYSTEM "http://x/d">',
    ],
)
def test_a_doctype_is_refused(doctype: str, tmp_path: Path) -> None:
    text = writing.document("<Updates>&x;&b;</Updates>", doctype=doctype)

    refuse(writing.write(tmp_path / "p", text), "DOCTYPE")


def test_a_doctype_in_utf_16_is_refused(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-16"?>' + writing.document("", doctype=EXTERNAL)

    refuse(writing.write(tmp_path / "p", text.encode("utf-16")), "DOCTYPE")


def test_a_doctype_inside_the_metadata_is_refused(tmp_path: Path) -> None:
    metadata = escape(f'<?xml version="1.0"?>{ENTITIES}<Update>&b;</Update>')
    body = f"<Updates>{writing.update_element(Update(1), metadata)}</Updates>"

    refuse(writing.write(tmp_path / "p", writing.document(body)), "MetaData of update")


def test_a_prolog_without_end_is_refused(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(600_000).hex()

    refuse(writing.write(tmp_path / "p", f"<!-- {noise} --><ExportPackage/>"), "no root element")


@pytest.mark.parametrize("cut", [1, 10, 50, 4_000, -1, -4, -9])
def test_a_truncated_package_is_refused(cut: int, tmp_path: Path) -> None:
    updates = [Update(n, title=f"Title {n} " * 9, files=(File(f"{n}.cab"),)) for n in range(200)]
    path = writing.write_package(tmp_path / "p", updates)
    path.write_bytes(path.read_bytes()[:cut])

    refuse(path, "truncated")


def test_an_empty_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.touch()

    refuse(path, "empty")


def test_what_is_not_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_text(writing.package_xml([]), encoding="utf-8")

    refuse(path, "not whole gzip")


def test_junk_after_the_gzip_is_refused(tmp_path: Path) -> None:
    path = writing.write_package(tmp_path / "p", [])
    path.write_bytes(path.read_bytes() + b"junk")

    refuse(path, "not whole gzip")


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = writing.write_package(tmp_path / "p", [Update(n, title="x") for n in range(50)])
    whole = path.read_bytes()
    seed = random.Random(5)
    for _ in range(60):
        raw = bytearray(whole)
        # The ten bytes of gzip's own header hold a time, flags and a system that change nothing.
        raw[seed.randrange(10, len(raw))] ^= 1 << seed.randrange(8)
        path.write_bytes(raw)
        with pytest.raises(PackageError):
            list(read_package(path))


def test_a_gzip_bomb_is_refused_early(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    head = writing.document("")[: -len("</ExportPackage>")].encode()
    # Small elements, each taken and forgotten: no limit but that on the ratio sees anything.
    language = b'<Language ShortName="en" Enabled="1"/>'
    with (tmp_path / "p").open("wb") as file:
        file.write(packer.compress(head + b"<Languages>"))
        for _ in range(256):
            file.write(packer.compress(language * (1024**2 // len(language))))
        file.write(packer.flush())

    limits = Limits(free_bytes=1024**2, ratio=50, languages=10**9)
    refuse(tmp_path / "p", "bomb", limits)


def test_a_package_that_packs_as_real_ones_do_is_no_bomb(tmp_path: Path) -> None:
    """Real catalogues pack up to 1:112, so the limit has to be well above."""
    rules = "<b:Installed xmlns:b='urn:b' Name='Windows' Version='10.0.22621.1'/>" * 3_000
    elements = []
    for number in range(20):
        update = Update(number, title=random.Random(number).randbytes(50).hex())
        document = writing.update_xml(update)
        at = document.index("</upd:ApplicabilityRules>")
        elements.append(
            writing.update_element(update, escape(document[:at] + rules + document[at:]))
        )
    text = writing.document(f"<Updates>{''.join(elements)}</Updates>")
    path = tmp_path / "p"
    path.write_bytes(gzip.compress(text.encode(), 9))
    assert 112 < len(text) / path.stat().st_size < 380

    items = list(read_package(path, limits=Limits(free_bytes=1)))

    assert sum(isinstance(item, PackageUpdate) for item in items) == 20


def test_a_limit_on_all_xml_holds(tmp_path: Path) -> None:
    text = writing.package_xml([Update(n) for n in range(100)])

    limits = Limits(plain_bytes=len(text) - 1)
    refuse(writing.write(tmp_path / "p", text), "of XML", limits)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<Junk/>", "more than 1.0 MB"),
        ("x" * 8, "more than 1.0 MB"),
        ("<Update>", "deeper than 256"),
        ("<MetaData>", "deeper than 256"),
    ],
)
def test_one_endless_element_is_refused(inside: str, expected: str, tmp_path: Path) -> None:
    body = f'<Updates><Update UpdateId="{writing.guid(1)}" RevisionNumber="1">' + inside * 200_000
    limits = Limits(element_bytes=1024**2, piece_bytes=64 * 1024)

    refuse(writing.write(tmp_path / "p", writing.document(body)), expected, limits)


@pytest.mark.parametrize("where", ["package", "metadata"])
def test_deep_nesting_is_refused(where: str, tmp_path: Path) -> None:
    deep = "<a>" * 300_000 + "</a>" * 300_000
    if where == "metadata":
        deep = f"<Updates>{writing.update_element(Update(1), escape(deep))}</Updates>"

    refuse(writing.write(tmp_path / "p", writing.document(deep)), "deeper than 256")


def test_a_giant_attribute_is_refused(tmp_path: Path) -> None:
    body = f"<Files><File Digest='{'A' * 30_000_000}' MUUrl='x'/></Files>"

    refuse(writing.write(tmp_path / "p", writing.document(body)), "one tag has more than")


def test_a_giant_title_costs_no_memory_and_is_cut(tmp_path: Path) -> None:
    path = writing.write_package(tmp_path / "p", [Update(1, title="A" * 12_000_000)])

    tracemalloc.start()
    *_, update, _ = read_package(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(update, PackageUpdate)
    assert update.metadata.title == "A" * 1_000
    assert peak_bytes < 8_000_000


@pytest.mark.parametrize("form", ["escaped", "inline"])
def test_names_without_number_are_refused(form: str, tmp_path: Path) -> None:
    # The parser keeps every different name, so these would fill the memory.
    junk = "".join(f"<junk{n:090}/>" for n in range(50_000))
    xml = f"<Update>{junk}</Update>"
    metadata = escape(xml) if form == "escaped" else xml
    body = f"<Updates>{writing.update_element(Update(1), metadata)}</Updates>"

    refuse(writing.write(tmp_path / "p", writing.document(body)), "different names")


def test_an_update_with_too_many_relations_is_refused(tmp_path: Path) -> None:
    path = writing.write_package(tmp_path / "p", [Update(1, supersedes=tuple(range(101)))])

    refuse(path, "more than 100 entries", Limits(entries=100))


def test_a_limit_names_the_update_and_blames_nobody(tmp_path: Path) -> None:
    path = writing.write_package(tmp_path / "p", [Update(1), Update(2, supersedes=(3, 4, 5))])

    with pytest.raises(PackageLimitError) as caught:
        list(read_package(path, limits=Limits(entries=2)))

    assert f"update {writing.guid(2)} revision 1" in caught.value.message
    assert "more than 2 entries" in caught.value.message
    assert "a limit of this program" in caught.value.message


PARTS = st.lists(
    st.sampled_from(
        [
            *b"< > & &lt; &x; <Update </Update> <Updates> <MetaData> <![CDATA[ ]]> <!--".split(),
            *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"<File Digest='"),
        ]
    )
    | st.binary(max_size=12),
    max_size=30,
)


@given(junk=PARTS, at=st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_junk_anywhere_is_a_package_error_or_harmless(
    junk: list[bytes], at: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = writing.package_xml([Update(1, title="x", files=(File("a.cab"),))]).encode()
    place = int(at * len(whole))
    path = tmp_path_factory.getbasetemp() / "fuzzed.xml.gz"
    writing.write(path, whole[:place] + b"".join(junk) + whole[place:])

    with suppress(PackageError):  # anything else that comes out is a fault
        list(read_package(path))


@given(raw=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.xml.gz"
    path.write_bytes(raw)

    with pytest.raises(PackageError):
        list(read_package(path))


def _big_package() -> Iterator[bytes]:
    """About 60 MB of XML: the map alone would fill memory if it were kept."""
    seed = random.Random(3)
    yield writing.document("").removesuffix("</ExportPackage>").encode() + b"<Files>"
    for _ in range(200):
        yield b"".join(
            b'<File Digest="%s" MUUrl="http://x/%d" Name="f.cab"/>'
            % (writing.b64(seed.randbytes(20)).encode(), seed.getrandbits(60))
            for _ in range(500)
        )
    yield b"</Files><Updates>"
    rules = escape(
        "<b:Rule xmlns:b='urn:b'>" + "<b:Version Is='10.0.19041.1'/>" * 250 + "</b:Rule>"
    )
    for number in range(4_000):
        xml = writing.update_xml(Update(number, title=f"Update {number}"))
        metadata = escape(xml.removesuffix("</upd:Update>")) + rules + "&lt;/upd:Update&gt;"
        yield writing.update_element(Update(number), metadata).encode()
    yield b"</Updates></ExportPackage>"


MEASURE = """
import sys
from pathlib import Path
from tasks.metadata.index import index_package
from tests.support.memory import peak_mib
index_package(Path(sys.argv[1]), Path(sys.argv[3]))
small = peak_mib()
summary = index_package(Path(sys.argv[2]), Path(sys.argv[3]))
print(summary.revisions, summary.xml_bytes, peak_mib() - small)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="getrusage is POSIX")
def test_memory_does_not_grow_with_the_package(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "big", "wb", compresslevel=1) as file:
        buffered = io.BufferedWriter(file, 1024**2)
        for part in _big_package():
            buffered.write(part)
        buffered.flush()
    writing.write_package(tmp_path / "small", [Update(n, title="x") for n in range(500)])
    command = [sys.executable, "-c", MEASURE]

    done = subprocess.run(
        [*command, tmp_path / "small", tmp_path / "big", tmp_path / "index"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    revisions, xml_bytes, grown_mib = done.stdout.split()
    assert int(revisions) == 4_000
    assert int(xml_bytes) > 50_000_000
    assert float(grown_mib) < 40


@pytest.mark.parametrize(
    ("body", "limits", "sentence"),
    [
        ('<Languages><Language ShortName="en"/><Language ShortName="de"/></Languages>',
         Limits(languages=1), "more than 1 Language elements"),
        (f'<Languages><Language ShortName="{"x" * 2_001}"/></Languages>', None,
         "more than 2000 characters"),
        (f'<Files><File Digest="{"A" * 27}=" MUUrl="http://x/a" Name="{"x" * 2_001}.cab"/></Files>',
         None, "more than 2000 characters"),
        (f'<Files><File Digest="{"A" * 27}=" MUUrl="http://x/{"x" * 2_001}"/></Files>', None,
         "more than 2000 characters"),
        (f'<Files>{f"""<File Digest="{"A" * 27}=" MUUrl="http://x/a"/>""" * 3}</Files>',
         Limits(mapped_files=2), "more than 2 File elements"),
    ],
    ids=["languages", "a language's code", "a file's name", "a file's address", "mapped files"],
)  # fmt: skip
def test_what_the_index_would_keep_is_counted_and_measured_first(
    body: str, limits: Limits | None, sentence: str, tmp_path: Path
) -> None:
    refuse(writing.write(tmp_path / "p", writing.document(body)), sentence, limits)


def test_more_updates_than_the_format_allows_are_refused(tmp_path: Path) -> None:
    elements = "".join(
        writing.update_element(Update(number), escape("<Update><Properties/></Update>"))
        for number in range(3)
    )
    text = writing.document(f"<Updates>{elements}</Updates>")

    refuse(writing.write(tmp_path / "p", text), "more than 2 Update", Limits(revisions=2))
