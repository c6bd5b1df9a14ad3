"""Laws of the planner, against a model of a server that does as WSUS does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tasks.approvals.apply import next_applied
from tasks.approvals.comparison import Situation, UpdateStates
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
from tasks.approvals.policy import ApprovalPolicy
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
situations = st.one_of(
    st.builds(Situation, sides(), sides(), sides(), states),
    # Mostly as it is in life: little has changed since the last time.
    sides().flatmap(
        lambda same: st.builds(
            Situation,
            st.just(same),
            st.one_of(st.just(same), sides()),
            st.one_of(st.just(same), sides()),
            states,
        )
    ),
)


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
    again = Situation(
        last=next_applied(situation.last, situation.incoming, made, outcome),
        incoming=situation.incoming,
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
        assert action.group != ALL_COMPUTERS
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
