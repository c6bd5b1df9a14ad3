"""What an import does with approvals, case by case."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest

from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.group_rules import GroupRules
from tasks.approvals.model import (
    ALL_COMPUTERS,
    DOWNSTREAM_SERVERS,
    UNASSIGNED_COMPUTERS,
    Action,
    Approval,
    ApprovalSet,
    Decline,
)
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan
from tasks.approvals.policy import ApprovalPolicy, ShiftedDeadlines
from tasks.approvals.reasons import Reason
from tasks.approvals.translation import translate
from tasks.revision import RevisionId
from tests.approvals.building import (
    CLIENTS,
    FAR,
    NOW,
    RING,
    SERVERS,
    approval,
    decisions,
    decline,
    ids,
    looked_up,
    u,
)

KNOWN = frozenset(RevisionId(u(n), revision) for n in range(700) for revision in (100, 101))
NOTHING = decisions()


def plan(
    last: ApprovalSet = NOTHING,
    incoming: ApprovalSet = NOTHING,
    present: ApprovalSet = NOTHING,
    policy: ApprovalPolicy | None = None,
    *,
    rules: GroupRules | None = None,
    **states: Any,
) -> ApprovalPlan:
    if "superseded_by" in states:
        states["superseded_by"] = looked_up(states["superseded_by"])
    policy = policy or ApprovalPolicy()
    taken = translate(incoming, rules or GroupRules(), policy.deadlines)
    update_states = UpdateStates(**({"on_server": KNOWN} | states))
    situation = Situation(last, taken.incoming, present, update_states, taken.withheld)
    return plan_approvals(situation, policy, now=NOW)


def changes(made: ApprovalPlan) -> list[tuple[str, str]]:
    return [(action.change, action.update_id) for action in made.actions]


def reasons(made: ApprovalPlan) -> dict[str, list[Reason]]:
    lists = {"parked": made.parked, "held": made.held, "kept": made.kept}
    return {name: [each.reason for each in waiting] for name, waiting in lists.items() if waiting}


ONE = decisions(approval(1))
BLOCK = approval(1, action=Action.NOT_APPROVED)
CASES: dict[str, tuple[tuple[ApprovalSet, ApprovalSet, ApprovalSet], list[str], list[Reason]]] = {
    # (last applied, incoming, present), changes, kept
    "a new approval is added": ((NOTHING, ONE, NOTHING), ["add"], []),
    "an approval that is there already is in place": ((NOTHING, ONE, ONE), [], []),
    "what was applied and stands is in place": ((ONE, ONE, ONE), [], []),
    "a block is made": ((NOTHING, decisions(BLOCK), NOTHING), ["block"], []),
    "a changed deadline is changed": (
        (ONE, decisions(approval(1, deadline=FAR)), ONE),
        ["change"],
        [],
    ),
    "a changed action is changed": ((ONE, decisions(BLOCK), ONE), ["block"], []),
    "a newer revision is changed to": (
        (ONE, decisions(approval(1, revision=101)), ONE),
        ["change"],
        [],
    ),
    "an approval that was taken away is removed": ((ONE, NOTHING, ONE), ["remove"], []),
    "an approval that is gone on both sides is gone": ((ONE, NOTHING, NOTHING), [], []),
    "a local approval survives": ((NOTHING, NOTHING, ONE), [], []),
    "a local approval of another kind survives": (
        (NOTHING, ONE, decisions(BLOCK)),
        [],
        [Reason.LOCALLY_CHANGED],
    ),
    "a local change survives": (
        (ONE, ONE, decisions(approval(1, deadline=FAR))),
        [],
        [Reason.LOCALLY_CHANGED],
    ),
    "a local change survives a change on staging": (
        (ONE, decisions(approval(1, optional=True)), decisions(BLOCK)),
        [],
        [Reason.LOCALLY_CHANGED],
    ),
    "a local change survives a removal on staging": (
        (ONE, NOTHING, decisions(BLOCK)),
        [],
        [Reason.LOCALLY_CHANGED],
    ),
    "a local removal survives": ((ONE, ONE, NOTHING), [], [Reason.LOCALLY_REMOVED]),
    "a local decline survives": (
        (ONE, ONE, decisions(decline(1))),
        [],
        [Reason.LOCALLY_DECLINED],
    ),
    "a local decline survives on a first import": (
        (NOTHING, ONE, decisions(decline(1))),
        [],
        [Reason.LOCALLY_DECLINED],
    ),
    "a revision that WSUS moved to is in place when it is the incoming one": (
        (ONE, decisions(approval(1, revision=101)), decisions(approval(1, revision=101))),
        [],
        [],
    ),
    "a revision that WSUS moved to is no local decision": (
        (
            ONE,
            decisions(approval(1, action=Action.UNINSTALL)),
            decisions(approval(1, revision=101)),
        ),
        ["change"],
        [],
    ),
    "a revision that WSUS moved to is removed with its approval": (
        (ONE, NOTHING, decisions(approval(1, revision=101))),
        ["remove"],
        [],
    ),
    "an older revision than was applied is a local decision": (
        (
            decisions(approval(1, revision=101)),
            decisions(approval(1, revision=101)),
            ONE,
        ),
        [],
        [Reason.LOCALLY_CHANGED],
    ),
    "an update is declined": ((NOTHING, decisions(decline(1)), NOTHING), ["decline"], []),
    "a declined update is in place": (
        (NOTHING, decisions(decline(1)), decisions(decline(1, 101))),
        [],
        [],
    ),
    "an approved update is declined, and its approval is not removed besides": (
        (ONE, decisions(decline(1)), ONE),
        ["decline"],
        [],
    ),
    "an update that somebody approved here is not declined": (
        (NOTHING, decisions(decline(1)), ONE),
        [],
        [Reason.LOCALLY_APPROVED],
    ),
    "a decline that was taken back here stays so": (
        (decisions(decline(1)), decisions(decline(1)), NOTHING),
        [],
        [Reason.LOCALLY_UNDECLINED],
    ),
    "a decline of ours is taken back": (
        (decisions(decline(1)), NOTHING, decisions(decline(1))),
        ["undecline"],
        [],
    ),
    "a decline of ours is taken back and the update approved": (
        (decisions(decline(1)), ONE, decisions(decline(1))),
        ["undecline", "add"],
        [],
    ),
    "a local decline is not taken back": ((NOTHING, NOTHING, decisions(decline(1))), [], []),
    "the same approval for another group is added": (
        (ONE, decisions(approval(1), approval(1, CLIENTS)), ONE),
        ["add"],
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_three_sides_give_one_answer(name: str) -> None:
    (last, incoming, present), expected, kept = CASES[name]
    made = plan(last, incoming, present)
    assert [change for change, _ in changes(made)] == expected
    assert [each.reason for each in made.kept] == kept
    assert not made.parked
    assert not made.held
    assert made.limit_exceeded is None


PAST, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)
WAITING: dict[str, tuple[Approval, dict[str, Any], str, Reason]] = {
    "missing content": (
        approval(1),
        {"content_missing": ids(1)},
        "parked",
        Reason.CONTENT_MISSING,
    ),
    "missing content of an optional approval": (
        approval(1, optional=True),
        {"content_missing": ids(1)},
        "parked",
        Reason.CONTENT_MISSING,
    ),
    "All Computers": (approval(1, ALL_COMPUTERS), {}, "held", Reason.BUILT_IN_GROUP),
    "Unassigned Computers": (
        approval(1, UNASSIGNED_COMPUTERS),
        {},
        "held",
        Reason.BUILT_IN_GROUP,
    ),
    "Downstream Servers": (approval(1, DOWNSTREAM_SERVERS), {}, "held", Reason.BUILT_IN_GROUP),
    "a revision that is not there": (
        approval(1, revision=900),
        {},
        "held",
        Reason.REVISION_UNKNOWN,
    ),
    "an expired update": (approval(1), {"expired": ids(1)}, "held", Reason.EXPIRED),
    "licence terms": (
        approval(1),
        {"license_pending": ids(1)},
        "held",
        Reason.LICENCE_TERMS,
    ),
    "a past deadline": (approval(1, deadline=PAST), {}, "held", Reason.DEADLINE_PAST),
    "a deadline right now": (approval(1, deadline=NOW), {}, "held", Reason.DEADLINE_PAST),
    "a near deadline": (approval(1, deadline=TOMORROW), {}, "held", Reason.DEADLINE_NEAR),
    "missing content before a past deadline": (
        approval(1, deadline=PAST),
        {"content_missing": ids(1)},
        "parked",
        Reason.CONTENT_MISSING,
    ),
}


@pytest.mark.parametrize("name", WAITING)
def test_an_approval_waits_for_one_reason(name: str) -> None:
    wanted, facts, where, reason = WAITING[name]
    made = plan(incoming=decisions(wanted), **facts)
    assert made.is_empty
    assert reasons(made) == {where: [reason]}
    (waiting,) = getattr(made, where)
    assert waiting.as_json() == wanted.as_json() | {"reason": reason.value}


@pytest.mark.parametrize("name", WAITING)
def test_what_waits_leaves_alone_what_stands(name: str) -> None:
    wanted, facts, _, _ = WAITING[name]
    before = approval(1, wanted.group, revision=99, action=Action.NOT_APPROVED)
    made = plan(decisions(before), decisions(wanted), decisions(before), **facts)
    assert made.is_empty


@pytest.mark.parametrize("name", WAITING)
def test_what_stands_already_does_not_wait(name: str) -> None:
    wanted, facts, _, _ = WAITING[name]
    made = plan(NOTHING, decisions(wanted), decisions(wanted), **facts)
    assert (made.is_empty, reasons(made), made.in_place) == (True, {}, 1)


def test_a_deadline_just_far_enough_is_applied() -> None:
    soon = approval(1, deadline=NOW + timedelta(days=7))
    assert changes(plan(incoming=decisions(soon))) == [("add", u(1))]
    for min_days in (8, 10**7, 10**30):
        strict = ApprovalPolicy(min_deadline_days=min_days)
        assert reasons(plan(incoming=decisions(soon), policy=strict)) == {
            "held": [Reason.DEADLINE_NEAR]
        }


def test_a_block_needs_no_files_no_terms_and_has_no_deadline() -> None:
    blocked = approval(1, action=Action.NOT_APPROVED, deadline=PAST)
    made = plan(incoming=decisions(blocked), content_missing=ids(1), license_pending=ids(1))
    assert changes(made) == [("block", u(1))]


def test_an_expired_update_may_still_be_uninstalled() -> None:
    gone = approval(1, action=Action.UNINSTALL)
    assert changes(plan(incoming=decisions(gone), expired=ids(1))) == [("add", u(1))]


def test_licence_terms_are_accepted_once_where_the_site_says_so() -> None:
    made = plan(
        incoming=decisions(approval(1), approval(1, CLIENTS)),
        policy=ApprovalPolicy(licence_terms="accept"),
        license_pending=ids(1),
    )
    assert [change for change, _ in changes(made)] == ["license", "add", "add"]


def test_an_update_that_wsus_declined_because_it_expired_is_nobodys_decision() -> None:
    made = plan(ONE, ONE, decisions(decline(1)), expired=ids(1))
    assert reasons(made) == {"kept": [Reason.EXPIRED]}
    assert plan(decisions(decline(1)), NOTHING, decisions(decline(1)), expired=ids(1)).is_empty


def test_the_order_is_terms_undeclines_blocks_approvals_removals_declines() -> None:
    last = decisions(decline(6), approval(4), approval(5))
    incoming = decisions(
        approval(1),
        approval(2, RING, action=Action.NOT_APPROVED),
        approval(3),
        decline(5),
        approval(6),
    )
    present = decisions(decline(6), approval(4), approval(5), groups=[SERVERS])
    made = plan(
        last, incoming, present, ApprovalPolicy(licence_terms="accept"), license_pending=ids(3)
    )
    assert [change for change, _ in changes(made)] == [
        "license",
        "undecline",
        "block",
        "add",
        "add",
        "add",
        "remove",
        "decline",
    ]


def test_missing_groups_are_made_parents_first_and_only_where_something_is_applied() -> None:
    incoming = decisions(
        approval(1, RING), approval(2, ("All Computers", "Parked")), approval(3, ALL_COMPUTERS)
    )
    made = plan(incoming=incoming, present=decisions(groups=[SERVERS]), content_missing=ids(2))
    assert made.groups == (CLIENTS, RING)


def test_a_group_of_another_case_is_the_same_group() -> None:
    lower = ("All Computers", "servers")
    made = plan(NOTHING, ONE, decisions(approval(1, lower), groups=[lower]))
    assert made.is_empty
    made = plan(NOTHING, ONE, decisions(groups=[lower]))
    assert made.groups == ()


class TestSuccessors:
    """2 supersedes 1; 3 supersedes 2."""

    CHAIN = {u(1): {u(2)}, u(2): {u(3)}}  # noqa: RUF012  # a table that nobody writes to

    def decline_plan(self, *incoming: Approval | Decline, **states: Any) -> ApprovalPlan:
        states = {"superseded_by": {u(1): {u(2)}}} | states
        return plan(ONE, decisions(decline(1), *incoming), ONE, **states)

    def test_a_decline_waits_while_its_successor_is_parked(self) -> None:
        made = self.decline_plan(approval(2), content_missing=ids(2))
        assert reasons(made) == {
            "parked": [Reason.CONTENT_MISSING],
            "held": [Reason.DECLINE_WAITS, Reason.REMOVAL_WAITS],
        }
        assert made.is_empty

    def test_a_decline_waits_while_its_successor_is_not_approved(self) -> None:
        assert self.decline_plan().is_empty

    def test_a_decline_waits_while_its_successor_is_only_blocked(self) -> None:
        made = self.decline_plan(approval(2, action=Action.NOT_APPROVED))
        assert changes(made) == [("block", u(2))]

    def test_a_decline_goes_with_a_successor_that_is_approved_in_the_same_import(self) -> None:
        assert changes(self.decline_plan(approval(2))) == [("add", u(2)), ("decline", u(1))]

    def test_a_declined_successor_is_nothing_to_wait_for(self) -> None:
        made = self.decline_plan(decline(2))
        assert changes(made) == [("decline", u(1)), ("decline", u(2))]

    def test_an_expired_successor_is_nothing_to_wait_for(self) -> None:
        assert changes(self.decline_plan(expired=ids(2))) == [("decline", u(1))]

    def test_the_successor_of_a_successor_will_do(self) -> None:
        made = self.decline_plan(decline(2), approval(3), superseded_by=self.CHAIN)
        assert ("decline", u(1)) in changes(made)

    def test_the_successor_of_a_declined_one_is_waited_for(self) -> None:
        made = self.decline_plan(
            decline(2), approval(3), superseded_by=self.CHAIN, content_missing=ids(3)
        )
        assert ("decline", u(1)) not in changes(made)

    def test_a_removal_waits_like_a_decline(self) -> None:
        by = {u(1): {u(2)}}
        assert reasons(plan(ONE, NOTHING, ONE, superseded_by=by)) == {
            "held": [Reason.REMOVAL_WAITS]
        }
        made = plan(ONE, decisions(approval(2)), ONE, superseded_by=by)
        assert changes(made) == [("add", u(2)), ("remove", u(1))]

    def test_a_block_is_taken_away_whatever_the_successor(self) -> None:
        made = plan(decisions(BLOCK), NOTHING, decisions(BLOCK), superseded_by={u(1): {u(2)}})
        assert changes(made) == [("remove", u(1))]

    def test_a_decline_of_what_is_not_approved_here_waits_for_no_unapproved_successor(self) -> None:
        made = plan(incoming=decisions(decline(1)), superseded_by={u(1): {u(2)}})
        assert changes(made) == [("decline", u(1))]

    def test_a_decline_of_what_is_not_approved_here_waits_for_a_parked_successor(self) -> None:
        made = plan(
            incoming=decisions(decline(1), approval(2)),
            superseded_by={u(1): {u(2)}},
            content_missing=ids(2),
        )
        assert [each.reason for each in made.held] == [Reason.DECLINE_WAITS]

    def test_a_circle_of_successors_ends(self) -> None:
        made = self.decline_plan(superseded_by={u(1): {u(2)}, u(2): {u(1)}})
        assert made.is_empty


def test_a_decline_of_a_revision_that_is_not_there_is_held() -> None:
    made = plan(incoming=decisions(decline(1, 900)))
    (waiting,) = made.held
    assert waiting.as_json() == {
        "update_id": u(1),
        "revision": 900,
        "group": [],
        "action": None,
        "deadline": None,
        "optional": False,
        "reason": "revision-unknown",
    }


def many(count: int, **values: Any) -> list[Approval]:
    return [approval(n, **values) for n in range(count)]


class TestLimits:
    def test_a_first_import_is_never_stopped_whatever_its_size(self) -> None:
        incoming = decisions(*many(600), *[decline(n) for n in range(600, 700)])
        assert plan(incoming=incoming).limit_exceeded is None

    def test_more_removals_than_the_site_allows_wait(self) -> None:
        here = decisions(*many(600))
        made = plan(here, decisions(*many(499)), here)
        assert made.counts.removals == 101
        assert made.limit_exceeded == "approvals removed: 101, this site allows 100 at once"

    def test_exactly_the_limit_goes_ahead(self) -> None:
        here = decisions(*many(600))
        assert plan(here, decisions(*many(500)), here).limit_exceeded is None

    @pytest.mark.parametrize(
        ("removed", "total", "stops"), [(9, 10, False), (10, 20, True), (10, 40, False)]
    )
    def test_a_share_counts_only_from_ten_on(self, removed: int, total: int, stops: bool) -> None:
        here = decisions(*many(total))
        made = plan(here, decisions(*many(total - removed)), here)
        assert (made.limit_exceeded is not None) is stops

    def test_turning_installs_into_blocks_takes_away_too(self) -> None:
        here = decisions(*many(20))
        made = plan(here, decisions(*many(20, action=Action.NOT_APPROVED)), here)
        assert made.counts.removals == 20
        assert made.limit_exceeded is not None

    def test_a_decline_counts_only_where_the_update_is_approved(self) -> None:
        here = decisions(*many(30))
        declines = [decline(n) for n in range(100, 600)]
        assert plan(here, decisions(*many(30), *declines), here).limit_exceeded is None
        made = plan(here, decisions(*[decline(n) for n in range(30)]), here)
        assert made.counts.declines == 30
        assert "approved updates declined: 30 of 30" in str(made.limit_exceeded)

    def test_undeclines_and_uninstalls_have_limits(self) -> None:
        declined = decisions(*[decline(n) for n in range(20)])
        assert "declines taken back" in str(plan(declined, NOTHING, declined).limit_exceeded)
        gone = decisions(*many(51, action=Action.UNINSTALL), approval(600))
        made = plan(decisions(approval(600)), gone, decisions(approval(600)))
        assert "to uninstall: 51" in str(made.limit_exceeded)

    def test_uninstalls_of_a_first_import_count_only_where_the_update_is_approved_here(
        self,
    ) -> None:
        gone = decisions(*many(60, action=Action.UNINSTALL))
        assert plan(incoming=gone).limit_exceeded is None
        here = decisions(*many(60, group=CLIENTS))
        assert plan(incoming=gone, present=here).counts.uninstalls == 60

    def test_a_server_that_lost_what_was_applied_is_named(self) -> None:
        here = decisions(*many(30))
        made = plan(here, here, decisions(*many(15)))
        assert made.loss == (
            "15 of the 30 decisions last applied on this server are gone; this site allows 25%"
        )
        assert plan(here, here, decisions(*many(25))).loss is None

    def test_approvals_that_went_with_a_local_decline_are_not_lost(self) -> None:
        here = decisions(*many(30))
        assert plan(here, here, decisions(*[decline(n) for n in range(30)])).loss is None


def test_the_digest_binds_what_changes_and_nothing_else() -> None:
    incoming = decisions(approval(1), approval(2))
    made = plan(incoming=incoming, content_missing=ids(2))
    assert len(made.digest) == 64
    assert made.digest == plan(incoming=decisions(approval(1))).digest
    assert made.digest != plan(incoming=incoming).digest
    assert made.digest != plan(incoming=decisions(approval(1, deadline=FAR))).digest


def test_every_reason_has_its_sentence() -> None:
    assert all(reason.sentence.endswith(".") for reason in Reason)
    assert len({reason.sentence for reason in Reason}) == len(Reason)


def test_five_thousand_decisions_are_planned_in_a_moment() -> None:
    known = frozenset(RevisionId(u(n), 100) for n in range(10_000))
    incoming = decisions(*many(5_000), *[decline(n) for n in range(5_000, 10_000)])
    chain = {u(n): {u(n + 1)} for n in range(5_000, 10_000)}
    looked_up_ids: list[str] = []

    def superseded_by(update_id: str) -> Collection[str]:
        looked_up_ids.append(update_id)
        return chain.get(update_id, ())

    states = UpdateStates(on_server=known, superseded_by=superseded_by)
    made = plan_approvals(Situation(NOTHING, incoming, NOTHING, states), ApprovalPolicy(), now=NOW)
    assert len(made.actions) == 10_000
    assert len(looked_up_ids) == len(chain) + 1


@pytest.mark.parametrize(("days", "is_held"), [(-400, True), (-395, True), (0, False), (30, False)])
def test_a_deadline_that_the_shift_makes_near_or_past_is_held(days: int, *, is_held: bool) -> None:
    policy = ApprovalPolicy(deadlines=ShiftedDeadlines(shift_days=days))
    made = plan(incoming=decisions(approval(1, deadline=FAR)), policy=policy)
    assert bool(made.held) == is_held
    if not is_held:
        assert [action.deadline for action in made.actions] == [FAR + timedelta(days=days)]


def test_another_shift_changes_our_own_deadlines_and_no_one_elses() -> None:
    ours, theirs = approval(1, deadline=FAR), approval(2, deadline=FAR + timedelta(days=1))
    incoming = decisions(ours, approval(2, deadline=FAR))
    policy = ApprovalPolicy(deadlines=ShiftedDeadlines(shift_days=7))
    made = plan(
        decisions(ours, approval(2, deadline=FAR)), incoming, decisions(ours, theirs), policy
    )
    assert changes(made) == [("change", u(1))]
    assert reasons(made) == {"kept": [Reason.LOCALLY_CHANGED]}


def test_a_group_that_is_left_out_holds_no_decline_back() -> None:
    rules = GroupRules(map={"Servers": ""})
    superseded_by = {u(1): {u(2)}}
    incoming = decisions(decline(1), approval(2))
    made = plan(incoming=incoming, rules=rules, superseded_by=superseded_by)
    assert changes(made) == [("decline", u(1))]
    assert reasons(made) == {"held": [Reason.GROUP_LEFT_OUT]}
