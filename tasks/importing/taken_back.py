"""Memory of what staging has taken back, so that a snapshot of the server does not revive it.

On a server that was set back, an approval that a later import took away stands again, and looks
like one that a person gave there. Only the memory of what was taken back tells the two apart, and
``import --rebuilt reapply`` alone uses it, whose plan a person confirms. A decision is forgotten as
soon as staging decides so again, or as it is seen on a server that was not set back: then a person
of this side has decided so.
"""

from __future__ import annotations

from tasks.approvals.losses import is_revived_approval
from tasks.approvals.model import ApprovalSet
from tasks.ledger.store import Ledger
from tasks.ledger.taken_back import TakenBack
from tasks.run.context import RunContext
from tasks.server.mark import is_set_back
from tasks.server.queries import read_approvals


def read_taken_back(ledger: Ledger) -> ApprovalSet:
    """Return what staging has taken back, as it was applied here."""
    with ledger.reading():
        return ApprovalSet.from_lines(TakenBack(ledger).lines())


def remember_taken_back(
    run: RunContext,
    *,
    last: ApprovalSet,
    incoming: ApprovalSet,
    applied: ApprovalSet,
    shown: ApprovalSet | None,
) -> None:
    """Remember what a plan took back, and forget what was decided again since.

    Args:
        run: The run.
        last: The decisions applied before the plan.
        incoming: The decisions that staging wants.
        applied: Those that count as applied after it.
        shown: The decisions on the server after it; None: nothing was asked.
    """
    before = read_taken_back(run.ledger)
    if before.approvals or before.declines:
        shown = shown or read_approvals(run).approval_set
        before = _without_local(run, before, shown)
    approved, declined = incoming.by_key(), incoming.declined_ids()
    stays, stays_declined = applied.by_key(), applied.declined_ids()
    after = ApprovalSet.collect(
        approvals=(
            approval
            for decided in (before, last)
            for key, approval in decided.by_key().items()
            if key not in approved and key not in stays
        ),
        declines=(
            decline
            for decided in (before, last)
            for update_id, decline in decided.declined_ids().items()
            if update_id not in declined and update_id not in stays_declined
        ),
    )
    TakenBack(run.ledger).replace(after.lines())


def _without_local(run: RunContext, before: ApprovalSet, shown: ApprovalSet) -> ApprovalSet:
    """Leave out what stands on the server, unless the server was set back."""
    declined = shown.declined_ids()
    approvals = [
        approval for approval in before.approvals if not is_revived_approval(approval, shown)
    ]
    declines = [decline for decline in before.declines if decline.update_id not in declined]
    is_whole = len(approvals) == len(before.approvals) and len(declines) == len(before.declines)
    if is_whole or is_set_back(run):
        return before
    return ApprovalSet.collect(approvals=approvals, declines=declines)
