"""Each belief about WSUS: a server like ours agrees, one that differs is named and rated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.probing.beliefs import MEMBERS, compare
from tasks.probing.seen import Earlier, PackageShape, Seen, seen_of

NAMESPACE = "http://schemas.microsoft.com/msus/2002/12/Update"
LINES: dict[str, dict[str, Any]] = {
    "engine": {"version": "5.1.14393.0", "culture": "de-DE"},
    "members": {"type": "IUpdate", "missing": []},
    "content": {"files": 2, "odd_names": 0, "odd_shapes": [], "extensions": {".cab": 2},
                "largest_bytes": 9},
    "log": {"size_bytes": 9, "entries": 1, "other_entries": 0, "other_shapes": []},
    "update": {"size_bytes": 47_000_000, "root": "Update", "namespace": NAMESPACE,
               "children": ["UpdateIdentity", "Properties", "Files"], "encoding": ""},
}  # fmt: skip
PACKAGE = PackageShape(
    encoding="utf-8",
    root="ExportPackage",
    attributes=("ServerID", "CreationTime", "FormatVersion", "ProtocolVersion"),
    format_version="1.0",
    creation_time="9999-99-99T99:99:99Z",
    sections=("Languages", "Files", "Updates"),
    update_children=(("Files", "Categories", "Classifications", "MetaData"),),
    metadata=("text",),
    updates=9,
    largest_update=46_887_043,
)
RUNS = (
    Earlier(
        verb="export", exit_code=0, others_good=True, log_root="ExportLog", log_encoding="utf-8"
    ),
    Earlier(verb="import", exit_code=1, others_good=False, log_root="", log_encoding=""),
)


def seen(version: str = "10.0.14393.7155", protocol: str = "1.20", **changes: Any) -> Seen:
    lines = [{"kind": kind, **line, **changes.get(kind, {})} for kind, line in LINES.items()]
    told = seen_of(lines, version=version, protocol_version=protocol)
    package = PACKAGE.model_copy(update=changes.get("package", {}))
    runs = (*RUNS, *(RUNS[0].model_copy(update=run) for run in changes.get("runs", ())))
    return told.model_copy(update={"package": package, "earlier": runs})


DIFFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "differs-members": ({"members": {"missing": ["Approve"]}}, "failure"),
    "differs-protocol": ({"protocol": "2.0"}, "failure"),
    "differs-version": ({"version": "3.1.7600.226"}, "warning"),
    "differs-engine": ({"engine": {"version": "4.0"}}, "warning"),
    "differs-content-names": ({"content": {"odd_names": 1, "odd_shapes": ["aaa.aa"]}}, "warning"),
    "differs-log-form": ({"log": {"other_entries": 3}}, "warning"),
    "differs-update-xml": ({"update": {"root": "Patch"}}, "failure"),
    "differs-update-order": ({"update": {"children": ["Files", "Properties"]}}, "note"),
    "differs-update-size": ({"update": {"size_bytes": 300_000_000}}, "failure"),
    "differs-update-large": ({"package": {"largest_update": 60_000_000}}, "note"),
    "differs-extensions": ({"content": {"extensions": {".iso": 2}}}, "note"),
    "differs-package-form": ({"package": {"format_version": "1.1"}}, "failure"),
    "differs-package-details": ({"package": {"encoding": "utf-16"}}, "warning"),
    "differs-exit-code": ({"runs": [{"exit_code": 3}]}, "warning"),
    "differs-wsusutil-log": ({"runs": [{"log_root": "Log"}]}, "warning"),
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


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("differs-package-form", {"package": {"sections": ("Files", "Languages", "Updates")}}),
        ("differs-package-form", {"package": {"root": "Package"}}),
        ("differs-package-form", {"package": {"attributes": PACKAGE.attributes[:3]}}),
        ("differs-package-details", {"package": {"metadata": ("elements",)}}),
        ("differs-package-details", {"package": {"creation_time": "9/9/9999 9:99:99 AM"}}),
        ("differs-package-details", {"package": {"update_children": (("MetaData", "Files"),)}}),
        ("differs-package-details", {"package": {"update_children": (("Wish", "MetaData"),)}}),
        ("differs-package-details", {"package": {"attributes": (*PACKAGE.attributes, "Wish")}}),
        ("differs-package-details", {"package": {"attributes": PACKAGE.attributes[::-1]}}),
        ("differs-update-order", {"update": {"encoding": "utf-16"}}),
        ("differs-update-xml", {"update": {"children": ["Wish"]}}),
        ("differs-wsusutil-log", {"runs": [{"log_encoding": "utf-16"}]}),
        ("differs-exit-code", {"runs": [{"others_good": False}]}),
    ],
)
def test_every_detail_of_package_documents_and_logs_is_compared(
    name: str, change: dict[str, Any]
) -> None:
    (finding,) = compare(seen(**change))
    assert finding.id == name


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
