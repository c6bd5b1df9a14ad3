"""A receipt says what the flow hands it of approvals and audit, and cannot be built without."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import flows.import_bundle
from tasks import disconnected
from tasks.approvals.model import Action, Approval
from tasks.bundle.receipt import Receipt, ReceiptCounts, read_receipt
from tasks.content.place import content_path
from tasks.importing.content_audit import AuditResult
from tasks.importing.import_apply import begin, place_content
from tasks.importing.receipt_out import finish_import, make_receipt
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.reports.model import ApprovalLine, ApprovalOutcome, approval_lines
from tasks.run.keys import own_trust
from tasks.server.content_scan import list_and_prove
from tests.approvals.building import SERVERS, decisions
from tests.importing.disconnected_side import DisconnectedSide, superseded
from tests.metadata.writing import Update, guid
from tests.reports.examples import missing_file
from tests.support.bundles import fill_content

NOTHING = ApprovalOutcome()


def waiting(count: int) -> tuple[ApprovalLine, ...]:
    line = {"update_id": guid(1), "revision": 1, "group": ["All Computers"], "reason": "x"}
    return approval_lines([line] * count)


@pytest.fixture
def delivery(side: DisconnectedSide) -> TrustedBundle:
    """A bundle of three files whose import has begun; nothing is placed yet."""
    side.workshop.updates = [Update(1), Update(2)]
    fill_content(side.workshop.content, 3)
    delivery = side.take_in(side.make_bundle())
    begin(side.run, delivery, side.facts)
    return delivery


def receipt_of(
    side: DisconnectedSide,
    delivery: TrustedBundle,
    *,
    approvals: ApprovalOutcome = NOTHING,
    audit: AuditResult,
) -> Receipt:
    return make_receipt(
        side.run.imports, delivery, side.list_content(), missing=audit.missing, approvals=approvals
    )


def test_the_counts_of_a_receipt_are_those_of_the_values_that_it_is_given(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    # What the report has noted meanwhile is another matter.
    side.run.report.note(approvals=ApprovalOutcome(parked=waiting(9)), missing=(missing_file(9),))
    approvals = ApprovalOutcome(
        applied=waiting(7), parked=waiting(1), held=waiting(2), failed=waiting(3)
    )
    audit = AuditResult(
        missing=(missing_file(2), missing_file(1), missing_file(1, file="B.cab")),
    )
    receipt = receipt_of(side, delivery, approvals=approvals, audit=audit)
    assert receipt.counts == ReceiptCounts(
        files_in_place=0,
        files_missing=3,
        updates_loaded=2,
        approvals_applied=0,  # all that stand there from us, as the ledger has them: none
        approvals_parked=1,
        approvals_held=2,
        approvals_failed=3,
    )
    assert [(each.update_id, each.revision) for each in receipt.missing_updates] == [
        (guid(1), 200), (guid(2), 200),
    ]  # fmt: skip

    nothing = receipt_of(side, delivery, audit=AuditResult(missing=()))
    assert nothing.missing_updates == ()
    assert nothing.counts.approvals_parked == 0


def test_the_outcome_of_a_receipt_is_of_the_manifest_and_what_lies_there_proved(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    audit = AuditResult(missing=())
    lacking = receipt_of(side, delivery, audit=audit)
    assert (lacking.outcome, len(lacking.missing_content)) == ("partial", 3)

    place_content(side.run, delivery, side.list_content())
    entry = max(delivery.manifest.entries(), key=lambda entry: entry.size_bytes)
    final = content_path(side.content_dir, entry.name)
    content = b"".join(map(bytes, side.run.server.read(final)))
    side.run.server.write(final, [content])
    # It lies there, and nobody has read it since it was written.
    assert receipt_of(side, delivery, audit=audit).outcome == "partial"
    listing = list_and_prove(side.run, side.content_dir)
    whole = make_receipt(side.run.imports, delivery, listing, missing=(), approvals=NOTHING)
    assert (whole.outcome, whole.counts.files_in_place) == ("complete", 3)


@pytest.mark.parametrize("is_superseded", [False, True])
def test_an_import_that_is_finished_has_its_receipt_unless_a_newer_one_was_before(
    side: DisconnectedSide, delivery: TrustedBundle, is_superseded: bool
) -> None:
    bundle = superseded(delivery) if is_superseded else delivery
    finish_import(
        side.run,
        bundle,
        side.list_content(),
        approvals=ApprovalOutcome(parked=waiting(1)),
        audit=AuditResult(missing=(missing_file(1),)),
    )
    record = side.run.imports.by_digest(delivery.digest)
    assert record is not None
    receipts: list[Path] = list(side.run.site.receipts_dir.glob("*"))
    has_mark = side.run.server.stat(side.run.folders.mark) is not None
    if is_superseded:
        assert (record.status, receipts, has_mark) == ("begun", [], False)
        return
    assert (record.status, record.outcome, has_mark) == ("done", "partial", True)
    (path,) = receipts
    trust = own_trust(side.run.site)
    receipt = read_receipt(path.read_bytes(), path=str(path), trust=trust).receipt
    assert receipt.counts.approvals_parked == 1
    assert [each.update_id for each in receipt.missing_updates] == [guid(1)]
    assert side.run.report.notes["receipt"] == path


# --- a line that is left out ----------------------------------------------------------------------


def without_step(name: str) -> str:
    """The flow's source without the line that calls one step."""
    tree = ast.parse(inspect.getsource(flows.import_bundle))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    left_out = 0
    for function in functions:
        rest = [line for line in function.body if f"disconnected.{name}(" not in ast.unparse(line)]
        left_out += len(function.body) - len(rest)
        function.body = rest
    assert left_out == 1
    return ast.unparse(tree)


@pytest.mark.parametrize(
    ("step", "value"), [("apply_approvals", "approvals"), ("audit_content", "audit")]
)
def test_a_flow_that_leaves_out_a_step_names_a_value_that_is_not_there(
    step: str, value: str
) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "-"]
    checked = subprocess.run(
        command, input=without_step(step), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 1
    assert f"Undefined name `{value}`" in checked.stdout


def test_no_value_of_a_receipt_can_be_left_out(
    side: DisconnectedSide, delivery: TrustedBundle
) -> None:
    for function in (disconnected.write_receipt.fn, finish_import, make_receipt):
        parameters = inspect.signature(function).parameters.values()
        assert [each.name for each in parameters if each.default is not each.empty] == []
    content = side.list_content()
    with pytest.raises(TypeError, match="audit"):
        disconnected.write_receipt.fn(delivery, content, NOTHING)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="approvals"):
        disconnected.write_receipt.fn(delivery, content)  # type: ignore[call-arg]
    record = side.run.imports.by_digest(delivery.digest)
    assert record is not None
    assert record.status == "begun"


def test_an_approval_that_somebody_here_removed_is_not_counted_as_in_force(
    side: DisconnectedSide,
) -> None:
    side.workshop.updates = [Update(number) for number in range(1, 21)]
    approvals = [
        Approval(update_id=guid(number), revision=1, group=SERVERS, action=Action.INSTALL)
        for number in range(1, 21)
    ]
    bundle = side.make_bundle(decided=[*approvals])

    counts = []
    for present in (approvals, approvals[1:], approvals[1:]):
        side.import_(bundle)
        side.present = decisions(*present)
        path = side.run.report.notes["receipt"]
        receipt = read_receipt(path.read_bytes(), path=str(path), trust=own_trust(side.run.site))
        counts.append(receipt.receipt.counts.approvals_applied)

    assert counts == [20, 20, 19]
