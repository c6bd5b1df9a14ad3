"""Foreign text stays text in every form: laws."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import quantities
from tasks.reports import text
from tasks.visible import visible
from tests.reports.examples import HOSTILE

TEXTS = st.text(max_size=60) | st.text("=+-@|`*_<>&[]()\\\r\n\t\u202e\x00a ", max_size=30)
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(TEXTS)
def test_what_is_shown_can_be_seen(foreign: str) -> None:
    shown = visible(foreign)

    assert not {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"} & INVISIBLE
    assert visible(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("plain title", "plain title"),
        ("日本語 عربي 😀", "日本語 عربي 😀"),
        ("a\nb\tc\x1b[31m", "a[U+000A]b[U+0009]c[U+001B][31m"),
        ("gpj\u202eexe", "gpj[U+202E]exe"),
        ("half\ud800", "half[U+D800]"),
        ("\u2066x\u2069\ufeff\u00ad", "[U+2066]x[U+2069][U+FEFF][U+00AD]"),
        ("👩\u200d💻 می\u200cخواهم", "👩\u200d💻 می\u200cخواهم"),
    ],
)
def test_invisible_characters_are_written_out(foreign: str, shown: str) -> None:
    assert visible(foreign) == shown


def unescape_markdown(written: str) -> str:
    """What a CommonMark viewer shows of escaped text; fails on a mark that is not escaped."""
    shown, rest = "", written
    while rest:
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            if rest.startswith(entity):
                shown, rest = shown + character, rest[len(entity) :]
                break
        else:
            if rest[0] == "\\":
                shown, rest = shown + rest[1], rest[2:]
            else:
                assert not (rest[0].isascii() and unicodedata.category(rest[0])[0] in "PS"), rest
                shown, rest = shown + rest[0], rest[1:]
    return shown


@given(TEXTS)
def test_markdown_shows_the_text_itself(foreign: str) -> None:
    assert unescape_markdown(text.markdown(foreign)) == visible(foreign)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_csv_cells_are_never_formulas_and_keep_their_text(cells: list[str]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerow([text.csv_text(cell) for cell in cells])

    (row,) = csv.reader(io.StringIO(written.getvalue(), newline=""))

    for cell, foreign in zip(row, cells, strict=True):
        assert cell.lstrip()[:1] not in set("=+-@＝＋－＠\t\r")
        assert cell.removeprefix("'") == visible(foreign).removeprefix("'")


def test_a_hostile_title_is_harmless_everywhere() -> None:
    assert text.csv_text(HOSTILE).startswith("'=")
    assert "<script" not in text.markdown(HOSTILE)
    assert "\\[a\\]\\(javascript" in text.markdown(HOSTILE)
    assert "\u202e" not in visible(HOSTILE)


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (23_456_789_012, "23.5 GB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes_are_in_powers_of_a_thousand(size_bytes: int, shown: str) -> None:
    assert quantities.size(size_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.9, "1 min 00 s"),
        (3_599, "59 min 59 s"),
        (7_620, "2 h 07 min"),
    ],
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert quantities.duration(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 files"), (1, "1 file"), (1_234_567, "1,234,567 files")]
)
def test_numbers_take_their_noun(number: int, shown: str) -> None:
    assert quantities.count(number, "file") == shown
