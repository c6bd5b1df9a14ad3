"""What an import plans before its first change, and when a person must confirm it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.model import Action, Approval, ApprovalSet, Decline, encode_line
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan
from tasks.approvals.policy import ApprovalPolicy
from tasks.approvals.reasons import Reason
from tasks.content.deletion import DeletePlan
from tasks.content.names import ContentName
from tasks.content.scan import ContentFile
from tasks.errors import FailedError
from tasks.hosts.paths import HostPath, Platform
from tasks.importing.approval_run import PlanInputs
from tasks.importing.import_plan import (
    ImportPlan,
    newest_folder,
    plan_import,
    require_confirmed,
)
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.ledger.imports import ImportRecord, RememberedDecision
from tasks.metadata.audit import without_trace
from tasks.metadata.closure import ContentChoice
from tasks.names import Mode
from tasks.refusals import (
    DeleteLimitError,
    PlanUnconfirmedError,
    ServerChangedError,
    ServerUnfitError,
)
from tasks.revision import RevisionId
from tasks.run.stored_documents import PAYLOAD
from tests.approvals.building import SERVERS, approval, decisions, u
from tests.importing.disconnected_side import DisconnectedSide, superseded
from tests.metadata.writing import File, Update, guid
from tests.support.bundles import NOW, write_content

# --- when a person must confirm ----------------------------------------------------------------

KNOWN = frozenset(RevisionId(u(number), 100) for number in range(20))
HERE = decisions(*[approval(number) for number in range(6)])


def plan_of(*incoming: Approval | Decline) -> ApprovalPlan:
    """Plan for a server that has six approvals, at a site that allows one removal at once."""
    situation = Situation(HERE, decisions(*incoming), HERE, UpdateStates(on_server=KNOWN))
    return plan_approvals(situation, ApprovalPolicy(max_removals=1), now=NOW)


def deletes_of(*numbers: int) -> DeletePlan:
    files = []
    for number in numbers:
        name = ContentName.parse(f"{number:040X}.cab")
        assert name is not None
        path = HostPath(f"/content/{name.text}", Platform.POSIX)
        files.append(ContentFile(name, path, 1, 0, ""))
    return DeletePlan(tuple(files), 0, 100)


KEEPS = plan_of(*[approval(number) for number in range(7)])
TAKES_ONE = plan_of(*[approval(number) for number in range(5)])
TAKES_TWO = plan_of(*[approval(number) for number in range(4)])
TAKES_THREE = plan_of(*[approval(number) for number in range(3)])
NONE = deletes_of()


def plan_with(
    approvals: ApprovalPlan, deletes: DeletePlan = NONE, *, begun: bool = False
) -> ImportPlan:
    sources = PlanInputs(
        incoming=decisions(),
        index=Path("/nowhere"),
        choice=ContentChoice(languages=None, express=False),
        find_content=lambda _: None,
        provenance=without_trace,
        begun=begun,
    )
    return ImportPlan(approvals, deletes, sources)


@pytest.fixture
def delivery(side: DisconnectedSide) -> TrustedBundle:
    side.workshop.updates = [Update(1)]
    return side.take_in(side.make_bundle())


PLANS = {
    "adds": (plan_with(KEEPS), 0),
    "takes no more than allowed": (plan_with(TAKES_ONE), 0),
    "takes more than allowed": (plan_with(TAKES_THREE), 1),
    "deletes": (plan_with(KEEPS, deletes_of(1)), 1),
    "takes and deletes": (plan_with(TAKES_THREE, deletes_of(1)), 2),
}


@pytest.mark.parametrize("given", ["nothing", "its digest", "its digest in capitals", "another"])
@pytest.mark.parametrize("name", PLANS)
def test_a_plan_waits_for_a_person_when_it_takes_away_too_much_or_deletes(
    side: DisconnectedSide, delivery: TrustedBundle, name: str, given: str
) -> None:
    plan, reasons = PLANS[name]
    assert len(plan.reasons) == reasons
    confirm = {
        "nothing": None,
        "its digest": plan.digest,
        "its digest in capitals": plan.digest.upper(),
        "another": "ab" * 32,
    }[given]

    if not reasons:
        assert require_confirmed(side.run, delivery, plan, confirm=confirm) == plan
        assert "plan_digest" not in side.run.report.notes
        return
    if given.startswith("its"):
        confirmed = require_confirmed(side.run, delivery, plan, confirm=confirm)
        assert confirmed == replace(plan, confirmed=plan.digest)
        remembered = side.run.ledger.steps(delivery.work.text).confirmation
        assert remembered is not None
        assert remembered.digest == plan.digest
    else:
        with pytest.raises(PlanUnconfirmedError) as caught:
            require_confirmed(side.run, delivery, plan, confirm=confirm)
        assert ("another plan's" in caught.value.message) == (given == "another")
        assert plan.digest in caught.value.next_step
        assert side.run.ledger.steps(delivery.work.text).confirmation is None
    assert side.run.report.notes["plan_digest"] == plan.digest


@pytest.mark.parametrize(
    ("rest", "begun", "is_taken"),
    [
        pytest.param(TAKES_TWO, True, True, id="what is left of it"),
        pytest.param(TAKES_TWO, False, False, id="before anything was changed"),
        pytest.param(plan_of(approval(9)), True, False, id="more than was confirmed"),
    ],
)
def test_a_confirmation_outlives_a_killed_import_for_what_is_left_of_its_plan_alone(
    side: DisconnectedSide,
    delivery: TrustedBundle,
    *,
    rest: ApprovalPlan,
    begun: bool,
    is_taken: bool,
) -> None:
    confirmed = plan_with(TAKES_THREE)
    require_confirmed(side.run, delivery, confirmed, confirm=confirmed.digest)
    left = plan_with(rest, begun=begun)
    assert left.digest != confirmed.digest
    if is_taken:
        taken = require_confirmed(side.run, delivery, left, confirm=confirmed.digest)
        assert taken.confirmed == confirmed.digest
        return
    with pytest.raises(PlanUnconfirmedError):
        require_confirmed(side.run, delivery, left, confirm=confirmed.digest)


def test_no_confirmation_lets_a_plan_delete_more_than_the_site_ever_allows(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    plan = plan_with(KEEPS, deletes_of(*range(1, 52)))  # 51 of 100 files
    with pytest.raises(DeleteLimitError):
        require_confirmed(side.run, delivery, plan, confirm=plan.digest)
    assert side.run.ledger.steps(delivery.work.text).confirmation is None


def test_the_digest_is_of_what_needs_a_person_and_of_nothing_else() -> None:
    assert plan_with(KEEPS).digest == plan_with(TAKES_ONE).digest
    assert plan_with(KEEPS, deletes_of(1)).digest == plan_with(TAKES_ONE, deletes_of(1)).digest
    digests = {
        plan_with(KEEPS).digest,
        plan_with(TAKES_TWO).digest,
        plan_with(TAKES_THREE).digest,
        plan_with(KEEPS, deletes_of(1)).digest,
        plan_with(KEEPS, deletes_of(2)).digest,
        plan_with(TAKES_THREE, deletes_of(1)).digest,
    }
    assert len(digests) == 6
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


# --- what a plan is made of ----------------------------------------------------------------------

FILE = File("a.cab", size=5)
CONTENT = b"a.cab"


def install(number: int) -> Approval:
    return Approval(update_id=guid(number), revision=1, group=SERVERS, action=Action.INSTALL)


def plan_for(side: DisconnectedSide, bundle: Path) -> ImportPlan:
    delivery = side.take_in(bundle)
    return plan_import(side.run, delivery, side.facts, side.list_content())


@pytest.mark.parametrize("is_carried", [False, True])
@pytest.mark.parametrize("lies_there", ["not", "unproved", "cut off"])
def test_an_approval_is_parked_unless_its_content_is_in_place_or_comes_with_the_bundle(
    side: DisconnectedSide, lies_there: str, is_carried: bool
) -> None:
    side.workshop.updates = [Update(1, files=(FILE,))]
    if is_carried:
        write_content(side.workshop.content, CONTENT)
    if lies_there != "not":
        name = side.write_content(CONTENT)
        if lies_there == "cut off":
            path = side.content_dir.joined(name.folder, name.text)
            side.run.server.write(path, [CONTENT[:-1]])

    plan = plan_for(side, side.make_bundle(decided=[install(1)]))

    if is_carried or lies_there == "unproved":
        assert [action.update_id for action in plan.approvals.actions] == [guid(1)]
        assert plan.approvals.parked == ()
    else:
        assert [waiting.reason for waiting in plan.approvals.parked] == [Reason.CONTENT_MISSING]
    assert plan.deletes.files == ()
    assert plan.reasons == []


def test_a_server_that_lost_what_was_applied_there_stops_the_import(
    side: DisconnectedSide,
) -> None:
    side.workshop.updates = [Update(number) for number in range(1, 13)]
    applied = decisions(*[install(number) for number in range(1, 13)])
    remember_applied(side, applied)
    bundle = side.make_bundle(decided=[*applied.approvals])
    with pytest.raises(ServerChangedError):
        plan_for(side, bundle)
    side.present = applied
    assert plan_for(side, bundle).approvals.is_empty


def remember_applied(side: DisconnectedSide, applied: ApprovalSet) -> None:
    side.run.imports.remember(
        [
            RememberedDecision("applied", str(line.get("update_id", number)), 1, str(number),
                               encode_line(line).decode())
            for number, line in enumerate(applied.lines())
        ],
        now=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "is_superseded", "deleted"),
    [(Mode.MIRROR, False, 1), (Mode.INCREMENTAL, False, 0), (Mode.MIRROR, True, 0)],
)
def test_only_the_newest_bundle_of_a_mirror_plans_to_delete(
    side: DisconnectedSide, mode: Mode, is_superseded: bool, deleted: int
) -> None:
    side.workshop.updates = [Update(1, files=(FILE,))]
    write_content(side.workshop.content, CONTENT)
    side.write_content(CONTENT)
    surplus = side.write_content(b"staging has it no more")
    side.facts = side.facts.model_copy(update={"update_count": 1})
    side.known = {RevisionId(guid(1), 1)}
    delivery = side.take_in(side.make_bundle(mode=mode))
    if is_superseded:
        finish_import(side, delivery, sequence=2)
        delivery = superseded(delivery)

    plan = plan_import(side.run, delivery, side.facts, side.list_content())

    assert [file.name for file in plan.deletes.files] == [surplus] * deleted
    assert bool(plan.reasons) == bool(deleted)


# --- whose metadata count ------------------------------------------------------------------------


def finish_import(
    side: DisconnectedSide, delivery: TrustedBundle, *, sequence: int, is_done: bool = True
) -> ImportRecord:
    """Remember the import of a bundle under another number, with the same documents."""
    folder = side.run.site.state_dir / "imports" / f"alpha-{sequence}-copy"
    shutil.copytree(delivery.incoming.folder, folder)
    header = delivery.header.model_copy(update={"sequence": sequence})
    (folder / PAYLOAD).write_bytes(header.payload())
    record = ImportRecord(
        header_digest=header.digest,
        sequence=sequence,
        status="begun",
        folder=folder,
        created=NOW,
        begun=NOW,
        done=None,
        outcome=None,
    )
    side.run.imports.begin(record)
    if is_done:
        side.run.imports.finish(header.digest, outcome="complete", now=NOW)
    return record


def test_a_bundle_that_is_the_newest_counts_itself(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    assert newest_folder(side.run.imports, delivery) == delivery.incoming.folder
    finish_import(side, delivery, sequence=2)
    assert newest_folder(side.run.imports, delivery) == delivery.incoming.folder


def test_after_a_newer_import_its_documents_count(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    record = finish_import(side, delivery, sequence=2)
    assert newest_folder(side.run.imports, superseded(delivery)) == record.folder


def test_a_newer_import_is_finished_first(side: DisconnectedSide, delivery: TrustedBundle) -> None:
    finish_import(side, delivery, sequence=2, is_done=False)
    with pytest.raises(ServerUnfitError, match="bundle 2 was begun"):
        newest_folder(side.run.imports, superseded(delivery))


def test_a_newer_import_whose_documents_are_damaged_counts_no_more(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    record = finish_import(side, delivery, sequence=2)
    (record.folder / "manifest.jsonl").write_bytes(b"x")
    with pytest.raises(FailedError, match=re.escape("manifest.jsonl")):
        newest_folder(side.run.imports, superseded(delivery))
