"""Groups of staging become groups of this site, and deadlines move, as the site file says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.approvals.group_paths import read_path, write_path
from tasks.approvals.group_rules import BUILT_IN_KEYS, GroupRules
from tasks.approvals.model import (
    ALL_COMPUTERS,
    DOWNSTREAM_SERVERS,
    UNASSIGNED_COMPUTERS,
    Action,
    GroupPath,
)
from tasks.approvals.policy import Deadlines, ShiftedDeadlines
from tasks.approvals.reasons import Reason
from tasks.approvals.translation import translate
from tests.approvals.building import CLIENTS, FAR, NOW, RING, SERVERS, approval, decisions


def here(text: str) -> GroupPath:
    return (*ALL_COMPUTERS, *text.split("/"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Servers", ("Servers",)),
        ("Clients/Ring 1", ("Clients", "Ring 1")),
        ("R//D", ("R/D",)),
        ("R//D/Ring//0", ("R/D", "Ring/0")),
        ("Außenstelle Köln/経理部", ("Außenstelle Köln", "経理部")),
    ],
)
def test_a_path_is_names_below_all_computers(text: str, names: tuple[str, ...]) -> None:
    assert read_path(text) == (*ALL_COMPUTERS, *names)
    assert write_path(read_path(text)) == text


@given(st.lists(st.text("ab/ ", min_size=1).filter(lambda name: name.strip(" /") == name)))
def test_what_is_written_as_a_path_is_read_as_the_same_names(names: list[str]) -> None:
    path = (*ALL_COMPUTERS, *names)
    if names:
        assert read_path(write_path(path)) == path
    else:
        assert write_path(path) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a name is empty"),
        ("/Servers", "a name is empty"),
        ("Servers/", "a name is empty"),
        ("Servers / Test", "begins or ends with a space"),
        ("All Computers/Servers", "leave that name out"),
        ("unassigned computers", "unassigned_computers"),
        ("/".join("x" * 100), "at most 99 names"),
    ],
)
def test_what_is_no_path_of_a_group_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_path(text)


RULES = GroupRules(
    prefix="HQ/",
    map={"servers": "Ring 0", "Clients": "", "Clients/Ring 1": "Ring 1/Pilots"},
)
TARGETS = {
    "a mapped group": (SERVERS, here("Ring 0")),
    "a group below a mapped one": ((*SERVERS, "SQL"), here("Ring 0/SQL")),
    "a group that is left out": (CLIENTS, None),
    "a group below one that is left out": ((*CLIENTS, "Kiosk"), None),
    "a mapped group below one that is left out": (RING, here("Ring 1/Pilots")),
    "a group without a line": (here("Branch/Office"), here("HQ/Branch/Office")),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_nearest_line_of_the_mapping_decides(name: str) -> None:
    group, target = TARGETS[name]
    assert RULES.target(group) == target


@pytest.mark.parametrize("group", [ALL_COMPUTERS, UNASSIGNED_COMPUTERS])
@pytest.mark.parametrize(("rule", "is_held"), [("hold", True), ("apply", False), ("Ring 0", False)])
def test_a_built_in_group_is_held_applied_or_one_of_this_site(
    group: GroupPath, rule: str, *, is_held: bool
) -> None:
    rules = GroupRules(prefix="HQ", all_computers=rule, unassigned_computers=rule)
    taken = translate(decisions(approval(1, group)), rules)
    (only,) = taken.incoming.approvals
    assert only.group == (here("Ring 0") if rule == "Ring 0" else group)
    assert (taken.withheld.reason(only) is Reason.BUILT_IN_GROUP) == is_held


def test_a_block_for_all_computers_is_no_approval_because_nothing_is_above_them() -> None:
    block = approval(1, ALL_COMPUTERS, action=Action.NOT_APPROVED)
    assert not translate(decisions(block), GroupRules(all_computers="apply")).incoming.approvals


def test_two_groups_that_become_one_add_up_unless_they_disagree() -> None:
    rules = GroupRules(map={"Servers": "Ring 0", "Clients": "Ring 0"})
    taken = translate(
        decisions(
            approval(1, SERVERS),
            approval(2, CLIENTS, revision=101),
            approval(2, SERVERS),
            approval(3, SERVERS, deadline=FAR),
            approval(3, CLIENTS),
        ),
        rules,
    )
    approved = {each.update_id[:8]: each for each in taken.incoming.approvals}
    assert {each.group for each in approved.values()} == {here("Ring 0")}
    assert approved["00000002"].revision == 101
    reasons = {number: taken.withheld.reason(each) for number, each in approved.items()}
    assert reasons == {"00000001": None, "00000002": None, "00000003": Reason.GROUPS_DISAGREE}


def test_lines_for_groups_that_staging_does_not_have_are_named() -> None:
    rules = GroupRules(map={"Servres": "Ring 0", "Clients": "Ring 0"})
    assert translate(decisions(), rules).unused == ("Servres",)


LATEST = datetime(9998, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "deadline", "moved"),
    [
        ("keep", FAR, FAR),
        ("drop", FAR, None),
        (ShiftedDeadlines(shift_days=14), FAR, FAR + timedelta(days=14)),
        (ShiftedDeadlines(shift_days=-14), FAR, FAR - timedelta(days=14)),
        (ShiftedDeadlines(shift_days=14), None, None),
        (ShiftedDeadlines(shift_days=14), LATEST, LATEST),
        (ShiftedDeadlines(shift_days=3_650), NOW, NOW + timedelta(days=3_650)),
    ],
)
def test_deadlines_are_kept_dropped_or_moved(
    rule: Deadlines, deadline: datetime | None, moved: datetime | None
) -> None:
    taken = translate(decisions(approval(1, deadline=deadline)), GroupRules(), rule)
    assert [each.deadline for each in taken.incoming.approvals] == [moved]


def test_downstream_servers_are_held_until_the_mapping_names_them() -> None:
    unmapped, mapped = GroupRules(prefix="Imported"), GroupRules(map={"Downstream Servers": "Ring"})
    assert unmapped.is_held(DOWNSTREAM_SERVERS)
    assert unmapped.target(DOWNSTREAM_SERVERS) == DOWNSTREAM_SERVERS
    assert not mapped.is_held(DOWNSTREAM_SERVERS)
    assert mapped.target(DOWNSTREAM_SERVERS) == here("Ring")


def test_what_is_held_for_a_built_in_group_is_explained_with_the_keys_that_let_it_through() -> None:
    sentence = Reason.BUILT_IN_GROUP.sentence
    for key in (*BUILT_IN_KEYS.values(), "[groups]", "[groups.map]"):
        assert key in sentence
