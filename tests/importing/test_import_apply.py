"""Applying an import: what counts as loaded, and content that is placed once and proved there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from tasks import disconnected
from tasks.approvals.model import Action, Approval
from tasks.approvals.reasons import Reason
from tasks.bundle.layout import PACKAGE
from tasks.content.deletion import DeletePlan
from tasks.content.names import Blake3, ContentDigest
from tasks.custody.log import LOG
from tasks.errors import BatchFailedError, ConnectionLostError, HostFileError, ScriptFailedError
from tasks.hosts.host import Outcome
from tasks.hosts.paths import HostPath
from tasks.importing.approval_choice import apply_choice
from tasks.importing.approval_run import PlanInputs, plan_now
from tasks.importing.content_audit import Metadata
from tasks.importing.content_trace import read_traces
from tasks.importing.import_apply import (
    begin,
    is_loaded,
    list_loaded,
    load_metadata,
    place_content,
)
from tasks.importing.import_plan import plan_approvals, plan_import
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.ledger.steps import Attempt
from tasks.metadata.audit import Provenance
from tasks.names import Side
from tasks.reports.model import ApprovalOutcome
from tasks.revision import RevisionId
from tasks.server.content_scan import list_again, list_and_prove, prove_content
from tests.approvals.building import SERVERS
from tests.importing.disconnected_side import DisconnectedSide, superseded
from tests.metadata.writing import File, Update, guid
from tests.support.bundles import CHAIN, fill_content
from tests.support.memory_host import MemoryHost
from tests.support.runs import as_current

REVISIONS = {RevisionId(guid(number), 1) for number in (1, 2)}


def install(number: int) -> Approval:
    return Approval(update_id=guid(number), revision=1, group=SERVERS, action=Action.INSTALL)


@pytest.fixture
def delivery(side: DisconnectedSide) -> TrustedBundle:
    """Three files and three approvals, one of an update that the package does not have."""
    side.workshop.updates = [Update(1), Update(2), Update(3)]
    fill_content(side.workshop.content, 3)
    return side.take_in(side.make_bundle(decided=[install(1), install(2), install(9)]))


@pytest.fixture
def sources(side: DisconnectedSide, delivery: TrustedBundle) -> PlanInputs:
    return plan_import(side.run, delivery, side.facts, side.list_content()).inputs


# --- what counts as loaded -----------------------------------------------------------------------


def remember_loaded(side: DisconnectedSide, delivery: TrustedBundle, digest: Blake3) -> None:
    side.run.ledger.steps(delivery.work.text).finish_loading(digest, now=side.run.clock())


def never(_: DisconnectedSide, __: TrustedBundle) -> None:
    """No package was loaded."""


def another(side: DisconnectedSide, delivery: TrustedBundle) -> None:
    remember_loaded(side, delivery, Blake3(bytes(32)))


def this(side: DisconnectedSide, delivery: TrustedBundle) -> None:
    remember_loaded(side, delivery, delivery.header.package.blake3)


@pytest.mark.parametrize(
    ("loaded", "known", "expected", "asked"),
    [
        pytest.param(never, REVISIONS, False, False, id="never loaded"),
        pytest.param(another, REVISIONS, False, False, id="another package was loaded"),
        pytest.param(this, REVISIONS, True, True, id="loaded and known"),
        pytest.param(this, {RevisionId(guid(1), 1)}, False, True, id="one was taken away since"),
        pytest.param(
            this, {RevisionId(guid(1), 1), RevisionId(guid(2), 2)}, False, True,
            id="another revision of one",
        ),
        pytest.param(this, set(), False, True, id="the server was set back"),
    ],
)  # fmt: skip
def test_a_package_counts_as_loaded_when_the_ledger_and_the_server_say_so(
    side: DisconnectedSide,
    delivery: TrustedBundle,
    sources: PlanInputs,
    *,
    loaded: Callable[[DisconnectedSide, TrustedBundle], None],
    known: set[RevisionId],
    expected: bool,
    asked: bool,
) -> None:
    loaded(side, delivery)
    side.known = known
    side.asked.clear()
    assert is_loaded(side.run, delivery, sources) == expected
    # Only what the package has is asked for, and nothing where the ledger says no already.
    assert set(side.asked) == (REVISIONS if asked else set())


def test_a_superseded_bundle_has_nothing_to_load(
    side: DisconnectedSide, delivery: TrustedBundle, sources: PlanInputs
) -> None:
    assert is_loaded(side.run, superseded(delivery), sources)
    assert side.asked == []


def test_the_plan_judges_a_file_by_the_same_traces_as_the_audit_after_it(
    side: DisconnectedSide, delivery: TrustedBundle, sources: PlanInputs
) -> None:
    """Licence terms of an unknown language are needed only if the bundle's manifest has them."""
    metadata = Metadata(
        delivery.incoming.folder, delivery.index, delivery.manifest_lookup, staging=None
    )
    audit = metadata.provenance(side.run.imports, side.run.hash_cache)
    carried = [entry.sha1 for entry in delivery.manifest.entries()]
    other = ContentDigest(bytes(20))
    assert {*map(audit, carried)} == {Provenance.PLACED}
    assert {*map(sources.provenance, carried)} == {Provenance.PLACED}
    assert sources.provenance(other) is audit(other) is Provenance.NEVER_HELD


