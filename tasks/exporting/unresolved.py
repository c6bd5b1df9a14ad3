"""Decisions of the staging server of which its API does not tell: named, and never taken back.

What a bundle lacks, the disconnected side would take for a decision that was taken back. So an
approval whose group cannot be read travels as it did in the bundle before.
"""

from __future__ import annotations

from dataclasses import replace

from tasks.approvals.capture import ServerDecisions, Unresolved
from tasks.approvals.model import Approval, ApprovalSet, fold
from tasks.bundle.layout import APPROVALS
from tasks.errors import AirGapError
from tasks.ledger.exports import Exports
from tasks.reports.model import ApprovalLine, ApprovalOutcome, approval_lines
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import read_decisions_file

_CARRIED_AS_BEFORE = "; it is carried as in the bundle before"


def report_unresolved(
    exports: Exports, report: ReportDraft, decisions: ServerDecisions
) -> ServerDecisions:
    """Name what the API does not tell of under ``approvals.failed``, and carry on what was carried.

    Returns:
        The decisions, with those approvals of the newest sealed bundle whose groups the server
        does not give now.
    """
    if not decisions.unresolved:
        return decisions
    before = _approvals_before(exports)
    present = {fold(path) for path in decisions.approval_set.groups}
    lines: list[ApprovalLine] = []
    carried_before: list[Approval] = []
    for unresolved in decisions.unresolved:
        approvals = _as_before(unresolved, before, present)
        carried_before += approvals
        lines += _lines(unresolved, decisions.approval_set, approvals)
    report.note(approvals=ApprovalOutcome(failed=tuple(lines)))
    return replace(decisions, approval_set=_with(decisions.approval_set, carried_before))


def _approvals_before(exports: Exports) -> ApprovalSet:
    """The decisions of the newest sealed bundle; none if there is no such bundle."""
    record = exports.newest_sealed()
    if record is None:
        return ApprovalSet()
    try:
        return read_decisions_file(record.folder / APPROVALS)
    except (AirGapError, OSError):
        return ApprovalSet()  # lost with the state folder: nothing can be carried_before


def _as_before(
    unresolved: Unresolved, before: ApprovalSet, present: set[tuple[str, ...]]
) -> list[Approval]:
    """The update's approvals in the bundle before for groups that the server does not give now."""
    if unresolved.what != "approval":
        return []
    return [
        replace(approval, revision=unresolved.revision or approval.revision)
        for approval in before.approvals
        if approval.update_id == unresolved.update_id
        and approval.action == unresolved.action
        and fold(approval.group) not in present
    ]


def _lines(
    unresolved: Unresolved, decisions: ApprovalSet, carried_before: list[Approval]
) -> list[ApprovalLine]:
    if unresolved.what == "update":
        key = (unresolved.update_id, unresolved.revision)
        carried_before = [approval for approval in decisions.approvals if approval.id == key]
    addition = _CARRIED_AS_BEFORE if carried_before and unresolved.what == "approval" else ""
    reason = f"{unresolved.reason}{addition}"
    if carried_before:
        return list(
            approval_lines(approval.as_json() | {"reason": reason} for approval in carried_before)
        )
    return [
        ApprovalLine(
            update_id=unresolved.update_id,
            revision=unresolved.revision,
            group=(unresolved.id,) if unresolved.id else (),
            action=unresolved.action,
            reason=reason,
        )
    ]


def _with(decisions: ApprovalSet, approvals: list[Approval]) -> ApprovalSet:
    if not approvals:
        return decisions
    return ApprovalSet.collect(
        groups=(*decisions.groups, *(approval.group for approval in approvals)),
        approvals=(*decisions.approvals, *approvals),
        declines=decisions.declines,
        licenses=decisions.licenses,
    )
