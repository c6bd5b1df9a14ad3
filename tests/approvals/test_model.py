"""Approvals as they travel: one canonical form, whatever the order they were found in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.approvals.model import (
    Action,
    Approval,
    ApprovalSet,
    decode_lines,
    encode_line,
    fold,
)
from tests.approvals.building import (
    CLIENTS,
    FAR,
    SERVERS,
    approval,
    decisions,
    decline,
    license_of,
    u,
)

SET = ApprovalSet.collect(
    groups=[SERVERS, CLIENTS],
    approvals=[approval(2, deadline=FAR), approval(1, CLIENTS, action=Action.NOT_APPROVED)],
    declines=[decline(4), decline(3)],
    licenses=[license_of(2)],
)


def test_an_approval_has_the_six_keys_of_json_output() -> None:
    moment = datetime(2041, 5, 1, 3, 0, 0, 987, tzinfo=UTC)
    assert approval(1, deadline=moment).as_json() == {
        "update_id": u(1),
        "revision": 100,
        "group": ["All Computers", "Servers"],
        "action": "Install",
        "deadline": "2041-05-01T03:00:00Z",
        "optional": False,
    }
    assert approval(1).as_json()["deadline"] is None


@pytest.mark.parametrize(
    "changes",
    [{"revision": -1}, {"revision": 2**31}, {"deadline": "0001-01-01T00:00:00+14:00"}],
)
def test_what_no_server_decides_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Approval.read(approval(1).as_json() | changes)


def test_a_deadline_survives_the_trip_to_the_second() -> None:
    east = timezone(timedelta(hours=9))
    written = approval(1, deadline=datetime(2041, 5, 1, 12, 0, 1, tzinfo=east))
    read = Approval.read(json.loads(encode_line(written.as_json())))
    assert read.deadline == datetime(2041, 5, 1, 3, 0, 1, tzinfo=UTC)
    assert read == written


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        approval(1, deadline=datetime(2041, 5, 1))  # noqa: DTZ001


@pytest.mark.parametrize("update_id", ["", "x", u(1).upper().replace("0", "A"), u(1) + "\n"])
def test_what_is_no_lower_case_guid_is_refused(update_id: str) -> None:
    with pytest.raises(ValidationError):
        Approval(update_id=update_id, revision=1, group=SERVERS, action=Action.INSTALL)


def test_a_set_survives_its_wire_form() -> None:
    assert ApprovalSet.from_lines(decode_lines(SET.encoded())) == SET


def test_lines_come_in_canonical_order_and_kinds_apart() -> None:
    kinds = [line["kind"] for line in SET.lines()]
    assert kinds == ["group"] * 2 + ["approval"] * 2 + ["decline"] * 2 + ["license"]
    assert [line["update_id"] for line in SET.lines() if line["kind"] == "approval"] == [u(1), u(2)]


@pytest.mark.parametrize("line", [{"kind": "new"}, {"kind": None}, {}])
def test_a_line_of_an_unknown_kind_is_refused(line: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="kind"):
        ApprovalSet.from_lines([line])


@given(st.permutations(list(SET.lines())))
def test_the_order_in_which_decisions_are_found_changes_nothing(
    lines: list[dict[str, object]],
) -> None:
    shuffled = ApprovalSet.from_lines(lines + lines[:2])
    assert shuffled == SET
    assert shuffled.digest() == SET.digest()


def test_any_changed_decision_changes_the_digest() -> None:
    digests = {
        decisions(approval(1)).digest(),
        decisions(approval(1, revision=101)).digest(),
        decisions(approval(1, CLIENTS)).digest(),
        decisions(approval(1, deadline=FAR)).digest(),
        decisions(approval(1, optional=True)).digest(),
        decisions(approval(1, action=Action.UNINSTALL)).digest(),
        decisions(decline(1)).digest(),
        decisions().digest(),
    }
    assert len(digests) == 8


def test_names_in_any_script_pass_unchanged() -> None:
    group = ("All Computers", "サーバー", 'Größe "ß" $x `n`\u200f😀')
    read = ApprovalSet.from_lines(decode_lines(decisions(approval(1, group)).encoded()))
    assert read.approvals[0].group == group


def test_groups_are_one_group_whatever_the_case_of_their_names() -> None:
    assert fold(("All Computers", "SERVERS")) == fold(SERVERS)
    assert approval(1, ("All Computers", "SERVERS")).key == approval(1).key


def test_of_two_revisions_for_one_group_the_newer_one_counts() -> None:
    both = decisions(approval(1, revision=100), approval(1, revision=101))
    assert both.by_key()[approval(1).key].revision == 101


def test_a_block_and_an_optional_approval_have_no_deadline() -> None:
    blocked = approval(1, action=Action.NOT_APPROVED)
    assert blocked.agrees_with(approval(1, action=Action.NOT_APPROVED, deadline=FAR))
    assert approval(1, optional=True).agrees_with(approval(1, optional=True, deadline=FAR))
    assert not approval(1).agrees_with(approval(1, deadline=FAR))
