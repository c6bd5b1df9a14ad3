"""A person's confirmation of a plan, remembered so that it outlives the run that it was given to.

A plan is confirmed by its digest. An import that was killed half-way plans anew, and what is left
to do has another digest; it is covered by the confirmation as long as it takes nothing away that
the confirmed plan did not.
"""

from __future__ import annotations

import json

from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.canonical import canonical_json
from tasks.content.deletion import DeletePlan
from tasks.run.context import RunContext

_STEP = "confirmed"


def remember_confirmation(
    run: RunContext, work: str, digest: str, *, approvals: ApprovalPlan, deletes: DeletePlan
) -> None:
    """Remember durably which plan was confirmed for a piece of work, and what it takes away."""
    known = {"digest": digest, "takes_away": sorted(_takes_away(approvals, deletes))}
    run.ledger.finish_step(work, _STEP, json.dumps(known), now=run.clock())


def covers(
    run: RunContext, work: str, digest: str, *, approvals: ApprovalPlan, deletes: DeletePlan
) -> bool:
    """Whether the plan confirmed by this digest for this work took away all that this one does."""
    text = run.ledger.step(work, _STEP)
    if text is None:
        return False
    known = json.loads(text)
    return known["digest"] == digest and _takes_away(approvals, deletes) <= {*known["takes_away"]}


def _takes_away(approvals: ApprovalPlan, deletes: DeletePlan) -> set[str]:
    decisions = {
        canonical_json(each.request()).decode() for each in approvals.actions if each.takes_away
    }
    return decisions | {file.name.text for file in deletes.files}