@pytest.mark.parametrize("is_held", [True, False])
def test_an_approval_waits_for_terms_of_an_unknown_language_that_staging_has(
    side: DisconnectedSide, *, is_held: bool
) -> None:
    side.workshop.updates = [Update(1, files=(File("terms.txt", is_license=True),))]
    bundle = side.take_in(side.make_bundle(decided=[install(1)]))
    side.known = {RevisionId(guid(1), 1)}
    inputs = plan_import(side.run, bundle, side.facts, side.list_content()).inputs
    trace = Provenance.HELD_BY_STAGING if is_held else Provenance.NEVER_HELD

    plan = plan_now(side.run, replace(inputs, provenance=lambda _: trace))

    assert [waiting.reason for waiting in plan.parked] == [Reason.CONTENT_MISSING] * is_held
    assert any(action.action is Action.INSTALL for action in plan.actions) is not is_held


def test_a_retried_load_goes_on_with_what_lies_there_after_wsusutil(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    """The first try was cut off after wsusutil; its listing is from before."""
    plan = plan_import(side.run, delivery, side.facts, side.list_content())
    place_content(side.run, delivery, side.list_content())
    before = list_and_prove(side.run, side.content_dir)
    remember_loaded(side, delivery, delivery.header.package.blake3)
    side.known = REVISIONS
    gone = next(iter(delivery.manifest.entries())).name
    side.run.server.remove([side.content_dir.joined(gone.folder, gone.text)])

    with as_current(side.run):
        state: Any = disconnected.load_metadata.fn(delivery, plan, side.facts, before)

    assert state.name == "Found done"
    assert state.data.look_up(gone) is None


# --- the first change ----------------------------------------------------------------------------


def test_what_an_import_goes_by_is_remembered_before_its_first_change(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    begin(side.run, delivery, side.facts)
    record = side.run.imports.newest()
    assert record is not None
    assert (record.sequence, record.status) == (1, "begun")
    assert side.run.ledger.chain == CHAIN
    assert side.run.ledger.server_id(Side.STAGING) == delivery.header.server.id
    assert side.run.ledger.server_id(Side.DISCONNECTED) == side.facts.server_id
    begin(side.run, delivery, side.facts)
    assert len(side.run.imports.all()) == 1


def test_content_is_placed_once_and_counts_as_proved_there(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    assert place_content(side.run, delivery, side.list_content()) == 3
    listing = list_and_prove(side.run, side.content_dir)
    for entry in delivery.manifest.entries():
        present = listing.look_up(entry.name)
        assert present is not None
        assert present.is_valid
    assert place_content(side.run, delivery, listing) == 0
    assert listing.totals()[0] == 3


def test_a_placed_file_is_not_read_again(side: DisconnectedSide, delivery: TrustedBundle) -> None:
    place_content(side.run, delivery, side.list_content())
    assert prove_content(side.run, list_again(side.run, side.content_dir)) == 0


@pytest.mark.parametrize("is_placed", [True, False])
def test_a_file_that_is_overwritten_with_its_own_size_is_read(
    side: DisconnectedSide, delivery: TrustedBundle, *, is_placed: bool
) -> None:
    """Before placing it counts as there and is not moved; after it, as placed."""
    entry = max(delivery.manifest.entries(), key=lambda entry: entry.size_bytes)
    final = side.content_dir.joined(entry.name.folder, entry.name.text)
    listing = side.list_content()
    if not is_placed:
        side.run.server.remove(
            [side.run.content_disk(side.content_dir).intake.joined(final.parent.name, final.name)]
        )
        side.run.server.make_folder(final.parent)
        side.run.server.write(final, [bytes(entry.size_bytes)])
    place_content(side.run, delivery, listing)
    if is_placed:
        side.run.server.write(final, [bytes(entry.size_bytes)])

    present = list_and_prove(side.run, side.content_dir).look_up(entry.name)

    assert present is not None
    assert not present.is_valid
    # No later listing believes the manifest either.
    after = list_again(side.run, side.content_dir).look_up(entry.name)
    assert after is not None
    assert not after.is_valid


def test_a_file_that_lay_there_before_counts_as_proved_after_placing_too(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    """Else the receipt of an import that was killed here calls it missing."""
    earlier = side.write_content(b"of an earlier bundle")
    place_content(side.run, delivery, side.list_content())

    present = list_and_prove(side.run, side.content_dir).look_up(earlier)

    assert present is not None
    assert present.is_valid


def test_content_that_cannot_be_placed_is_named_and_the_rest_is_placed(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    intake = side.run.content_disk(side.content_dir).intake
    first, *others = (entry.name for entry in delivery.manifest.entries())
    side.run.server.remove([intake.joined(first.folder, first.text)])
    assert place_content(side.run, delivery, side.list_content()) == 2
    assert side.list_content().totals()[0] == 2
    (notice,) = side.run.report.notices
    assert notice.startswith(f"{first.text} was not placed: ")
    assert read_traces(delivery.incoming.folder) == {first.digest: Provenance.NOT_PLACED}

    for name in others:
        side.run.server.remove([side.content_dir.joined(name.folder, name.text)])
    with pytest.raises(BatchFailedError, match="3 of 3"):
        place_content(side.run, delivery, side.list_content())


class HeldOpen(MemoryHost):
    """A server on which one file cannot be replaced, because a program holds it open."""

    def __init__(self, host: MemoryHost, path: HostPath) -> None:
        self.__dict__.update(host.__dict__)
        self.path_in_use = path

    def rename(
        self, moves: Sequence[tuple[HostPath, HostPath]], *, inherit: bool = False
    ) -> Outcome[tuple[HostPath, HostPath]]:
        able = [move for move in moves if move[1] != self.path_in_use]
        error = HostFileError(operation="place", path=self.path_in_use, reason="it is in use")
        outcome = super().rename(able, inherit=inherit)
        failed = [(move, error) for move in moves if move[1] == self.path_in_use]
        return Outcome(outcome.ok, (*outcome.failed, *failed))


def test_a_wrong_file_of_the_right_size_that_cannot_be_replaced_does_not_count_as_proved(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    entry = max(delivery.manifest.entries(), key=lambda entry: entry.size_bytes)
    final = side.content_dir.joined(entry.name.folder, entry.name.text)
    server = side.run.server
    assert isinstance(server, MemoryHost)
    server.make_folder(final.parent)
    server.write(final, [bytes(entry.size_bytes)])
    side.run.server = HeldOpen(server, final)

    assert place_content(side.run, delivery, side.list_content()) == 2
    present = list_and_prove(side.run, side.content_dir).look_up(entry.name)

    assert present is not None
    assert not present.is_valid


def test_content_that_goes_while_metadata_are_loaded_is_remembered(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    place_content(side.run, delivery, side.list_content())
    before = list_and_prove(side.run, side.content_dir)
    gone = next(iter(delivery.manifest.entries())).name
    side.run.server.remove([side.content_dir.joined(gone.folder, gone.text)])
    after = list_loaded(side.run, delivery, before=before)
    assert after.look_up(gone) is None
    assert read_traces(delivery.incoming.folder) == {gone.digest: Provenance.REJECTED}
    # The next run of this bundle no longer sees what went, and does not forget it.
    list_loaded(side.run, delivery, before=after)
    assert read_traces(delivery.incoming.folder) == {gone.digest: Provenance.REJECTED}


def test_traces_of_a_superseded_bundle_lie_where_the_audit_reads_them(
    side: DisconnectedSide,
) -> None:
    side.workshop.updates = [Update(1)]
    fill_content(side.workshop.content, 2)
    older = side.make_bundle()
    newest = side.import_(side.make_bundle(2, parent=side.import_(older).header))
    bundle = side.take_in(older)
    assert bundle.incoming.is_superseded
    (first, second) = (entry.name for entry in bundle.manifest.entries())
    intake = side.run.content_disk(side.content_dir).intake
    for folder in (side.content_dir, intake):
        side.run.server.remove([folder.joined(first.folder, first.text)])

    place_content(side.run, bundle, side.list_content())
    before = list_and_prove(side.run, side.content_dir)
    side.run.server.remove([side.content_dir.joined(second.folder, second.text)])
    list_loaded(side.run, bundle, before=before)

    assert read_traces(newest.incoming.folder) == {
        first.digest: Provenance.NOT_PLACED,
        second.digest: Provenance.REJECTED,
    }


def test_approvals_are_planned_from_the_traces_that_loading_has_left(
    side: DisconnectedSide,
) -> None:
    """WSUS deletes terms that no manifest names, and that nothing says are needed."""
    terms = File("terms.txt", 9, is_license=True)
    side.workshop.updates = [Update(1, files=(terms,))]
    side.known.add(RevisionId(guid(1), 1))
    bundle = side.take_in(side.make_bundle(decided=[install(1)]))
    plan = plan_import(side.run, bundle, side.facts, side.list_content())
    content = side.list_content()
    assert plan_approvals(side.run, bundle, plan, content).parked == ()
    (bundle.incoming.folder / "rejected.txt").write_text(terms.sha1.hex() + "\n")
    (parked,) = plan_approvals(side.run, bundle, plan, content).parked
    assert parked.reason is Reason.CONTENT_MISSING


def test_approvals_are_planned_from_a_server_on_which_no_earlier_script_still_changes_them(
    side: DisconnectedSide, delivery: TrustedBundle, sources: PlanInputs
) -> None:
    """A try that lost its connection leaves its script at work, in the folder of its own plan."""
    server = MemoryHost(start_detached=lambda _: None)
    side.run = replace(side.run, server=server)
    folder = side.run.folders.work_folder(delivery.work.for_plan("c" * 64).text)
    job = folder.joined("apply-approvals.job-001")
    side.run.make_folders()
    server.make_folder(folder)
    server.start_detached(["powershell"], job=job)
    threading.Timer(0.3, server.finish_job, [job, 0]).start()

    # This server answers no question: that it is asked one shows that the wait is over.
    with pytest.raises(ScriptFailedError):
        plan_now(side.run, sources)

    assert server.poll_detached(job).state == "exited"


# --- a step that is tried again ------------------------------------------------------------------


def test_files_that_a_cut_off_try_has_moved_are_counted(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    listing, server = side.list_content(), side.run.server
    intake = side.run.content_disk(side.content_dir).intake
    entry = next(iter(delivery.manifest.entries()))
    server.make_folder(side.content_dir.joined(entry.name.folder))
    places = (intake, side.content_dir)
    move = tuple(folder.joined(entry.name.folder, entry.name.text) for folder in places)
    server.rename([(move[0], move[1])]).require_all()  # its answer was lost with the connection
    assert place_content(side.run, delivery, listing) == 3


def test_a_wrong_file_that_a_cut_off_try_has_replaced_is_counted(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    entry = max(delivery.manifest.entries(), key=lambda entry: entry.size_bytes)
    final = side.content_dir.joined(entry.name.folder, entry.name.text)
    side.run.server.make_folder(final.parent)
    side.run.server.write(final, [bytes(entry.size_bytes)])
    listing = list_and_prove(side.run, side.content_dir)  # it is there, and wrong
    intake = side.run.content_disk(side.content_dir).intake
    source = intake.joined(entry.name.folder, entry.name.text)
    side.run.server.rename([(source, final)]).require_all()
    assert place_content(side.run, delivery, listing) == 3


def test_a_package_that_a_wsusutil_reads_is_not_replaced_by_a_retried_step(
    side: DisconnectedSide, delivery: TrustedBundle, sources: PlanInputs
) -> None:
    """That it could not be read for a moment must not take it away from wsusutil."""

    def lose(*_: object) -> NoReturn:
        raise ConnectionLostError(address="wsus", reason="it was cut")

    server = MemoryHost(start_detached=lambda _: None, run_script=lose)
    side.run = replace(side.run, server=server)
    folder = side.run.folders.work_folder(delivery.work.text)
    package, job = folder.joined(PACKAGE), folder.joined("job-import-1")
    server.make_folder(folder)
    server.write(package, [b"unreadable"])
    attempt = Attempt(
        verb="import", package=package.text, log=folder.joined("log").text, job=job.text
    )
    side.run.ledger.steps(delivery.work.text).begin_attempt(attempt, now=side.run.clock())
    server.start_detached(["wsusutil"], job=job)
    threading.Timer(0.3, server.finish_job, [job, 0]).start()

    with pytest.raises(ConnectionLostError):  # when the ended wsusutil is judged
        load_metadata(side.run, delivery, sources, side.facts)

    assert server.poll_detached(job).state == "exited"
    assert b"".join(map(bytes, server.read(package))) == b"unreadable"


def test_deletions_are_reported_once_when_only_the_listing_after_them_is_cut_off(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    place_content(side.run, delivery, side.list_content())
    content = side.list_content()
    plan = plan_import(side.run, delivery, side.facts, content)
    plan = replace(plan, deletes=DeletePlan(tuple(content), still_needed=0, present=3))
    with as_current(side.run):
        for _ in range(2):  # the second try has the listing of the first
            after = disconnected.delete_content.fn(delivery, plan, content)

    assert after.totals()[0] == 0
    assert side.run.report.changes["files deleted"] == 3
    assert len([line for line in side.run.report.lines if "were deleted" in line]) == 1
    log = side.run.site.state_dir / LOG
    assert log.read_text(encoding="utf-8").count('"deleted"') == 1


def test_decisions_that_a_cut_off_try_has_applied_are_reported(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    plan = plan_import(side.run, delivery, side.facts, side.list_content())
    begin(side.run, delivery, side.facts)
    place_content(side.run, delivery, side.list_content())
    content = list_and_prove(side.run, side.content_dir)
    side.known |= REVISIONS

    def apply() -> ApprovalOutcome:
        again = plan_approvals(side.run, delivery, plan, content)
        return apply_choice(
            side.run, again, work=delivery.work, inputs=plan.inputs, first=plan.approvals
        )

    side.cuts_connection = True
    with pytest.raises(ConnectionLostError):
        apply()  # its script went on to its end
    side.cuts_connection = False
    outcome = apply()
    assert {line.update_id for line in outcome.applied} == {guid(1), guid(2)}
    assert side.run.report.notes["approvals"] == outcome
    numbers: Any = side.run.report.details["numbers"]
    made = len(plan.approvals.groups)
    assert (numbers["applied"], numbers["already"]) == (2 + made, 0)
    assert numbers["planned"] == numbers["applied"] + numbers["void"]
