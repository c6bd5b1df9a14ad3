"""The three sides of an import, by what each decision is about."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from tasks.approvals.model import Action, ApprovalSet, Key
from tasks.approvals.policy import ApprovalPolicy
from tasks.revision import RevisionId


def _nothing_supersedes(_: str) -> Collection[str]:
    """What no catalogue was asked for."""
    return ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What catalogue, server and content folder say of the updates in question.

    Attributes:
        known: Revisions that the server has; must cover the incoming approvals and declines.
        expired: Revisions that Microsoft withdrew.
        license_pending: Revisions whose licence terms this server wants accepted first.
        content_missing: Revisions of which a file is not in place, bundled updates and licence
            terms included.
        superseded_by: Looks up the updates that supersede one directly.
    """

    known: Collection[RevisionId]
    expired: Collection[RevisionId] = frozenset()
    license_pending: Collection[RevisionId] = frozenset()
    content_missing: Collection[RevisionId] = frozenset()
    superseded_by: Callable[[str], Collection[str]] = _nothing_supersedes


@dataclass(frozen=True, slots=True)
class Situation:
    """The three sides and the facts. ``last`` is empty before the first import of a site."""

    last: ApprovalSet
    incoming: ApprovalSet
    present: ApprovalSet
    facts: Facts


class Comparison:
    """The situation by keys, with what the planner asks of it.

    Attributes:
        undeclined: Updates whose decline we applied, that the bundle no longer declines and that
            still stand declined. Not the expired ones: WSUS declines those by itself.
        approved_here: Updates with an approval to install on the server now.
        approved_locally: Updates with an approval that somebody made here.
        out_of_reach: Updates that are declined or expired once the plan is carried out.
    """

    def __init__(self, situation: Situation, policy: ApprovalPolicy, now: datetime) -> None:
        self.situation = situation
        self.facts = situation.facts
        self.policy = policy
        self.now = now
        self.last = situation.last.by_key()
        self.incoming = situation.incoming.by_key()
        self.present = situation.present.by_key()
        self.last_declined = situation.last.declined_ids()
        self.incoming_declined = situation.incoming.declined_ids()
        self.present_declined = situation.present.declined_ids()
        expired = {each.update_id for each in self.facts.expired}
        self.undeclined = {
            update_id
            for update_id in self.present_declined
            if update_id in self.last_declined
            and update_id not in self.incoming_declined
            and update_id not in expired
        }

        self.approved_here: set[str] = set()
        self.approved_locally: set[str] = set()
        for key, approval in self.present.items():
            if approval.action is Action.INSTALL:
                self.approved_here.add(key[0])
            if approval.action is not Action.NOT_APPROVED and not self.stands_as_left(key):
                self.approved_locally.add(key[0])
        declined = (self.present_declined.keys() - self.undeclined) | self.incoming_declined.keys()
        self.out_of_reach = declined | expired

    def stands_as_left(self, key: Key) -> bool:
        """Whether nobody but us and WSUS itself decided about this key."""
        last, present = self.last.get(key), self.present.get(key)
        if last is None or present is None:
            return last is None and present is None
        return present.terms == last.terms and present.revision >= last.revision
