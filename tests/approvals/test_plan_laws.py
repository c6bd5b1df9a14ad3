"""Laws of the planner, against a model of a server that does as WSUS does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tasks.approvals.apply import next_applied
from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.group_rules import GroupRules
from tasks.approvals.model import (
    ALL_COMPUTERS,
    Action,
    Approval,
    ApprovalSet,
    Decline,
    Key,
)
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan, Waiting
from tasks.approvals.policy import ApprovalPolicy, Deadlines, ShiftedDeadlines
from tasks.approvals.translation import translate
from tasks.revision import RevisionId
from tests.approvals.building import (
    CLIENTS,
    FAR,
    NOW,
    SERVERS,
    ModelServer,
    decisions,
    looked_up,
    u,
)

UPDATES = range(1, 5)
REVISIONS = (100, 101)
EVERY_REVISION = [RevisionId(u(n), revision) for n in UPDATES for revision in REVISIONS]
DEADLINES = st.sampled_from([None, FAR, NOW + timedelta(days=1), NOW - timedelta(days=1)])


@st.composite
def sides(draw: st.DrawFn) -> ApprovalSet:
    """What one server may hold: an update is declined or approved, once per group."""
    items: list[Approval | Decline] = []
    for number in UPDATES:
        if draw(st.integers(0, 4)) == 0:
            items.append(Decline(update_id=u(number), revision=draw(st.sampled_from(REVISIONS))))
            continue
        for group in (SERVERS, CLIENTS, ALL_COMPUTERS):
            if draw(st.booleans()):
                action = draw(st.sampled_from(Action))
                plain = action is Action.NOT_APPROVED
                optional = not plain and draw(st.integers(0, 3)) == 0
                items.append(
                    Approval(
                        update_id=u(number),
                        revision=draw(st.sampled_from(REVISIONS)),
                        group=group,
                        action=action,
                        deadline=None if plain or optional else draw(DEADLINES),
                        optional=optional,
                    )
                )
    groups = draw(st.sets(st.sampled_from([SERVERS, CLIENTS])))
    return decisions(*items, groups=[ALL_COMPUTERS, *groups])


revisions = st.frozensets(st.sampled_from(EVERY_REVISION), max_size=3)
states = st.builds(
    UpdateStates,
    on_server=st.one_of(st.just(frozenset(EVERY_REVISION)), revisions),
    expired=revisions,
    license_pending=revisions,
    content_missing=revisions,
    superseded_by=st.dictionaries(
        st.sampled_from([u(n) for n in UPDATES]),
        st.frozensets(st.sampled_from([u(n) for n in UPDATES]), max_size=2),
        max_size=3,
    ).map(looked_up),
)
policies = st.builds(
    ApprovalPolicy,
    licence_terms=st.sampled_from(["hold", "accept"]),
    min_deadline_days=st.sampled_from([0, 7]),
)
PATHS_HERE = ["Servers", "Clients", "Ring 0", "HQ/Ring 0"]
rules = st.one_of(
    st.just(GroupRules()),
    st.builds(
        GroupRules,
        all_computers=st.sampled_from(["hold", "apply", *PATHS_HERE]),
        prefix=st.sampled_from(["", "HQ"]),
        map=st.dictionaries(
            st.sampled_from(["Servers", "Clients"]), st.sampled_from(["", *PATHS_HERE])
        ),
    ),
)


deadline_rules: st.SearchStrategy[Deadlines] = st.sampled_from(
    ["keep", "drop", ShiftedDeadlines(shift_days=30), ShiftedDeadlines(shift_days=-30)]
)


@st.composite
def situations_of(draw: st.DrawFn) -> Situation:
    """A situation; mostly as it is in life: little has changed since the last time."""
    incoming = draw(sides())
    taken = translate(incoming, draw(rules), draw(deadline_rules))
    as_last_time = st.sampled_from([incoming, taken.incoming])
    last = draw(st.one_of(as_last_time, sides()))
    present = draw(st.one_of(st.just(last), as_last_time, sides()))
    return Situation(last, taken.incoming, present, draw(states), taken.withheld)


situations = situations_of()


@dataclass
class Crossing:
    """A plan made, carried out, and what is there afterwards."""

    plan: ApprovalPlan
    before: ApprovalSet
    after: ApprovalSet
    again: Situation


def cross(
    situation: Situation, policy: ApprovalPolicy, fail: frozenset[int] = frozenset()
) -> Crossing:
    made = plan_approvals(situation, policy, now=NOW)
    server = ModelServer.holding(situation.present)
    outcome = server.carry_out(made, fail=fail)
    after = server.decisions()
    pending = frozenset(situation.states.license_pending) - server.accepted
    again = replace(
        situation,
        last=next_applied(situation.last, situation.incoming, made, outcome),
        present=after,
        states=replace(situation.states, license_pending=pending),
    )
    return Crossing(made, situation.present, after, again)


def waiting_keys(*lists: tuple[Waiting, ...]) -> set[Key]:
    found: set[Key] = set()
    for waiting in (each for part in lists for each in part):
        path = tuple(name.casefold() for name in waiting.group)
        found.add((waiting.update_id, path))
    return found


def is_local(situation: Situation, key: Key) -> bool:
    """Written apart from the planner: somebody here made or changed this approval."""
    last, present = situation.last.by_key().get(key), situation.present.by_key().get(key)
    if present is None:
        return False
    if last is None:
        return True
    same = (last.action, last.deadline, last.optional) == (
        present.action,
        present.deadline,
        present.optional,
    )
    return not same or present.revision < last.revision


@given(situations, policies)
def test_afterwards_the_server_holds_what_came_minus_what_waits(
    situation: Situation, policy: ApprovalPolicy
) -> None:
    crossing = cross(situation, policy)
    waiting = waiting_keys(crossing.plan.parked, crossing.plan.held, crossing.plan.kept)
    after = crossing.after.by_key()
    for key, wanted in situation.incoming.by_key().items():
        if key not in waiting:
            assert after[key].agrees_with(wanted)
    declined = crossing.after.declined_ids()
    for update_id in situation.incoming.declined_ids():
        assert update_id in declined or (update_id, ()) in waiting


@given(situations, policies)
def test_what_is_there_and_did_not_come_is_local_or_waits(
    situation: Situation, policy: ApprovalPolicy
) -> None:
    crossing = cross(situation, policy)
    waiting = waiting_keys(crossing.plan.parked, crossing.plan.held, crossing.plan.kept)
    incoming = situation.incoming.by_key()
    for key in crossing.after.by_key().keys() - incoming.keys():
        assert key in waiting or is_local(situation, key)


@given(situations, policies)
def test_a_second_plan_is_empty_and_the_same_things_wait(
    situation: Situation, policy: ApprovalPolicy
) -> None:
    crossing = cross(situation, policy)
    second = plan_approvals(crossing.again, policy, now=NOW)
    assert not second.actions
    assert not second.groups
    assert set(second.parked) == set(crossing.plan.parked)
    assert {w for w in second.held if w.subject != "removal"} <= set(crossing.plan.held)


@given(situations, policies)
def test_local_decisions_survive(situation: Situation, policy: ApprovalPolicy) -> None:
    crossing = cross(situation, policy)
    after = crossing.after.by_key()
    for key, approval in situation.present.by_key().items():
        if is_local(situation, key) and approval.action is not Action.NOT_APPROVED:
            assert after[key] == approval
    ours = situation.last.declined_ids()
    for update_id in situation.present.declined_ids().keys() - ours.keys():
        assert update_id in crossing.after.declined_ids()


@given(situations, policies)
def test_a_first_import_takes_nothing_away(situation: Situation, policy: ApprovalPolicy) -> None:
    first = replace(situation, last=ApprovalSet())
    crossing = cross(first, policy)
    counts = crossing.plan.counts
    assert (counts.removals, counts.declines, counts.undeclines, counts.lost) == (0, 0, 0, 0)
    assert crossing.plan.loss is None
    before = {approval for approval in first.present.approvals if approval.action != "NotApproved"}
    assert before <= set(crossing.after.approvals)


@given(situations, policies)
def test_nothing_waiting_or_near_its_deadline_is_ever_applied(
    situation: Situation, policy: ApprovalPolicy
) -> None:
    made = plan_approvals(situation, policy, now=NOW)
    limit = NOW + timedelta(days=policy.min_deadline_days)
    for action in made.actions:
        if action.operation != "approve" or action.action is Action.NOT_APPROVED:
            continue
        assert action.id not in situation.states.content_missing
        assert situation.withheld.reason(action.approval) is None
        assert action.deadline is None or action.deadline >= limit


@given(situations, policies, st.randoms())
def test_order_and_repetition_of_what_was_found_change_nothing(
    situation: Situation, policy: ApprovalPolicy, random: object
) -> None:
    lines = list(situation.incoming.lines()) * 2
    random.shuffle(lines)  # type: ignore[attr-defined]
    shuffled = replace(situation, incoming=ApprovalSet.from_lines(lines))
    plan = plan_approvals(situation, policy, now=NOW)
    assert plan_approvals(shuffled, policy, now=NOW) == plan


@given(situations, policies, st.frozensets(st.integers(1, 12), max_size=4))
def test_a_run_with_failures_is_completed_by_the_next_one(
    situation: Situation, policy: ApprovalPolicy, fail: frozenset[int]
) -> None:
    whole = cross(situation, policy)
    # A group that cannot be made takes its approvals with it; that is another test's matter.
    first = len(whole.plan.groups) + 1
    broken = cross(situation, policy, frozenset(n for n in fail if n >= first))
    mended = cross(broken.again, policy)
    assert mended.after.approvals == whole.after.approvals
    assert mended.after.declined_ids().keys() == whole.after.declined_ids().keys()


@given(sides(), rules, rules, policies)
def test_changed_rules_for_groups_lead_to_what_the_new_rules_alone_would_have_made(
    incoming: ApprovalSet, before: GroupRules, after: GroupRules, policy: ApprovalPolicy
) -> None:
    all_known = UpdateStates(on_server=frozenset(EVERY_REVISION))

    def situation(under: GroupRules, last: ApprovalSet, present: ApprovalSet) -> Situation:
        taken = translate(incoming, under)
        return Situation(last, taken.incoming, present, all_known, taken.withheld)

    nothing = decisions(groups=[ALL_COMPUTERS])
    old = cross(situation(before, nothing, nothing), policy)
    changed = cross(situation(after, old.again.last, old.after), policy)
    fresh = cross(situation(after, nothing, nothing), policy)

    # What was applied stands while the approval for the same group waits under the new rules.
    surplus = set(changed.after.approvals) - set(fresh.after.approvals)
    assert set(fresh.after.approvals) <= set(changed.after.approvals)
    withheld = translate(incoming, after).withheld
    waiting = waiting_keys(changed.plan.parked, changed.plan.held)
    assert all(withheld.reason(each) or each.key in waiting for each in surplus)
    assert changed.plan.loss is None


@given(sides(), rules)
def test_translation_invents_no_approval_and_loses_none_but_by_a_rule(
    incoming: ApprovalSet, under: GroupRules
) -> None:
    taken = translate(incoming, under)
    left_out = {(each.update_id, each.group) for each in taken.withheld.left_out}
    reached = {(each.update_id, each.group) for each in taken.incoming.approvals}
    wanted = set()
    for approval in incoming.approvals:
        target = under.target(approval.group)
        if target is None:
            assert (approval.update_id, approval.group) in left_out
        elif target != ALL_COMPUTERS or approval.action is not Action.NOT_APPROVED:
            wanted.add((approval.update_id, target))
    assert wanted <= reached
    assert {group for _, group in reached - wanted} <= {ALL_COMPUTERS}
    assert taken.incoming.declines == incoming.declines
