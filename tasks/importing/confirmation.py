"""A person's confirmation of a plan, remembered so that it outlives the run that it was given to.

A plan is confirmed by its digest. An import that was killed half-way plans anew, and what is left
to do has another digest; it is covered by the confirmation as long as it takes nothing away that
the confirmed plan did not.
"""

from __future__ import annotations

from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.canonical import canonical_json
from tasks.content.deletion import DeletePlan
from tasks.ledger.steps import Confirmation
from tasks.run.context import RunContext


def remember_confirmation(
    run: RunContext, work: str, digest: str, *, approvals: ApprovalPlan, deletes: DeletePlan
) -> None:
    """Remember durably which plan was confirmed for a piece of work, and what it takes away."""
    takes_away = tuple(sorted(_takes_away(approvals, deletes)))
    confirmation = Confirmation(digest=digest, takes_away=takes_away)
    run.ledger.steps(work).confirm(confirmation, now=run.clock())


def covers(
    run: RunContext, work: str, digest: str, *, approvals: ApprovalPlan, deletes: DeletePlan
) -> bool:
    """Whether the plan confirmed by this digest for this work took away all that this one does."""
    confirmed = run.ledger.steps(work).confirmation
    if confirmed is None or confirmed.digest != digest:
        return False
    return _takes_away(approvals, deletes) <= {*confirmed.takes_away}


def _takes_away(approvals: ApprovalPlan, deletes: DeletePlan) -> set[str]:
    decisions = {
        canonical_json(each.request()).decode() for each in approvals.actions if each.takes_away
    }
    return decisions | {file.name.text for file in deletes.files}
