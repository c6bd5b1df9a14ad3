"""What a confirmation covers: the plan that it was given to, and what is left of that plan."""

from __future__ import annotations

import pytest

from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.model import Action, Approval, ApprovalSet, Decline
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan
from tasks.approvals.policy import ApprovalPolicy
from tasks.content.deletion import DeletePlan
from tasks.content.names import ContentName
from tasks.content.scan import ContentFile
from tasks.hosts.paths import HostPath, Platform
from tasks.importing.approval_run import without_excess
from tasks.importing.confirmation import covers, keep_for_undeleted, remember_confirmation
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tests.approvals.building import NOW, approval, decisions, decline, u

KNOWN = frozenset(RevisionId(u(number), 100) for number in range(100))
NO_DELETES = DeletePlan((), 0, 0)
WORK = "import-2-0123456789abcdef"
DIGEST = "ab" * 32


def plan(here: ApprovalSet, *incoming: Approval | Decline) -> ApprovalPlan:
    situation = Situation(here, decisions(*incoming), here, UpdateStates(on_server=KNOWN))
    return plan_approvals(situation, ApprovalPolicy(max_removals=1), now=NOW)


def deletes(*numbers: int) -> DeletePlan:
    files = []
    for number in numbers:
        name = ContentName.parse(f"{number:040X}.cab")
        assert name is not None
        path = HostPath(f"/content/{name.text}", Platform.POSIX)
        files.append(ContentFile(name, path, 1, 0, ""))
    return DeletePlan(tuple(files), 0, len(files))


HERE = decisions(*[approval(number) for number in range(6)])
CONFIRMED = plan(HERE, approval(0), approval(1), approval(2))  # takes 3, 4 and 5 away


def is_covered(
    run: RunContext, approvals: ApprovalPlan = CONFIRMED, files: DeletePlan = NO_DELETES,
    *, work: str = WORK, digest: str = DIGEST,
) -> bool:  # fmt: skip
    steps = run.ledger.steps(work)
    return covers(steps, digest, approvals=approvals, deletes=files)


def confirm(run: RunContext, files: DeletePlan = NO_DELETES) -> None:
    steps = run.ledger.steps(WORK)
    remember_confirmation(steps, DIGEST, approvals=CONFIRMED, deletes=files, now=run.clock())


def test_nothing_is_covered_before_a_person_confirmed(disconnected: RunContext) -> None:
    assert not is_covered(disconnected)


def test_the_confirmed_plan_and_what_is_left_of_it_are_covered(disconnected: RunContext) -> None:
    confirm(disconnected, deletes(1, 2))
    assert is_covered(disconnected, files=deletes(1, 2))
    left = plan(HERE, *[approval(number) for number in range(5)])
    assert left.actions
    assert is_covered(disconnected, left, deletes(2))


def test_once_files_are_deleted_only_those_that_could_not_be_are_covered(
    disconnected: RunContext,
) -> None:
    confirm(disconnected, deletes(1, 2))
    undeleted = [file.name.text for file in deletes(2).files]
    steps = disconnected.ledger.steps(WORK)
    keep_for_undeleted(steps, undeleted, now=disconnected.clock())
    assert is_covered(disconnected, files=deletes(2))
    assert not is_covered(disconnected, files=deletes(1))  # it was put back since
    assert is_covered(disconnected, plan(HERE, *[approval(number) for number in range(5)]))


def test_what_adds_something_needs_no_confirmation(disconnected: RunContext) -> None:
    confirm(disconnected)
    more = plan(HERE, approval(0), approval(1), approval(2), approval(9))
    assert len(more.actions) == len(CONFIRMED.actions) + 1
    assert is_covered(disconnected, more)


@pytest.mark.parametrize(
    "incoming",
    [
        pytest.param([approval(0), approval(1)], id="one more removal"),
        pytest.param([approval(0), approval(1), approval(2), decline(7)], id="a decline"),
        pytest.param(
            [approval(0), approval(1), approval(2, action=Action.NOT_APPROVED)], id="a block"
        ),
        pytest.param(
            [approval(0), approval(1), approval(2), approval(8, action=Action.UNINSTALL)],
            id="an uninstall",
        ),
    ],
)
def test_whatever_takes_more_away_is_not_covered(
    disconnected: RunContext, incoming: list[Approval | Decline]
) -> None:
    confirm(disconnected)
    assert not is_covered(disconnected, plan(HERE, *incoming))


def test_a_file_more_another_digest_and_another_bundle_are_not_covered(
    disconnected: RunContext,
) -> None:
    confirm(disconnected, deletes(1))
    assert not is_covered(disconnected, files=deletes(1, 2))
    assert not is_covered(disconnected, digest="cd" * 32)
    assert not is_covered(disconnected, work="import-3-0123456789abcdef")


def test_what_nobody_confirmed_and_is_too_much_is_left_out_and_said(
    disconnected: RunContext,
) -> None:
    uninstalled = plan(
        HERE, approval(0), approval(9), *[approval(n, action=Action.UNINSTALL) for n in range(1, 6)]
    )
    for made in (CONFIRMED, uninstalled):
        kept = without_excess(disconnected.report, made)
        assert not any(action.takes_away for action in kept.actions)
        assert set(kept.actions) | set(kept.left_out) == set(made.actions)
        assert any("left for the next import" in alarm for alarm in disconnected.report.notices)
        disconnected.report.notices.clear()
    assert [action.update_id for action in kept.actions] == [u(9)]

    within = plan(HERE, *[approval(number) for number in range(5)])
    assert without_excess(disconnected.report, within) is within
    assert disconnected.report.notices == []
