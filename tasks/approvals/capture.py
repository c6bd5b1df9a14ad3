"""What a server has decided, read from the lines of the script ``read-approvals``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.approvals.model import (
    ApprovalSet,
    Decision,
    LicenseAcceptance,
)
from tasks.revision import RevisionId

_UNREADY = frozenset({"NotReady", "Failed", "Canceled"})


class ApprovedUpdate(Decision):
    """How one approved revision stands on its server.

    Attributes:
        state: The API's ``UpdateState``: ``Ready``, ``NotReady``, ``Failed``, ``Canceled``, ….
        license_required: It has licence terms that must be accepted.
        license_accepted: They are.
        latest: No newer revision is known to that server.
    """

    title: str
    state: str
    license_required: bool
    license_accepted: bool
    superseded: bool
    expired: bool
    latest: bool


@dataclass(frozen=True, slots=True)
class ServerDecisions:
    """All that one server has decided, and how its approved updates stand.

    Attributes:
        decisions: Groups, approvals, declines, and licence terms accepted for approved updates:
            what travels.
        updates: By revision, for every revision that has an approval.
    """

    decisions: ApprovalSet
    updates: Mapping[RevisionId, ApprovedUpdate]

    def unready(self) -> tuple[ApprovedUpdate, ...]:
        """Approved updates whose files the server says it lacks, in canonical order."""
        waiting = {id_: update for id_, update in self.updates.items() if update.state in _UNREADY}
        return tuple(waiting[id_] for id_ in sorted(waiting))


def read_decisions(lines: Iterable[Mapping[str, Any]]) -> ServerDecisions:
    """Take up the lines of ``read-approvals`` (trusted: our script on the site's own server).

    Raises:
        ValueError, KeyError: A line is not what its kind says, or of a kind that is not known.
    """
    kept: list[Mapping[str, Any]] = []
    updates: dict[RevisionId, ApprovedUpdate] = {}
    for line in lines:
        if line.get("kind") == "update":
            update = ApprovedUpdate.model_validate(line)
            updates[update.id] = update
            continue
        kept.append(line)
    found = ApprovalSet.from_lines(kept)
    licenses = [
        LicenseAcceptance(update_id=update.update_id, revision=update.revision)
        for update in updates.values()
        if update.license_required and update.license_accepted
    ]
    decisions = ApprovalSet.collect(
        groups=found.groups,
        approvals=found.approvals,
        declines=found.declines,
        licenses=licenses,
    )
    return ServerDecisions(decisions, updates)
