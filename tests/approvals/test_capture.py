"""What read-approvals writes becomes what a server has decided."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.approvals.capture import read_decisions
from tasks.revision import RevisionId
from tests.approvals.building import SERVERS, approval, decline, license_of, u

ROOT_ID = "a0a08746-4dbe-4a37-9adf-9e7652c0b421"


def update_line(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "update",
        "update_id": u(number),
        "revision": 100,
        "title": "累積更新プログラム",
        "state": "Ready",
        "license_required": False,
        "license_accepted": False,
        "superseded": False,
        "expired": False,
        "latest": True,
    } | changes


LINES: list[dict[str, Any]] = [
    {"kind": "group", "id": ROOT_ID, "path": ["All Computers"]},
    {"kind": "group", "id": "11111111-0000-4000-8000-000000000000", "path": list(SERVERS)},
    {
        "kind": "approval",
        **approval(1).as_json(),
        "administrator": "LAB\\Administrator",
        "created": "2031-01-01T00:00:00Z",
    },
    {"kind": "approval", **approval(2).as_json(), "administrator": "", "created": None},
    update_line(1, license_required=True, license_accepted=True, state="Failed"),
    update_line(2, license_required=True, license_accepted=False),
    {"kind": "decline", "update_id": u(3), "revision": 100},
]


def test_decisions_are_captured_with_accepted_licence_terms_alone() -> None:
    captured = read_decisions(LINES)
    assert captured.approval_set.approvals == (approval(1), approval(2))
    assert captured.approval_set.declines == (decline(3),)
    assert captured.approval_set.licenses == (license_of(1),)
    assert captured.approval_set.groups == (("All Computers",), SERVERS)


def test_who_approved_and_when_does_not_travel() -> None:
    written = b"".join(read_decisions(LINES).approval_set.encoded())
    assert b"Administrator" not in written
    assert b"2031-01-01" not in written


def test_approved_updates_that_lack_files_are_named() -> None:
    (waiting,) = read_decisions(LINES).unready()
    assert (waiting.id, waiting.state) == (RevisionId(u(1), 100), "Failed")


def test_a_server_without_decisions_is_one_too() -> None:
    captured = read_decisions([])
    assert captured.approval_set.approvals == ()
    assert captured.unready() == ()


def test_what_wsus_does_not_tell_of_stands_beside_all_else() -> None:
    lines: list[dict[str, Any]] = [
        {"kind": "unresolved", "what": "update", "id": None, "update_id": u(2), "revision": 100,
         "action": None, "reason": "not found"},
        {"kind": "unresolved", "what": "approval", "id": ROOT_ID, "update_id": u(9),
         "revision": 100, "action": "Install", "reason": "no such group"},
    ]  # fmt: skip
    captured = read_decisions([*LINES, *lines])
    assert captured.approval_set.approvals == (approval(1), approval(2))
    assert [(each.what, each.update_id, each.reason) for each in captured.unresolved] == [
        ("update", u(2), "not found"),
        ("approval", u(9), "no such group"),
    ]


def test_a_package_must_have_the_updates_that_the_api_tells_of() -> None:
    untold = {"kind": "unresolved", "what": "update", "id": None, "update_id": u(2),
              "revision": 100, "action": None, "reason": "not found"}  # fmt: skip
    assert list(read_decisions(LINES).told_updates()) == [u(1), u(2)]
    assert list(read_decisions([*LINES, untold]).told_updates()) == [u(1)]
    assert list(read_decisions([*LINES, {**untold, "what": "approval"}]).told_updates()) == [
        u(1), u(2),
    ]  # fmt: skip


def test_a_line_that_is_not_what_its_kind_says_is_refused() -> None:
    with pytest.raises(ValidationError):
        read_decisions([{"kind": "update", "update_id": u(1), "revision": 1}])
