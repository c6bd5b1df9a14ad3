"""Each key of a TOML text is found on the line where it is written."""

from __future__ import annotations

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from tasks.site.lines import key_lines, line_of

_NAMES = st.text("abc-_", min_size=1, max_size=4)
_ODD_NAMES = st.text(min_size=1, max_size=4).map(lambda name: json.dumps(name, ensure_ascii=True))
_VALUES = st.sampled_from(
    ["1", "true", '"text"', "'lit # eral'", "[1, 2]", "{ inner = 1 }", "2026-01-31",
     '[ # comment\n "]",\n]', '"""\n[table]\nkey = 1\n"""', "'''\nx = '\n'''"]
)  # fmt: skip
_PADDING = st.sampled_from(["", "\n", "# comment = 1\n", "  \n", "# [table]\n\n"])


@given(
    st.dictionaries(
        _NAMES | _ODD_NAMES.filter(lambda name: "\\u0000" not in name and "\\ud" not in name),
        st.dictionaries(_NAMES, st.tuples(_PADDING, _VALUES), max_size=4),
        max_size=4,
    )
)
def test_every_key_stands_on_the_line_that_is_given(
    tables: dict[str, dict[str, tuple[str, str]]],
) -> None:
    text = ""
    expected: dict[tuple[str, ...], int] = {}
    for table, keys in tables.items():
        (name,) = tomllib.loads(f"{table} = 1")
        if (name,) in expected:
            return  # two spellings of one name are no TOML
        expected[(name,)] = text.count("\n") + 1
        text += f"[{table}]\n"
        for key, (padding, value) in keys.items():
            text += padding
            expected[(name, key)] = text.count("\n") + 1
            text += f"{key} = {value}\n"

    lines = key_lines(text)

    assert {path: line for path, line in lines.items() if path[-1] != "inner"} == expected


def test_dotted_keys_inner_tables_and_arrays_of_tables_have_lines() -> None:
    lines = key_lines("a.b = 1\nc = { d = { e = 2 } }\n[f.g]\nh = 1\n[[i]]\nj = 1\n[[i]]\nj = 2\n")

    assert lines == {
        ("a",): 1, ("a", "b"): 1, ("c",): 2, ("c", "d"): 2, ("c", "d", "e"): 2,
        ("f",): 3, ("f", "g"): 3, ("f", "g", "h"): 4, ("i",): 5, ("i", "j"): 6,
    }  # fmt: skip


def test_what_is_not_written_has_the_line_of_what_is_around_it() -> None:
    lines = key_lines('x = 1\n[trust]\nkeys = [\n "a",\n]\r\n')

    assert line_of(("trust", "keys", 0), lines) == 3
    assert line_of(("trust", "threshold"), lines) == 2
    assert line_of(("media", "path"), lines) is None
