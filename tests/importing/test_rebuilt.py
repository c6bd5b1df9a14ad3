"""A rebuilt or emptied server is a person's decision: shown as a plan, confirmed, then durable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.approvals.losses import RebuiltChoice
from tasks.approvals.model import Action, Approval, Decline
from tasks.approvals.plan_model import NOTHING_PLANNED
from tasks.content.deletion import DeletePlan
from tasks.importing.confirmation import remember_confirmation
from tasks.importing.taken_back import read_taken_back
from tasks.ledger.taken_back import TakenBack
from tasks.names import Side
from tasks.refusals import PlanUnconfirmedError, ServerChangedError
from tasks.server.mark import read_mark, write_mark
from tests.approvals.building import SERVERS, decisions
from tests.importing.disconnected_side import DisconnectedSide
from tests.metadata.writing import Update, guid

NUMBERS = range(1, 21)
APPROVALS = [
    Approval(update_id=guid(number), revision=1, group=SERVERS, action=Action.INSTALL)
    for number in NUMBERS
]
DECLINES = [Decline(update_id=guid(number), revision=1) for number in (21, 22)]
OTHER_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def bundle(side: DisconnectedSide) -> Path:
    """A bundle that was imported, before its server was emptied but for three approvals."""
    side.workshop.updates = [Update(number) for number in range(1, 23)]
    made = side.make_bundle(decided=[*APPROVALS, *DECLINES])
    side.import_(made)
    assert len(side.present.approvals) == len(APPROVALS)
    side.present = decisions(*APPROVALS[:3])
    return made


def digest_of(side: DisconnectedSide, bundle: Path, choice: RebuiltChoice) -> str:
    """Have the plan shown, and see that nothing was done."""
    before = side.present
    remembered = list(side.run.imports.decisions("applied"))
    with pytest.raises(PlanUnconfirmedError, match="19 of the 22") as caught:
        side.import_(bundle, rebuilt=choice, confirm="ab" * 32)
    assert [section.key for section in side.run.report.sections][:1] == ["rebuilt"]
    assert (side.present, list(side.run.imports.decisions("applied"))) == (before, remembered)
    digest = side.run.report.notes["plan_digest"]
    assert digest in caught.value.next_step
    return digest


def test_an_emptied_server_stops_the_import_and_the_way_on_is_named(
    side: DisconnectedSide, bundle: Path
) -> None:
    with pytest.raises(ServerChangedError, match="19 of the 22") as caught:
        side.import_(bundle)
    assert "--rebuilt adopt" in caught.value.next_step
    assert "--rebuilt reapply" in caught.value.next_step


def test_adopting_keeps_what_is_there_from_then_on(side: DisconnectedSide, bundle: Path) -> None:
    side.import_(bundle, rebuilt="adopt", confirm=digest_of(side, bundle, "adopt"))
    assert side.present.approvals == tuple(APPROVALS[:3])
    assert side.present.declines == ()
    assert len(side.run.report.notes["conflicts"]) == 19

    side.import_(bundle)  # the same losses stop nothing any more
    assert side.present.approvals == tuple(APPROVALS[:3])
    side.present = decisions()
    side.import_(bundle)  # three more are below the limit
    assert side.present.approvals == ()


def test_reapplying_makes_the_last_state_again(side: DisconnectedSide, bundle: Path) -> None:
    side.import_(bundle, rebuilt="reapply", confirm=digest_of(side, bundle, "reapply"))
    assert side.present.approvals == tuple(APPROVALS)
    assert side.present.declines == tuple(DECLINES)
    assert "conflicts" not in side.run.report.notes

    side.import_(bundle)
    assert side.present.approvals == tuple(APPROVALS)


def test_what_was_changed_there_stands_when_the_rest_is_applied_again(
    side: DisconnectedSide, bundle: Path
) -> None:
    changed = Approval(update_id=guid(5), revision=1, group=SERVERS, action=Action.UNINSTALL)
    side.present = decisions(*APPROVALS[:2], changed)
    side.import_(bundle, rebuilt="reapply", confirm=digest_of(side, bundle, "reapply"))
    assert changed in side.present.approvals
    assert len(side.present.approvals) == len(APPROVALS)


def test_the_plans_of_both_choices_have_digests_of_their_own(
    side: DisconnectedSide, bundle: Path
) -> None:
    assert digest_of(side, bundle, "adopt") != digest_of(side, bundle, "reapply")


def test_another_server_id_is_recorded_once_a_person_has_confirmed(
    side: DisconnectedSide, bundle: Path
) -> None:
    side.present = decisions(*APPROVALS, *DECLINES)  # restored, with a new id
    first = side.facts.server_id
    side.facts = side.facts.model_copy(update={"server_id": OTHER_ID})
    with pytest.raises(PlanUnconfirmedError, match=OTHER_ID):
        side.import_(bundle, rebuilt="adopt")
    assert side.run.ledger.server_id(Side.DISCONNECTED) == first

    side.import_(bundle, rebuilt="adopt", confirm=side.run.report.notes["plan_digest"])

    assert side.run.ledger.server_id(Side.DISCONNECTED) == OTHER_ID
    assert side.present.approvals == tuple(APPROVALS)


def test_a_server_that_is_as_it_was_needs_no_decision(side: DisconnectedSide, bundle: Path) -> None:
    side.present = decisions(*APPROVALS, *DECLINES)
    side.import_(bundle, rebuilt="reapply")
    assert "--rebuilt reapply decided nothing: the server is as it was" in side.run.report.lines


@pytest.mark.parametrize("is_begun", [False, True])
@pytest.mark.parametrize("choice", ["adopt", "reapply"])
def test_an_older_confirmation_of_the_bundle_is_none_of_a_rebuilt_server(
    side: DisconnectedSide, bundle: Path, choice: RebuiltChoice, *, is_begun: bool
) -> None:
    older = "cd" * 32
    side.present = decisions(*APPROVALS[:3], *DECLINES)  # so that neither choice takes a thing away
    delivery = side.take_in(bundle)
    remember_confirmation(
        side.run.ledger.steps(delivery.work.text),
        older,
        approvals=NOTHING_PLANNED,
        deletes=DeletePlan((), 0, 0),
        now=side.run.clock(),
    )
    if is_begun:
        done = side.run.imports.by_digest(delivery.digest)
        assert done is not None
        begun = {"status": "begun", "done": None, "outcome": None}
        side.run.imports.rejoin(done.model_copy(update=begun))
    first = side.facts.server_id
    side.facts = side.facts.model_copy(update={"server_id": OTHER_ID})

    with pytest.raises(PlanUnconfirmedError, match="another plan's"):
        side.import_(bundle, rebuilt=choice, confirm=older)

    assert side.run.ledger.server_id(Side.DISCONNECTED) == first


# --- a snapshot -----------------------------------------------------------------------------------

STAYING, RETURNED, LOCAL = APPROVALS[:3], APPROVALS[3], APPROVALS[4]
TAKEN_BACK = DECLINES[0]


@pytest.fixture
def second(side: DisconnectedSide) -> Path:
    """A second bundle was imported, which took back two approvals and a decline of the first."""
    side.workshop.updates = [Update(number) for number in range(1, 23)]
    first = side.make_bundle(decided=[*STAYING, RETURNED, LOCAL, *DECLINES])
    parent = side.import_(first).header
    undeclined = Approval(
        update_id=TAKEN_BACK.update_id, revision=1, group=SERVERS, action=Action.INSTALL
    )
    bundle = side.make_bundle(2, decided=[*STAYING, undeclined, DECLINES[1]], parent=parent)
    side.import_(bundle)
    assert decided(side) == {*STAYING, undeclined, DECLINES[1]}
    return bundle


def decided(side: DisconnectedSide) -> set[Approval | Decline]:
    return {*side.present.approvals, *side.present.declines}


def set_back(side: DisconnectedSide) -> None:
    """Set the server back to what it was after the first bundle, its mark too."""
    side.present = decisions(*STAYING, RETURNED, LOCAL, *DECLINES)
    mark = read_mark(side.run)
    assert mark is not None
    older = mark.model_copy(update={"sequence": 1})
    write_mark(side.run.server, side.run.folders.mark, older)


def test_reapplying_takes_away_what_staging_took_back_and_a_snapshot_has_again(
    side: DisconnectedSide, second: Path
) -> None:
    wanted = decided(side)
    set_back(side)
    with pytest.raises(PlanUnconfirmedError, match="3 that staging took back are there again") as e:
        side.import_(second, rebuilt="reapply")
    digest = side.run.report.notes["plan_digest"]
    assert digest in e.value.next_step

    side.import_(second, rebuilt="reapply", confirm=digest)

    assert decided(side) == wanted
    assert "conflicts" not in side.run.report.notes


def test_a_snapshot_with_an_older_revision_than_was_taken_back_is_recognised(
    side: DisconnectedSide, second: Path
) -> None:
    before = read_taken_back(side.run.ledger)
    newer = [replace(each, revision=each.revision + 1) for each in before.approvals]
    TakenBack(side.run.ledger).replace(decisions(*newer, *before.declines).lines())
    set_back(side)
    with pytest.raises(PlanUnconfirmedError, match="3 that staging took back are there again"):
        side.import_(second, rebuilt="reapply")

    side.import_(second, rebuilt="reapply", confirm=side.run.report.notes["plan_digest"])

    assert RETURNED not in side.present.approvals
    assert "conflicts" not in side.run.report.notes


def test_what_a_person_here_decided_so_again_is_no_trace_of_a_snapshot(
    side: DisconnectedSide, second: Path
) -> None:
    side.present = decisions(*side.present.approvals, *side.present.declines, LOCAL)
    side.import_(second)  # the server is as new as the ledger: that approval is a person's
    assert LOCAL in side.present.approvals
    set_back(side)
    with pytest.raises(PlanUnconfirmedError, match="2 that staging took back are there again"):
        side.import_(second, rebuilt="reapply")

    side.import_(second, rebuilt="reapply", confirm=side.run.report.notes["plan_digest"])

    assert LOCAL in side.present.approvals
    assert RETURNED not in side.present.approvals


def test_reapplying_takes_nothing_from_a_person_on_a_server_that_was_not_set_back(
    side: DisconnectedSide, second: Path
) -> None:
    side.present = decisions(LOCAL)  # a person approved it again; the mark is as new as the ledger
    with pytest.raises(PlanUnconfirmedError) as caught:
        side.import_(second, rebuilt="reapply")
    assert "are there again" not in caught.value.message

    side.import_(second, rebuilt="reapply", confirm=side.run.report.notes["plan_digest"])

    assert {*STAYING, LOCAL} <= set(side.present.approvals)


def test_another_server_with_a_copied_mark_counts_as_set_back(
    side: DisconnectedSide, second: Path
) -> None:
    side.present = decisions(*STAYING, RETURNED, LOCAL, *DECLINES)
    side.facts = side.facts.model_copy(update={"server_id": OTHER_ID})
    with pytest.raises(PlanUnconfirmedError, match="3 that staging took back are there again"):
        side.import_(second, rebuilt="reapply")


def test_without_reapplying_what_a_snapshot_has_again_counts_as_decided_there(
    side: DisconnectedSide, second: Path
) -> None:
    set_back(side)

    side.import_(second)

    assert {RETURNED, LOCAL} <= set(side.present.approvals)
    assert TAKEN_BACK in side.present.declines


def test_other_terms_than_those_that_were_taken_back_are_a_persons(
    side: DisconnectedSide, second: Path
) -> None:
    set_back(side)
    changed = replace(RETURNED, action=Action.UNINSTALL)
    side.present = decisions(*STAYING, changed, *DECLINES)
    with pytest.raises(PlanUnconfirmedError):
        side.import_(second, rebuilt="reapply")

    side.import_(second, rebuilt="reapply", confirm=side.run.report.notes["plan_digest"])

    assert changed in side.present.approvals
