"""Decisions of which the staging server does not tell are named, and never taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tasks.approvals.capture import ServerDecisions, Unresolved
from tasks.approvals.model import ApprovalSet
from tasks.exporting.unresolved import report_unresolved
from tests.approvals.building import CLIENTS, SERVERS, approval, decisions, u
from tests.exporting.staging_side import StagingSide

GROUP_ID = "11111111-0000-4000-8000-000000000000"
HIDDEN = Unresolved("approval", GROUP_ID, u(1), 101, "Install", "the group could not be found")


def _report(side: StagingSide, captured: ServerDecisions) -> tuple[ApprovalSet, list[object]]:
    complete = report_unresolved(side.run.exports, side.run.report, captured)
    outcome = side.run.report.notes.get("approvals")
    lines = outcome.failed if outcome else ()
    return complete.approval_set, [(line.update_id, line.group, line.reason) for line in lines]


def test_an_approval_whose_group_is_not_given_travels_as_in_the_bundle_before(
    side: StagingSide,
) -> None:
    side.decided = [approval(1, CLIENTS), approval(1, SERVERS), approval(2)]
    side.seal()
    known = decisions(approval(1, SERVERS, revision=101), approval(2), groups=[SERVERS])
    captured = ServerDecisions(known, {}, unresolved=(HIDDEN,))

    complete, lines = _report(side, captured)

    moved = approval(1, CLIENTS, revision=101)
    assert set(complete.approvals) == {*known.approvals, moved}
    assert CLIENTS in complete.groups
    told = "the group could not be found; it is carried as in the bundle before"
    assert lines == [(u(1), CLIENTS, told)]
    assert side.run.report.is_flagged


def test_an_approval_that_was_never_carried_is_named_by_the_id_of_its_group(
    side: StagingSide,
) -> None:
    known = decisions(approval(2))
    complete, lines = _report(side, ServerDecisions(known, {}, unresolved=(HIDDEN,)))
    assert complete == known
    assert lines == [(u(1), (GROUP_ID,), "the group could not be found")]


def test_an_update_that_no_one_knows_keeps_its_approvals(side: StagingSide) -> None:
    known = decisions(approval(1, SERVERS), approval(1, CLIENTS), approval(2))
    unknown = Unresolved("update", None, u(1), 100, None, "no such update")
    complete, lines = _report(side, ServerDecisions(known, {}, unresolved=(unknown,)))
    assert complete == known
    assert lines == [(u(1), CLIENTS, "no such update"), (u(1), SERVERS, "no such update")]


def test_a_named_approval_is_told_whole(side: StagingSide) -> None:
    deadline = datetime(2044, 2, 29, 23, 59, 58, tzinfo=UTC)
    known = decisions(approval(1, SERVERS, deadline=deadline), approval(1, CLIENTS, optional=True))
    unknown = Unresolved("update", None, u(1), 100, None, "no such update")
    _report(side, ServerDecisions(known, {}, unresolved=(unknown,)))
    lines = side.run.report.notes["approvals"].failed
    terms = {line.group: (line.action, line.deadline, line.optional) for line in lines}
    assert terms == {
        CLIENTS: ("Install", None, True),
        SERVERS: ("Install", "2044-02-29T23:59:58Z", False),
    }


def test_a_server_that_tells_everything_is_not_flagged(side: StagingSide) -> None:
    captured = ServerDecisions(decisions(approval(1)), {})
    assert report_unresolved(side.run.exports, side.run.report, captured) is captured
    assert not side.run.report.is_flagged


def test_a_group_that_cannot_be_read_is_named_without_an_update(side: StagingSide) -> None:
    group = replace(HIDDEN, what="group", update_id=None, revision=None, action=None)
    _, lines = _report(side, ServerDecisions(decisions(), {}, unresolved=(group,)))
    assert lines == [(None, (GROUP_ID,), "the group could not be found")]


@pytest.mark.parametrize("lost", ["the bundle's decisions"])
def test_without_the_bundle_before_nothing_is_made_up(side: StagingSide, lost: str) -> None:
    del lost
    side.decided = [approval(1, CLIENTS)]
    draft = side.seal()
    (draft.folder / "approvals.jsonl").unlink()
    complete, _ = _report(
        side, ServerDecisions(decisions(groups=[SERVERS]), {}, unresolved=(HIDDEN,))
    )
    assert complete.approvals == ()
