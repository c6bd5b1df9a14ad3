"""The decisions of a server, read from the lines of the script ``read-approvals``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from tasks.approvals.model import (
    ApprovalSet,
    Decision,
    GroupPath,
    LicenseAcceptance,
)
from tasks.revision import RevisionId

# MS-WSUSAR 2.2.5.11: an update in one of these states is approved, and a file of it or of an
# update bundled in it is not on the server.
_UNREADY = frozenset({"NotReady", "Failed", "Canceled"})


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class ApprovedUpdate(Decision):
    """The state of an approved revision on its server.

    Attributes:
        state: The API's ``UpdateState``: ``Ready``, ``NotReady``, ``Failed``, ``Canceled``, ….
        license_required: True if the update has licence terms that must be accepted.
        license_accepted: True if they are accepted on this server.
        superseded, expired: The API's ``IsSuperseded``, and True if Microsoft withdrew the update.
        latest: True if the server has no newer revision.
        local: True if it was published on that server, and not by Microsoft (``UpdateSource``).
    """

    state: Annotated[str, AfterValidator(sys.intern)]
    license_required: bool
    license_accepted: bool
    superseded: bool
    expired: bool
    latest: bool
    local: bool = False


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore"))
class Unresolved:
    """A group, approval or approved update of which the server's API does not tell.

    Attributes:
        what: ``group``, ``approval`` (its group is not given) or ``update`` (its approvals are
            known, its state is not).
        id: The group's id; None if the group is not the question.
        action: The approval's action; None for the others.
        reason: What WSUS says; foreign text.
    """

    what: Literal["group", "approval", "update"]
    id: str | None
    update_id: str | None
    revision: int | None
    action: str | None
    reason: str


_UNRESOLVED = TypeAdapter(Unresolved)


@dataclass(frozen=True, slots=True)
class ServerDecisions:
    """All decisions of one server, and the states of its approved updates.

    Attributes:
        approval_set: The decisions that travel: groups, approvals, declines, and the licence terms
            that are accepted for approved updates.
        updates: The state of every revision that has an approval, by revision.
        empty_groups: Target groups without a computer.
        unresolved: What the API does not tell of; everything else was read.
    """

    approval_set: ApprovalSet
    updates: Mapping[RevisionId, ApprovedUpdate]
    empty_groups: frozenset[GroupPath] = frozenset()
    unresolved: tuple[Unresolved, ...] = ()

    def unready(self) -> tuple[ApprovedUpdate, ...]:
        """Return the approved updates that lack files by the server's account, by revision."""
        unready = (update for update in self.updates.values() if update.state in _UNREADY)
        return tuple(sorted(unready, key=lambda update: update.id))

    def told_updates(self) -> Iterator[str]:
        """Yield the ids of the approved updates that the API tells of, once for each approval.

        The package of this server must have them. An update that the API does not give is named as
        a failure already, and a package that lacks it too agrees with the API.
        """
        untold = {line.update_id for line in self.unresolved if line.what == "update"}
        for approval in self.approval_set.approvals:
            if approval.update_id not in untold:
                yield approval.update_id


def read_decisions(lines: Iterable[Mapping[str, Any]]) -> ServerDecisions:
    """Read the lines of ``read-approvals`` (trusted: our script on the site's own server).

    Raises:
        ValueError, KeyError: A line lacks a key of its kind, has a wrong value, or is of an
            unknown kind.
    """
    updates: dict[RevisionId, ApprovedUpdate] = {}
    empty_groups: set[GroupPath] = set()
    unresolved: list[Unresolved] = []

    def decision_lines() -> Iterator[Mapping[str, Any]]:
        for line in lines:
            if line.get("kind") == "update":
                update = ApprovedUpdate.read(line)
                updates[update.id] = update
            elif line.get("kind") == "unresolved":
                unresolved.append(_UNRESOLVED.validate_python(line))
            else:
                if line.get("kind") == "group" and line.get("computers") == 0:
                    empty_groups.add(tuple(line["path"]))
                yield line

    without_licenses = ApprovalSet.from_lines(decision_lines())
    licenses = [
        LicenseAcceptance(update_id=update.update_id, revision=update.revision)
        for update in updates.values()
        if update.license_required and update.license_accepted
    ]
    accepted = ApprovalSet.collect(licenses=licenses).licenses
    approval_set = replace(without_licenses, licenses=accepted)
    return ServerDecisions(approval_set, updates, frozenset(empty_groups), tuple(unresolved))
