"""Which files of a mirror's surplus stay: what an update that is not declined still needs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import Action, Approval, ApprovalSet, Decline
from tasks.approvals.plan_model import ApprovalPlan, PlanCounts, Waiting
from tasks.approvals.reasons import Reason
from tasks.content.content_listing import ContentListing
from tasks.content.deletion import DeletePlan
from tasks.content.names import ContentDigest
from tasks.errors import BatchFailedError, ConnectionLostError, HostFileError
from tasks.hosts.host import Outcome
from tasks.hosts.paths import HostPath
from tasks.importing.approval_run import PlanInputs
from tasks.importing.mirror_deletion import (
    _needed_files,
    _needed_revisions,
    delete,
    report_deleted,
)
from tasks.metadata.audit import without_trace
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import index_package
from tasks.revision import RevisionId
from tests.importing.disconnected_side import DisconnectedSide
from tests.metadata.writing import File, Update, guid, write_package
from tests.support.memory_host import MemoryHost

GROUP = ("All Computers", "Servers")
FILES = {name: File(f"{name}.cab") for name in ("old", "new", "declined", "held", "foreign")}
DIGESTS = {name: ContentDigest(file.sha1) for name, file in FILES.items()}


def test_only_what_no_update_needs_may_go(tmp_path: Path) -> None:
    updates = [
        Update(1, revision=1, files=(FILES["old"],)),
        Update(1, revision=2, files=(FILES["new"],)),
        Update(2, files=(FILES["declined"],)),
        Update(3, files=(FILES["held"],)),
    ]
    index_package(write_package(tmp_path / "package", updates), tmp_path / "index")
    # Here an older revision is approved; the bundle declines two updates, of which one waits.
    here = Approval(update_id=guid(1), revision=1, group=GROUP, action=Action.INSTALL)
    declines = tuple(Decline(update_id=guid(number), revision=1) for number in (2, 3))
    held = Waiting(subject="decline", reason=Reason.DECLINE_WAITS, update_id=guid(3), revision=1)
    plan = ApprovalPlan(
        groups=(), actions=(), parked=(), held=(held,), kept=(), in_place=0,
        counts=PlanCounts(removals=0, declines=0, undeclines=0, uninstalls=0, lost=0, last=0),
    )  # fmt: skip
    inputs = PlanInputs(
        incoming=ApprovalSet.collect(declines=declines),
        index=tmp_path / "index",
        choice=ContentChoice(languages=None, express=False),
        find_content=lambda _: None,
        provenance=without_trace,
    )
    present = ServerDecisions(ApprovalSet.collect(approvals=[here]), {})

    with PackageIndex(inputs.index) as index:
        revisions = _needed_revisions(index, inputs, present, plan)
        needed = _needed_files(index, revisions, inputs, {*DIGESTS.values()})
        few = _needed_files(index, revisions, inputs, {DIGESTS["old"], DIGESTS["foreign"]})

    assert needed == {DIGESTS["old"], DIGESTS["new"], DIGESTS["held"]}
    assert few == {DIGESTS["old"]}


class InUse(MemoryHost):
    """A server on which programs hold some files open."""

    def __init__(self, host: MemoryHost, names: set[str]) -> None:
        self.__dict__.update(host.__dict__)
        self.names = names

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool = False
    ) -> Outcome[tuple[HostPath, HostPath]]:
        outcome = super().rename([m for m in moves if m[0].name not in self.names], inherit=inherit)
        failed = tuple(
            (m, HostFileError(operation="rename", path=m[0], reason="it is in use"))
            for m in moves
            if m[0].name in self.names
        )
        return Outcome(outcome.ok, failed)


def test_a_file_that_cannot_be_deleted_is_named_and_the_others_are_deleted(
    side: DisconnectedSide,
) -> None:
    names = [side.write_content(f"surplus {number}".encode()).text for number in range(3)]
    listing = side.list_content()
    plan = DeletePlan(tuple(listing), 0, 3)
    server, report = side.run.server, side.run.report
    assert isinstance(server, MemoryHost)
    disk = side.run.content_disk(side.content_dir)

    in_use = InUse(server, {names[0]})
    outcome = delete(in_use, disk, plan, listing, bundle="alpha-2")
    sentence = report_deleted(report, plan, outcome, trash=disk.trash, confirmed="digest")
    assert {file.name.text for file in side.list_content()} == {names[0]}
    (notice,) = report.notices
    assert notice.startswith(f"{names[0]} was not deleted: ")
    assert sentence.startswith("2 of 3 files")

    # The rerun moves what is left; if nothing at all can be moved, the run fails.
    plan = DeletePlan(tuple(side.list_content()), 0, 1)
    outcome = delete(server, disk, plan, side.list_content(), bundle="alpha-2")
    assert (len(outcome.ok), outcome.failed) == (1, ())
    assert list(side.list_content()) == []
    again = {side.write_content(f"surplus {number}".encode()).text for number in range(3)}
    listing = side.list_content()
    plan = DeletePlan(tuple(listing), 0, 3)
    with pytest.raises(BatchFailedError, match="3 of 3"):
        delete(InUse(server, again), disk, plan, listing, bundle="alpha-3")


class _LargeIndex:
    """Names as many updates as are asked for; made while they are read, as an index does."""

    def __init__(self, count: int) -> None:
        self.count = count

    def approvable(self) -> Iterator[RevisionId]:
        return (RevisionId(guid(number), 1) for number in range(self.count))


def test_the_updates_of_a_mirror_take_little_memory_each() -> None:
    count = 20_000
    nothing = ApprovalSet()
    choice = ContentChoice(None, express=False)
    sources = PlanInputs(nothing, Path("index"), choice, lambda _: None, without_trace)
    plan = ApprovalPlan(
        groups=(), actions=(), parked=(), held=(), kept=(), in_place=0,
        counts=PlanCounts(removals=0, declines=0, undeclines=0, uninstalls=0, lost=0, last=0),
    )  # fmt: skip
    index = cast("PackageIndex", _LargeIndex(count))
    tracemalloc.start()
    wanted = _needed_revisions(index, sources, ServerDecisions(nothing, {}), plan)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(wanted) == count
    assert peak_bytes / count < 200  # as a set of revisions, then sorted, they took 330


# --- a step that is tried again ------------------------------------------------------------------


def move_to_trash(side: DisconnectedSide, plan: DeletePlan, listing: ContentListing) -> int:
    disk = side.run.content_disk(side.content_dir)
    outcome = delete(side.run.server, disk, plan, listing, bundle="alpha-1")
    return len(outcome.ok)


def test_a_file_that_is_in_neither_folder_was_not_moved(side: DisconnectedSide) -> None:
    side.write_content(b"gone")
    listing = side.list_content()
    plan = DeletePlan(tuple(listing), still_needed=0, present=1)
    side.run.server.remove([file.path for file in plan.files])
    assert move_to_trash(side, plan, listing) == 0


@pytest.mark.parametrize("changes", range(0, 40, 3))
def test_a_connection_may_break_at_any_moment_of_the_deletion(
    side: DisconnectedSide, changes: int
) -> None:
    for number in range(5):
        side.write_content(b"%d" % number)
    listing = side.list_content()
    plan = DeletePlan(tuple(listing), still_needed=0, present=5)
    server = side.run.server
    assert isinstance(server, MemoryHost)
    server.fail_after(changes, ConnectionLostError(address="wsus", reason="it was cut"))

    for _ in range(3):  # as Prefect tries a step
        try:
            moved = move_to_trash(side, plan, listing)
        except ConnectionLostError:
            continue
        break

    assert moved == 5  # by all tries: the listing is from before the first
    assert side.list_content().totals()[0] == 0
