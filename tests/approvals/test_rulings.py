"""What a person's ruling changes in a plan, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.group_rules import GroupRules
from tasks.approvals.model import ALL_COMPUTERS, Approval, ApprovalSet, Decline
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan, Waiting
from tasks.approvals.policy import ApprovalPolicy
from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import Ruling, RulingKind, Rulings
from tasks.approvals.translation import translate
from tasks.revision import RevisionId
from tests.approvals.building import (
    CLIENTS,
    NOW,
    SERVERS,
    approval,
    decisions,
    decline,
    ids,
    looked_up,
    u,
)

KNOWN = frozenset(RevisionId(u(n), revision) for n in range(20) for revision in (100, 101))
PAST = NOW - timedelta(days=1)


def plan(
    incoming: ApprovalSet,
    *rulings: Ruling,
    last: ApprovalSet | None = None,
    present: ApprovalSet | None = None,
    **states: Any,
) -> ApprovalPlan:
    taken = translate(incoming, GroupRules())
    situation = Situation(
        last or decisions(),
        taken.incoming,
        present or decisions(),
        UpdateStates(**({"on_server": KNOWN} | states)),
        taken.withheld,
        Rulings(rulings),
    )
    return plan_approvals(situation, ApprovalPolicy(), now=NOW)


def rule(kind: RulingKind, waiting: Waiting, **changes: Any) -> Ruling:
    values: dict[str, Any] = {
        "kind": kind,
        "subject": waiting.subject,
        "update_id": waiting.update_id,
        "revision": waiting.revision,
        "group": waiting.group,
        "action": waiting.action,
        "deadline": waiting.deadline,
        "optional": waiting.optional,
        "waited_for": waiting.reason,
        "reason": "because",
        "account": "anna",
        "decided": NOW,
    }
    return Ruling.model_validate(values | changes)


DUE = decisions(approval(1, deadline=PAST))
EVERYWHERE = decisions(approval(1, ALL_COMPUTERS))
REPLACED: dict[str, Any] = {"superseded_by": looked_up({u(1): [u(2)]})}
HELD: dict[str, tuple[ApprovalSet, dict[str, Any], str]] = {
    # what comes, the states of the updates, the change once it is let through
    "a deadline that is past": (DUE, {}, "add"),
    "All Computers": (EVERYWHERE, {}, "add"),
    "All Computers, and a deadline that is past": (
        decisions(approval(1, ALL_COMPUTERS, deadline=PAST)), {}, "add"
    ),
    "a decline before its successor": (
        decisions(decline(1)), REPLACED | {"present": decisions(approval(1))}, "decline"
    ),
    "a removal before its successor": (
        decisions(),
        REPLACED | {"present": decisions(approval(1)), "last": decisions(approval(1))},
        "remove",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_what_the_site_holds_is_let_through_or_rejected_as_a_person_rules(name: str) -> None:
    incoming, states, change = HELD[name]
    if "decline" in name:  # ours, so that no local decision keeps it
        states = states | {"last": decisions(approval(1))}
    waiting = plan(incoming, **states).held

    through = plan(incoming, *[rule(RulingKind.APPLY, each) for each in waiting], **states)
    never = plan(incoming, *[rule(RulingKind.REJECT, each) for each in waiting], **states)

    assert [action.change for action in through.actions] == [change]
    assert through.held == ()
    assert never.actions == ()
    assert {each.reason for each in never.held} == {Reason.REJECTED}
    assert {each.overruled.reason for each in never.conflicts} == {Reason.REJECTED}


OBSTACLES = {
    "content": ("content_missing", Reason.CONTENT_MISSING),
    "expired": ("expired", Reason.EXPIRED),
    "licence terms": ("license_pending", Reason.LICENCE_TERMS),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_no_ruling_stands_in_for_what_wsus_needs(name: str) -> None:
    state, reason = OBSTACLES[name]
    states: dict[str, Any] = {state: ids(1)}
    ruling = rule(RulingKind.APPLY, Waiting.of_approval(approval(1), reason, "approval"))

    made = plan(decisions(approval(1)), ruling, **states)

    assert made.actions == ()
    assert [each.reason for each in (*made.held, *made.parked)] == [reason]


CHANGED = {
    "another revision": approval(1, revision=101, deadline=PAST),
    "another deadline": approval(1, deadline=PAST - timedelta(days=1)),
    "another group": approval(1, CLIENTS, deadline=PAST),
    "another update": approval(2, deadline=PAST),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_ruling_is_about_what_waited_and_nothing_else(name: str) -> None:
    (waiting,) = plan(DUE).held
    changed = decisions(CHANGED[name])

    made = plan(changed, rule(RulingKind.APPLY, waiting))
    seen = Rulings([rule(RulingKind.ACKNOWLEDGE, waiting)])

    assert [each.reason for each in made.held] == [Reason.DEADLINE_PAST]
    assert seen.acknowledges(waiting)
    assert not seen.acknowledges(made.held[0])
    assert not seen.acknowledges(replace(waiting, reason=Reason.DEADLINE_NEAR))


def test_a_rejection_outlives_a_new_revision() -> None:
    (waiting,) = plan(DUE).held
    made = plan(decisions(approval(1, revision=101)), rule(RulingKind.REJECT, waiting))
    assert [each.reason for each in made.held] == [Reason.REJECTED]


def test_accepted_terms_are_accepted_once_and_let_the_approval_go() -> None:
    incoming = decisions(approval(1), approval(1, CLIENTS))
    waiting = plan(incoming, license_pending=ids(1)).held
    assert len(waiting) == 2
    rulings = [rule(RulingKind.ACCEPT_LICENCE, each) for each in waiting]

    made = plan(incoming, *rulings, license_pending=ids(1))

    assert [action.operation for action in made.actions] == ["accept-license", "approve", "approve"]


@pytest.mark.parametrize("is_pending", [True, False], ids=["before", "once they are accepted"])
def test_terms_that_were_accepted_for_one_group_alone_hold_the_others(*, is_pending: bool) -> None:
    incoming = decisions(approval(1), approval(1, CLIENTS))
    first = next(
        each for each in plan(incoming, license_pending=ids(1)).held if each.group == SERVERS
    )
    ruling = rule(RulingKind.ACCEPT_LICENCE, first, is_narrowed=True)

    made = plan(incoming, ruling, license_pending=ids(1) if is_pending else frozenset())

    assert [action.group for action in made.actions if action.operation == "approve"] == [SERVERS]
    assert [(each.group, each.reason) for each in made.held] == [(CLIENTS, Reason.LICENCE_TERMS)]


def test_what_was_let_through_is_in_place_the_next_time() -> None:
    (waiting,) = plan(EVERYWHERE).held
    ruling = rule(RulingKind.APPLY, waiting)
    again = plan(EVERYWHERE, ruling, last=EVERYWHERE, present=EVERYWHERE)
    assert (again.actions, again.held, again.in_place) == ((), (), 1)


def test_a_decision_on_the_server_itself_comes_before_a_ruling() -> None:
    (waiting,) = plan(DUE).held
    ruling = rule(RulingKind.APPLY, waiting)
    here: list[Approval | Decline] = [decline(1)]
    made = plan(DUE, ruling, present=decisions(*here))
    assert made.actions == ()
    assert [each.reason for each in made.kept] == [Reason.LOCALLY_DECLINED]


def test_a_ruling_ends_with_its_day_or_when_it_is_revoked() -> None:
    (waiting,) = plan(DUE).held
    until = NOW + timedelta(days=1)
    ruling = rule(RulingKind.APPLY, waiting, until=until)
    assert ruling.is_in_force(until - timedelta(seconds=1))
    assert not ruling.is_in_force(until)
    assert not rule(RulingKind.APPLY, waiting, revoked=NOW).is_in_force(NOW)
