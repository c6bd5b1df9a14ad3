"""Each belief about WSUS: a server like ours agrees, one that differs is named and rated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.probing.beliefs import MEMBERS, compare
from tasks.probing.seen import Seen, seen_of

NAMESPACE = "http://schemas.microsoft.com/msus/2002/12/Update"
LINES: dict[str, dict[str, Any]] = {
    "engine": {"version": "5.1.14393.0", "culture": "de-DE"},
    "members": {"type": "IUpdate", "missing": []},
    "content": {"files": 2, "odd_names": 0, "odd_shapes": [], "extensions": {".cab": 2},
                "largest_bytes": 9},
    "log": {"size_bytes": 9, "entries": 1, "other_entries": 0, "other_shapes": []},
    "update": {"size_bytes": 47_000_000, "root": "Update", "namespace": NAMESPACE,
               "children": ["UpdateIdentity", "Properties", "Files"]},
}  # fmt: skip


def seen(version: str = "10.0.14393.7155", protocol: str = "1.20", **changes: Any) -> Seen:
    lines = [{"kind": kind, **line, **changes.get(kind, {})} for kind, line in LINES.items()]
    return seen_of(lines, version=version, protocol_version=protocol)


DIFFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "differs-members": ({"members": {"missing": ["Approve"]}}, "failure"),
    "differs-protocol": ({"protocol": "2.0"}, "failure"),
    "differs-version": ({"version": "3.1.7600.226"}, "warning"),
    "differs-engine": ({"engine": {"version": "4.0"}}, "warning"),
    "differs-content-names": ({"content": {"odd_names": 1, "odd_shapes": ["aaa.aa"]}}, "warning"),
    "differs-log-form": ({"log": {"other_entries": 3}}, "warning"),
    "differs-update-xml": ({"update": {"children": ["Wish"]}}, "failure"),
    "differs-update-size": ({"update": {"size_bytes": 300_000_000}}, "failure"),
}


def test_a_server_as_we_believe_it_to_be_has_no_difference() -> None:
    assert compare(seen()) == ()


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_server_that_differs_is_named_and_rated(name: str) -> None:
    change, severity = DIFFERENCES[name]
    (finding,) = compare(seen(**change))
    assert (finding.id, finding.severity) == (name, severity)


def test_another_namespace_and_a_log_without_any_entry_differ_too() -> None:
    other = seen(update={"namespace": "urn:other"}, log={"entries": 0})
    assert {finding.id for finding in compare(other)} == {"differs-update-xml", "differs-log-form"}


def test_what_could_not_be_read_is_no_difference() -> None:
    lines = [{"kind": "unknown", "topic": "log", "reason": "IOException"}]
    told = seen_of(lines, version="10.0.1", protocol_version="1.20")
    assert compare(told) == ()
    assert told.unknown == {"log": "IOException"}


def test_every_member_that_is_asked_for_is_one_of_wsus() -> None:
    data = Path(__file__).parents[1] / "data" / "updateservices-members.json"
    types = json.loads(data.read_text("utf-8"))["types"]
    for name, members in MEMBERS.items():
        assert set(members) <= types[name].keys(), name
