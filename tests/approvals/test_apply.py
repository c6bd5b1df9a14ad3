"""A plan as numbered operations, and what became of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tasks.approvals.apply import (
    NO_OUTCOME,
    NOT_SEEN,
    applied_on_server,
    keep_what_server_shows,
    next_applied,
    operations,
    read_outcomes,
)
from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.model import Action, ApprovalSet
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan
from tasks.approvals.policy import ApprovalPolicy
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
    u,
)

KNOWN = frozenset(RevisionId(u(n), 100) for n in range(20))
LAST = decisions(approval(3), decline(4), approval(5))
INCOMING = decisions(
    approval(1, RING, deadline=FAR), approval(2, CLIENTS, action=Action.NOT_APPROVED), decline(5)
)
PRESENT = decisions(approval(3), decline(4), approval(5), groups=[SERVERS])


def made() -> ApprovalPlan:
    situation = Situation(LAST, INCOMING, PRESENT, UpdateStates(on_server=KNOWN))
    return plan_approvals(situation, ApprovalPolicy(), now=NOW)


def outcome(number: int, result: str = "done", error: str | None = None) -> dict[str, Any]:
    error_type = "InvalidOperationException" if error else None
    line = {"kind": "outcome", "n": number, "result": result}
    return line | {"error_type": error_type, "error": error}


def test_what_was_taken_back_is_not_reported_as_what_it_undoes() -> None:
    """In the document both have the keys of the decision, so that ``reason`` tells them apart."""
    said = {action.operation: action.as_json()["reason"] for action in made().actions}
    assert said == {
        "undecline": "decline-taken-back", "remove": "removed", "approve": None, "decline": None,
    }  # fmt: skip


def test_operations_are_numbered_in_the_order_of_the_plan() -> None:
    lines = list(operations(made()))
    assert lines[0] == {"kind": "settings"}
    assert [line["n"] for line in lines[1:]] == list(range(1, len(lines)))
    assert [line["op"] for line in lines[1:]] == [
        "group",
        "group",
        "undecline",
        "approve",
        "approve",
        "remove",
        "decline",
    ]
    assert lines[1] == {"n": 1, "op": "group", "path": ["All Computers", "Clients"]}
    assert lines[5] == {
        "n": 5,
        "op": "approve",
        "update_id": u(1),
        "revision": 100,
        "group": list(RING),
        "action": "Install",
        "deadline": "2032-06-04T03:00:00Z",
        "optional": False,
    }
    assert lines[6] == {
        "n": 6,
        "op": "remove",
        "update_id": u(3),
        "revision": 100,
        "group": list(SERVERS),
        "action": "Install",
    }
    assert lines[7] == {"n": 7, "op": "decline", "update_id": u(5), "revision": 100}


def test_done_and_already_are_applied_and_failures_keep_what_the_server_said() -> None:
    lines = [outcome(n) for n in (1, 2, 3, 4)]
    lines += [outcome(5, "failed", "licence"), outcome(6, "already"), outcome(7), {"kind": "end"}]
    result = read_outcomes(made(), lines)
    assert len(result.applied) == 4
    assert result.repeated == 1
    (failure,) = result.failed
    said = {"reason": "licence", "operation": "approve"}
    assert failure.as_json() == approval(1, RING, deadline=FAR).as_json() | said


def test_an_operation_without_an_outcome_failed() -> None:
    result = read_outcomes(made(), [{"kind": "end"}])
    assert not result.applied
    assert {failure.error for failure in result.failed} == {NO_OUTCOME}
    assert len(result.failed) == 7


def test_the_last_outcome_of_a_number_counts() -> None:
    lines = [outcome(n) for n in range(1, 8)]
    earlier = [outcome(5, "failed", "busy"), *lines]
    assert not read_outcomes(made(), earlier).failed
    later = [*lines, outcome(5, "failed", "busy")]
    assert len(read_outcomes(made(), later).failed) == 1


def test_what_the_server_does_not_show_was_not_done_whatever_the_script_said() -> None:
    said = read_outcomes(made(), [outcome(n) for n in range(1, 8)])

    assert keep_what_server_shows(said, INCOMING) == said
    doubted = keep_what_server_shows(said, PRESENT)
    assert not doubted.applied
    assert {failure.error for failure in doubted.failed} == {NOT_SEEN}
    assert [failure.action for failure in doubted.failed] == list(said.applied)
    assert next_applied(LAST, INCOMING, made(), doubted) == replace(LAST, groups=INCOMING.groups)


def test_another_decision_than_the_one_asked_for_was_not_done_and_is_nobodys_own() -> None:
    asked, other = approval(1, RING, deadline=FAR), approval(1, RING)
    situation = Situation(
        ApprovalSet(), decisions(asked), decisions(), UpdateStates(on_server=KNOWN)
    )
    plan = plan_approvals(situation, ApprovalPolicy(), now=NOW)
    said = read_outcomes(plan, [outcome(1)])
    (failure,) = keep_what_server_shows(said, decisions(other)).failed
    assert (failure.error, failure.made_instead) == (NOT_SEEN, other)

    last = next_applied(
        ApprovalSet(), decisions(asked), plan, keep_what_server_shows(said, decisions(other))
    )
    assert last.approvals == (other,)
    again = Situation(last, decisions(asked), decisions(other), UpdateStates(on_server=KNOWN))
    (mended,) = plan_approvals(again, ApprovalPolicy(), now=NOW).actions
    assert mended.approval == asked


def test_an_approval_that_was_not_replaced_is_left_by_nobody() -> None:
    before, asked = approval(1), approval(1, deadline=FAR)
    situation = Situation(
        ApprovalSet(), decisions(asked), decisions(before), UpdateStates(on_server=KNOWN)
    )
    last = decisions(before)
    plan = plan_approvals(replace(situation, last=last), ApprovalPolicy(), now=NOW)
    (failure,) = keep_what_server_shows(read_outcomes(plan, [outcome(1)]), decisions(before)).failed
    assert failure.made_instead is None


def test_without_an_answer_only_what_the_server_shows_was_done() -> None:
    plan = made()
    assert applied_on_server(plan, INCOMING).applied == plan.actions
    assert applied_on_server(plan, PRESENT).applied == ()
    assert applied_on_server(plan, PRESENT).failed == ()


def test_a_group_that_could_not_be_made_is_a_failure_of_its_own() -> None:
    lines = [outcome(1, "failed", "invalid name"), *[outcome(n) for n in range(2, 8)]]
    (failure,) = read_outcomes(made(), lines).failed
    assert failure.group == CLIENTS
    assert failure.as_json()["group"] == list(CLIENTS)


def applied_next(*failed: int) -> ApprovalSet:
    plan = made()
    lines = [outcome(n, "failed" if n in failed else "done") for n in range(1, 8)]
    return next_applied(LAST, INCOMING, plan, read_outcomes(plan, lines))


def test_what_was_applied_is_the_base_of_the_next_comparison() -> None:
    after = applied_next()
    assert after.approvals == INCOMING.approvals
    assert after.declines == INCOMING.declines


def test_a_failed_addition_stays_unknown() -> None:
    assert applied_next(5).approvals == (approval(2, CLIENTS, action=Action.NOT_APPROVED),)


def test_a_failed_removal_stays_ours() -> None:
    assert approval(3) in applied_next(6).approvals


def test_a_failed_undecline_stays_ours() -> None:
    assert decline(4) in applied_next(3).declines


def test_a_failed_decline_leaves_the_approvals_ours() -> None:
    after = applied_next(7)
    assert decline(5) not in after.declines
    assert approval(5) in after.approvals


def test_what_was_left_out_is_planned_again_by_the_next_import() -> None:
    plan = made()
    kept = plan.without_what_takes_away()
    assert kept.left_out
    lines = [outcome(n) for n in range(1, 1 + len(kept.groups) + len(kept.actions))]
    after = next_applied(LAST, INCOMING, kept, read_outcomes(kept, lines))
    left_out = {(each.change, each.update_id) for each in kept.left_out}
    assert {each for each in left_out if each[0] in ("remove", "undecline")} == {
        ("remove", u(3)),
        ("undecline", u(4)),
    }
    assert approval(3) in after.approvals
    assert decline(4) in after.declines
    assert decline(5) not in after.declines


def test_what_waits_or_is_overruled_keeps_its_earlier_entry() -> None:
    last = decisions(approval(1), approval(2))
    incoming = decisions(approval(1, deadline=FAR), approval(2, deadline=FAR), approval(6))
    present = decisions(approval(1), approval(2, optional=True))
    missing = frozenset({RevisionId(u(1), 100), RevisionId(u(6), 100)})
    states = UpdateStates(on_server=KNOWN, content_missing=missing)
    plan = plan_approvals(Situation(last, incoming, present, states), ApprovalPolicy(), now=NOW)
    after = next_applied(last, incoming, plan, read_outcomes(plan, []))
    assert after.approvals == last.approvals


def test_what_was_in_place_is_ours_from_now_on() -> None:
    here = decisions(approval(1))
    plan = plan_approvals(
        Situation(ApprovalSet(), here, here, UpdateStates(on_server=KNOWN)),
        ApprovalPolicy(),
        now=NOW,
    )
    assert next_applied(ApprovalSet(), here, plan, read_outcomes(plan, [])).approvals == (
        approval(1),
    )
