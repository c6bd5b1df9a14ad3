"""The manifest: one spelling, one order, and comparisons by walking along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.bundle.manifest import (
    LINE_LIMIT_BYTES,
    Entry,
    Part,
    compare_sorted,
    line_bytes,
    parse_line,
    pieces_of,
    read_entries,
    subtract_missing,
    write_manifest,
)
from tasks.content.names import Blake3, ContentDigest
from tasks.refusals import TrustError

_SHA1 = st.binary(min_size=20, max_size=20).map(ContentDigest)
_BLAKE3 = st.binary(min_size=32, max_size=32).map(Blake3)
_SIZE = st.integers(0, 1 << 50)
_PARTS = st.lists(
    st.builds(
        Part,
        volume=st.integers(1, 100),
        size_bytes=st.integers(1, 1 << 40),
        sha1=_SHA1,
        blake3=_BLAKE3,
    ),
    min_size=2,
    max_size=4,
).map(tuple)


def _with_parts(entry: Entry, parts: tuple[Part, ...]) -> Entry:
    size_bytes = sum(part.size_bytes for part in parts)
    return entry.model_copy(
        update={"parts": parts, "volume": parts[0].volume, "size_bytes": size_bytes}
    )


_WHOLE = st.builds(
    Entry,
    sha1=_SHA1,
    extension=st.from_regex(r"([A-Za-z0-9][A-Za-z0-9_-]{0,15})?", fullmatch=True),
    size_bytes=_SIZE,
    blake3=_BLAKE3,
    volume=st.none() | st.integers(1, 100),
    parts=st.just(()),
)
ENTRIES = _WHOLE | st.builds(_with_parts, _WHOLE, _PARTS)
MANIFESTS = st.lists(ENTRIES, unique_by=lambda entry: entry.order, max_size=30).map(
    lambda entries: sorted(entries, key=lambda entry: entry.order)
)
_SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@_SHARED
@given(MANIFESTS)
def test_a_manifest_is_read_back_as_it_was_written(tmp_path: Path, entries: list[Entry]) -> None:
    path = tmp_path / "manifest.jsonl"

    summary = write_manifest(path, entries)

    assert list(read_entries(path)) == entries
    assert summary.files == len(entries)
    assert summary.carried_files == sum(entry.is_carried for entry in entries)
    assert summary.binding.size_bytes == path.stat().st_size


@given(ENTRIES)
def test_an_entry_has_one_line_and_its_length_is_foreseen(entry: Entry) -> None:
    line = entry.line()

    assert Entry.model_validate_json(line) == entry
    assert Entry.model_validate_json(line).line() == line
    assert len(line) <= line_bytes(entry.name, entry.size_bytes, parts=len(entry.parts))
    assert sum(piece.size_bytes for piece in pieces_of(entry)) in (0, entry.size_bytes)


@given(MANIFESTS, MANIFESTS, st.randoms())
def test_a_comparison_is_disjoint_complete_and_in_order(
    one: list[Entry], other: list[Entry], draw: object
) -> None:
    shared = one[::2]
    right = sorted({e.order: e for e in [*shared, *other]}.values(), key=lambda e: e.order)

    found = list(compare_sorted(one, right, first_order=_order, second_order=_order))

    assert [d.first for d in found if d.first is not None] == one
    assert [d.second for d in found if d.second is not None] == right
    orders = [(d.first or d.second).order for d in found if (d.first or d.second)]  # type: ignore[union-attr]
    assert orders == sorted(set(orders))
    both = {d.first.order for d in found if d.first is not None and d.second is not None}
    assert both == {e.order for e in one} & {e.order for e in right}


@given(MANIFESTS)
def test_a_receipt_takes_exactly_what_it_calls_missing_from_the_baseline(
    entries: list[Entry],
) -> None:
    missing = {entry.sha1 for entry in entries[::3]}

    left = list(subtract_missing(entries, missing))

    assert left == [entry for entry in entries if entry.sha1 not in missing]


def _order(entry: Entry) -> object:
    return entry.order


def _line(**changes: object) -> bytes:
    entry = Entry(
        sha1=ContentDigest(b"\xab" * 20),
        extension="cab",
        size_bytes=7,
        blake3=Blake3(bytes(32)),
        volume=1,
    )
    line = entry.line()
    for old, new in changes.items():
        line = line.replace(old.encode(), str(new).encode())
    return line


GOOD = _line()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GOOD.replace(b"AB", b"ab"), id="lower-case digest"),
        pytest.param(GOOD.replace(b'"cab"', b'"c/b"'), id="slash in an extension"),
        pytest.param(GOOD.replace(b'"cab"', b'"..\\\\cab"'), id="path in an extension"),
        pytest.param(GOOD.replace(b'"cab"', b'"%s"' % (b"x" * 33)), id="long extension"),
        pytest.param(GOOD.replace(b":7", b":7.0"), id="float"),
        pytest.param(GOOD.replace(b":7", b":-1"), id="negative"),
        pytest.param(GOOD.replace(b":7", b":99999999999999999999"), id="giant number"),
        pytest.param(GOOD.replace(b":7", b":07"), id="leading zero"),
        pytest.param(GOOD.replace(b":7", b": 7"), id="space"),
        pytest.param(GOOD.replace(b'"volume":1', b'"volume":0'), id="volume zero"),
        pytest.param(GOOD.replace(b'"volume":1', b'"volume":1,"path":"x"'), id="unknown key"),
        pytest.param(GOOD.replace(b'"volume":1', b'"volume":1,"volume":1'), id="duplicate key"),
        pytest.param(GOOD.replace(b'"volume":1', b'"parts":[],"volume":1'), id="empty parts"),
        pytest.param(GOOD.rstrip(), id="no line break"),
        pytest.param(GOOD.replace(b"\n", b"\r\n"), id="carriage return"),
        pytest.param(b"\n", id="empty line"),
        pytest.param(GOOD + GOOD, id="twice the same"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, id="byte order mark"),
        pytest.param(b"[" * LINE_LIMIT_BYTES, id="deep nesting"),
        pytest.param(b" " * (LINE_LIMIT_BYTES + 10) + GOOD, id="giant line"),
    ],
)
def test_a_line_that_we_would_not_write_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(content)

    with pytest.raises(TrustError, match="line"):
        list(read_entries(path))


def test_parts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    part = Part(volume=1, size_bytes=3, sha1=ContentDigest(bytes(20)), blake3=Blake3(bytes(32)))
    entry = Entry.model_validate_json(GOOD).model_copy(update={"parts": (part, part)})
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(entry.line())

    with pytest.raises(TrustError, match="canonical"):
        list(read_entries(path))


def test_writing_out_of_order_is_the_callers_mistake(tmp_path: Path) -> None:
    entry = Entry.model_validate_json(GOOD)

    with pytest.raises(ValueError, match="out of order"):
        write_manifest(tmp_path / "manifest.jsonl", [entry, entry])


@given(
    extension=st.from_regex(r"[A-Za-z0-9]{0,34}", fullmatch=True),
    size_bytes=st.sampled_from([0, 1, 10**14, 10**15 - 1, 10**15, 2**53, 10**18, 10**19]),
    volume=st.sampled_from([None, 0, 1, 9, 99, 100, 101, 10**6]),
)
def test_a_line_is_taken_or_refused_as_the_model_says_however_it_is_read(
    extension: str, size_bytes: int, volume: int | None
) -> None:
    values = {
        "blake3": "ab" * 32, "extension": extension, "sha1": "CD" * 20,
        "size_bytes": size_bytes, "volume": volume,
    }  # fmt: skip
    line = json.dumps(values, separators=(",", ":")).encode() + b"\n"
    try:
        expected = Entry.model_validate_json(line)
    except ValidationError:
        with pytest.raises(TrustError):
            parse_line(line, Path("manifest"))
    else:
        assert parse_line(line, Path("manifest")) == expected
