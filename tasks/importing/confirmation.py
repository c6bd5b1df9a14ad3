"""Confirmation of a plan by a person, recorded in the ledger so that it outlives the run.

A person confirms a plan by its digest. An import that was killed half-way plans anew, and the rest
of the work has another digest. The confirmation covers the new plan as long as this plan takes
nothing away that the confirmed plan did not take away, and says of a rebuilt server what that plan
said. Once an import has deleted files, it goes on for those that could not be deleted, so that the
same command deletes them later.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tasks.approvals.plan_model import ApprovalPlan
from tasks.bundle.canonical import canonical_json
from tasks.content.deletion import DeletePlan
from tasks.ledger.steps import Confirmation, Steps


def remember_confirmation(
    steps: Steps,
    digest: str,
    *,
    approvals: ApprovalPlan,
    deletes: DeletePlan,
    choice: str | None = None,
    now: datetime,
) -> None:
    """Record durably the plan that was confirmed for a piece of work, and what it takes away.

    Args:
        steps: The steps of the import.
        digest: The plan's digest, hex.
        approvals: Its approvals and declines.
        deletes: The files that it deletes.
        choice: What it says of a rebuilt server, as JSON; None: nothing.
        now: The time.
    """
    takes_away = tuple(sorted(_needs_confirmation(approvals, deletes, choice)))
    confirmation = Confirmation(digest=digest, takes_away=takes_away)
    steps.confirm(confirmation, now=now)


def keep_for_undeleted(steps: Steps, undeleted: Iterable[str], *, now: datetime) -> None:
    """Let the confirmation of a plan cover no files but those that could not be deleted.

    Its removals and declines stay covered.

    Args:
        steps: The steps of the import.
        undeleted: The names of these files.
        now: The time.
    """
    confirmed = steps.confirmation
    if confirmed is None:
        return
    decisions = (line for line in confirmed.takes_away if line.startswith("{"))
    takes_away = tuple(sorted({*decisions, *undeleted}))
    steps.confirm(confirmed.model_copy(update={"takes_away": takes_away}), now=now)


def covers(
    steps: Steps,
    digest: str,
    *,
    approvals: ApprovalPlan,
    deletes: DeletePlan,
    choice: str | None = None,
) -> bool:
    """Return True if the plan confirmed by this digest covers all that needs it in this plan.

    That is what it takes away, and what it says of a rebuilt server (``choice``).
    """
    confirmed = steps.confirmation
    if confirmed is None or confirmed.digest != digest:
        return False
    return _needs_confirmation(approvals, deletes, choice) <= {*confirmed.takes_away}


def _needs_confirmation(
    approvals: ApprovalPlan, deletes: DeletePlan, choice: str | None
) -> set[str]:
    decisions = {
        canonical_json(action.request()).decode()
        for action in approvals.actions
        if action.takes_away
    }
    chosen = set() if choice is None else {choice}
    return decisions | {file.name.text for file in deletes.files} | chosen
