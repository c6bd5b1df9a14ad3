"""What a server has decided, read from the lines of the script ``read-approvals``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from tasks.approvals.model import (
    ApprovalSet,
    Decision,
    LicenseAcceptance,
)
from tasks.revision import RevisionId

_UNREADY = frozenset({"NotReady", "Failed", "Canceled"})


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class ApprovedUpdate(Decision):
    """How one approved revision stands on its server.

    Attributes:
        state: The API's ``UpdateState``: ``Ready``, ``NotReady``, ``Failed``, ``Canceled``, ….
        license_required: It has licence terms that must be accepted.
        license_accepted: They are.
        latest: No newer revision is known to that server.
    """

    state: Annotated[str, AfterValidator(sys.intern)]
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
    updates: dict[RevisionId, ApprovedUpdate] = {}

    def decided() -> Iterator[Mapping[str, Any]]:
        for line in lines:
            if line.get("kind") == "update":
                update = ApprovedUpdate.read(line)
                updates[update.id] = update
            else:
                yield line

    found = ApprovalSet.from_lines(decided())
    licenses = [
        LicenseAcceptance(update_id=update.update_id, revision=update.revision)
        for update in updates.values()
        if update.license_required and update.license_accepted
    ]
    decisions = replace(found, licenses=ApprovalSet.collect(licenses=licenses).licenses)
    return ServerDecisions(decisions, updates)
