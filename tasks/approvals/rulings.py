"""Rulings: decisions of a person on this side about something that waits. Pure.

======================  ==========================================================================
ruling                  holds for
======================  ==========================================================================
accept-licence          the licence terms of this revision; the approval for this group
apply                   the same decision with the same revision, group, action, deadline and
                        option, whatever rule of the site holds it
reject                  every approval (or decline, or removal) of the update for this group
acknowledge             the same decision as long as it waits for the same reason
======================  ==========================================================================

A ruling never stands in for content, for a revision that the server lacks, or for what WSUS
refuses: ``KINDS_BY_REASON`` says which ruling helps against which reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.approvals.model import Action, Approval, GroupPath, fold
from tasks.approvals.plan_model import Subject, Waiting
from tasks.approvals.reasons import Reason
from tasks.revision import RevisionId

_Entry = tuple[Subject, str, GroupPath]


class RulingKind(StrEnum):
    """The words of ``decide``; they never change."""

    ACCEPT_LICENCE = "accept-licence"
    APPLY = "apply"
    REJECT = "reject"
    ACKNOWLEDGE = "acknowledge"


KINDS_BY_REASON: Mapping[Reason, RulingKind] = {
    Reason.LICENCE_TERMS: RulingKind.ACCEPT_LICENCE,
    Reason.BUILT_IN_GROUP: RulingKind.APPLY,
    Reason.GROUPS_DISAGREE: RulingKind.APPLY,
    Reason.DEADLINE_PAST: RulingKind.APPLY,
    Reason.DEADLINE_NEAR: RulingKind.APPLY,
    Reason.DECLINE_WAITS: RulingKind.APPLY,
    Reason.REMOVAL_WAITS: RulingKind.APPLY,
}
"""The ruling that lets a decision go that waits for a reason."""

DECIDED_ALREADY = frozenset({Reason.GROUP_LEFT_OUT, Reason.REJECTED})
"""Reasons that a person of this site has given: by the site file, or by a ruling."""


class Ruling(BaseModel):
    """One ruling about one waiting decision.

    Attributes:
        number: Number in the ledger; 0 before it is recorded.
        subject, update_id, revision, group, action, deadline, optional: The decision as it waited.
        waited_for: The reason for which it waited.
        reason: The person's reason.
        account: Account of the person, or ``by the API``.
        until: The ruling ends at this time; None: it ends when it is revoked.
        is_narrowed: True if the person named the group.
        title, kb: Of the update; foreign text.
        revoked: Time at which it was revoked or replaced; None: never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = 0
    kind: RulingKind
    subject: Subject
    update_id: str
    revision: int
    group: GroupPath = ()
    action: Action | None = None
    deadline: AwareDatetime | None = None
    optional: bool = False
    waited_for: Reason
    reason: str
    account: str
    decided: AwareDatetime
    until: AwareDatetime | None = None
    is_narrowed: bool = False
    title: str = ""
    kb: str = ""
    revoked: AwareDatetime | None = None
    revoked_by: str | None = None
    revoked_reason: str | None = None

    @property
    def entry(self) -> _Entry:
        """The decision that it is about, for all revisions and terms."""
        return (self.subject, self.update_id, fold(self.group))

    def is_in_force(self, now: datetime) -> bool:
        """Return True if it is neither revoked nor over."""
        return self.revoked is None and (self.until is None or now < self.until)

    def replaces(self, other: Ruling) -> bool:
        """Return True if an earlier ruling is over once this one is made.

        Accepted licence terms and a ruling on the approval itself stand side by side.
        """
        licence = RulingKind.ACCEPT_LICENCE
        return self.entry == other.entry and (self.kind is licence) == (other.kind is licence)

    def is_about(self, waiting: Waiting) -> bool:
        """Return True if a decision is still the one that was ruled on, whatever it waits for."""
        return (
            self.entry == entry_of(waiting)
            and self.revision == waiting.revision
            and self.action == waiting.action
            and self.deadline == waiting.deadline
            and self.optional == waiting.optional
        )


class Rulings:
    """The rulings in force, for the planner and for reports."""

    def __init__(self, in_force: Iterable[Ruling] = ()) -> None:
        self._by_entry: dict[_Entry, list[Ruling]] = {}
        self._narrowed: set[RevisionId] = set()
        for ruling in in_force:
            self._by_entry.setdefault(ruling.entry, []).append(ruling)
            if ruling.kind is RulingKind.ACCEPT_LICENCE and ruling.is_narrowed:
                self._narrowed.add(RevisionId(ruling.update_id, ruling.revision))

    def rejects(self, waiting: Waiting) -> bool:
        """Return True if a person decided never to apply it."""
        return any(ruling.kind is RulingKind.REJECT for ruling in self._of(waiting))

    def lets_through(self, waiting: Waiting) -> bool:
        """Return True if a person decided to apply it in spite of the site's rules."""
        return self._has(RulingKind.APPLY, waiting)

    def holds_terms(self, approval: Approval, *, is_pending: bool) -> bool:
        """Return True if an approval waits until a person accepts licence terms.

        Once they are accepted for one group alone, other groups still wait: WSUS itself knows
        accepted terms for the whole server only.

        Args:
            approval: The approval.
            is_pending: True if the server wants the terms accepted first.
        """
        if not is_pending and approval.id not in self._narrowed:
            return False
        return not any(
            ruling.kind is RulingKind.ACCEPT_LICENCE and ruling.revision == approval.revision
            for ruling in self._by_entry.get(("approval", *approval.key), ())
        )

    def acknowledges(self, waiting: Waiting) -> bool:
        """Return True if a person has seen it, and it has not changed since."""
        return any(
            ruling.kind is RulingKind.ACKNOWLEDGE
            and ruling.is_about(waiting)
            and ruling.waited_for is waiting.reason
            for ruling in self._of(waiting)
        )

    def newest_about(self, waiting: Waiting) -> Ruling | None:
        """Find the newest ruling that bears on a waiting decision now; None without one."""
        bearing = [ruling for ruling in self._of(waiting) if self._bears_on(ruling, waiting)]
        return max(bearing, key=lambda ruling: ruling.number, default=None)

    def _bears_on(self, ruling: Ruling, waiting: Waiting) -> bool:
        match ruling.kind:
            case RulingKind.REJECT:
                return True
            case RulingKind.APPLY:
                return ruling.is_about(waiting)
            case RulingKind.ACCEPT_LICENCE:
                return ruling.revision == waiting.revision
        return ruling.is_about(waiting) and ruling.waited_for is waiting.reason

    def _has(self, kind: RulingKind, waiting: Waiting) -> bool:
        return any(ruling.kind is kind and ruling.is_about(waiting) for ruling in self._of(waiting))

    def _of(self, waiting: Waiting) -> Iterable[Ruling]:
        return self._by_entry.get(entry_of(waiting), ())


NO_RULINGS = Rulings()


def entry_of(waiting: Waiting) -> _Entry:
    """Return the entry of a waiting decision, as rulings name it."""
    return (waiting.subject, waiting.update_id, fold(waiting.group))
