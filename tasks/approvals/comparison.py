"""The three sides of an import, looked up by the key of a decision."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from tasks.approvals.losses import NO_LOSSES, Losses
from tasks.approvals.model import Action, ApprovalSet, Key
from tasks.approvals.policy import ApprovalPolicy
from tasks.approvals.rulings import NO_RULINGS, Rulings
from tasks.approvals.translation import NOTHING_WITHHELD, Withheld
from tasks.revision import RevisionId


def _no_superseders(_: str) -> Collection[str]:
    return ()


def _not_expired(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class UpdateStates:
    """The state of the updates in question, from catalogue, server and content folder.

    Attributes:
        on_server: Revisions that the server has, at least as far as the incoming approvals and
            declines name them.
        expired: Revisions with an incoming decision that Microsoft withdrew.
        license_pending: Revisions whose licence terms this server wants accepted first.
        content_missing: Revisions of which a file is not in place. Files of bundled updates and
            of licence terms count.
        superseded_by: Returns the ids of the updates that supersede an update directly.
        is_expired: Returns True for an update that Microsoft withdrew, whoever decided about it.
    """

    on_server: Collection[RevisionId]
    expired: Collection[RevisionId] = frozenset()
    license_pending: Collection[RevisionId] = frozenset()
    content_missing: Collection[RevisionId] = frozenset()
    superseded_by: Callable[[str], Collection[str]] = _no_superseders
    is_expired: Callable[[str], bool] = _not_expired


@dataclass(frozen=True, slots=True)
class Situation:
    """The three sides and the update states.

    Attributes:
        last: The decisions that we applied last; empty before the first import of a site.
        incoming: The decisions that the bundle brings, for the groups of this site.
        present: The decisions on the server now.
        withheld: The incoming approvals that the site's rules for groups hold.
        rulings: What people of this side have decided about what waits.
        accepted_losses: Decisions of ours that a person has said are gone on purpose.
    """

    last: ApprovalSet
    incoming: ApprovalSet
    present: ApprovalSet
    states: UpdateStates
    withheld: Withheld = NOTHING_WITHHELD
    rulings: Rulings = NO_RULINGS
    accepted_losses: Losses = NO_LOSSES


class Comparison:
    """The situation by keys, with the questions of the planner.

    Attributes:
        undeclined: Updates to take the decline back from: we applied the decline, the bundle no
            longer has it, and the server still does. Expired updates are none of them, because
            WSUS declines those by itself (setting ``AutoRefreshUpdateApprovalsDeclineExpired``).
        approved_here: Updates with an approval to install on the server now.
        approved_locally: Updates with an approval that a person on this side made.
        unavailable: Updates that are declined once the plan is carried out, or of which a revision
            with an incoming decision is expired.
    """

    def __init__(self, situation: Situation, policy: ApprovalPolicy, now: datetime) -> None:
        self.situation = situation
        self.states = situation.states
        self.policy = policy
        self.now = now
        self.last = situation.last.by_key()
        self.incoming = situation.incoming.by_key()
        self.present = situation.present.by_key()
        self.last_declined = situation.last.declined_ids()
        self.incoming_declined = situation.incoming.declined_ids()
        self.present_declined = situation.present.declined_ids()
        expired = {revision.update_id for revision in self.states.expired}
        self.undeclined = {
            update_id
            for update_id in self.present_declined
            if update_id in self.last_declined
            and update_id not in self.incoming_declined
            and update_id not in expired
            and not self.states.is_expired(update_id)
        }

        self.approved_here: set[str] = set()
        self.approved_locally: set[str] = set()
        for key, approval in self.present.items():
            if approval.action is Action.INSTALL:
                self.approved_here.add(key[0])
            if approval.action is not Action.NOT_APPROVED and not self.is_untouched(key):
                self.approved_locally.add(key[0])
        declined = (self.present_declined.keys() - self.undeclined) | self.incoming_declined.keys()
        self.unavailable = declined | expired

    def is_untouched(self, key: Key) -> bool:
        """Return True if no person changed the approval of this key since we applied it.

        A newer revision with the same terms does not count as a change: WSUS itself moves an
        approval to the new revision (setting ``AutoRefreshUpdateApprovals``).
        """
        last, present = self.last.get(key), self.present.get(key)
        if last is None or present is None:
            return last is None and present is None
        return present.terms == last.terms and present.revision >= last.revision
