"""Decisions in few letters: update ``u(1)``, groups by name, a server that does as WSUS does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.approvals.apply import ApplyOutcome, keep_what_server_shows, operations, read_outcomes
from tasks.approvals.model import (
    Action,
    Approval,
    ApprovalSet,
    Decline,
    GroupPath,
    Key,
    LicenseAcceptance,
)
from tasks.approvals.plan_model import ApprovalPlan
from tasks.revision import RevisionId

NOW = datetime(2031, 5, 1, 3, 0, tzinfo=UTC)
FAR = NOW + timedelta(days=400)
SERVERS: GroupPath = ("All Computers", "Servers")
CLIENTS: GroupPath = ("All Computers", "Clients")
RING: GroupPath = ("All Computers", "Clients", "Ring 1")
GROUPS = (SERVERS, CLIENTS, RING)


def u(number: int) -> str:
    """The id of an update."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def looked_up(table: Mapping[str, Collection[str]]) -> Callable[[str], Collection[str]]:
    """A table as the planner asks for it: what supersedes an update."""
    return lambda update_id: table.get(update_id, ())


def approval(update: int, group: GroupPath = SERVERS, **changes: Any) -> Approval:
    values: dict[str, Any] = {"revision": 100, "action": Action.INSTALL} | changes
    return Approval(update_id=u(update), group=group, **values)


def decline(update: int, revision: int = 100) -> Decline:
    return Decline(update_id=u(update), revision=revision)


def license_of(update: int, revision: int = 100) -> LicenseAcceptance:
    return LicenseAcceptance(update_id=u(update), revision=revision)


def decisions(*items: Approval | Decline, groups: Iterable[GroupPath] = GROUPS) -> ApprovalSet:
    return ApprovalSet.collect(
        groups=groups,
        approvals=[item for item in items if isinstance(item, Approval)],
        declines=[item for item in items if isinstance(item, Decline)],
    )


def ids(*updates: int, revision: int = 100) -> frozenset[RevisionId]:
    return frozenset(RevisionId(u(update), revision) for update in updates)


@dataclass
class ModelServer:
    """What WSUS does with operations, for laws: one approval per update and group."""

    approvals: dict[Key, Approval]
    declines: dict[str, Decline]
    groups: set[GroupPath]
    accepted: set[RevisionId] = field(default_factory=set)

    @classmethod
    def holding(cls, present: ApprovalSet) -> ModelServer:
        return cls(dict(present.by_key()), dict(present.declined_ids()), set(present.groups))

    def decisions(self) -> ApprovalSet:
        return ApprovalSet.collect(
            groups=self.groups,
            approvals=self.approvals.values(),
            declines=self.declines.values(),
        )

    def carry_out(self, plan: ApprovalPlan, *, fail: Iterable[int] = ()) -> ApplyOutcome:
        failing = set(fail)
        lines = [
            self._outcome(line, fails=line["n"] in failing)
            for line in operations(plan)
            if "n" in line
        ]
        return keep_what_server_shows(read_outcomes(plan, lines), self.decisions())

    def answer(self, line: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation, and answer as the script does."""
        return self._outcome(line, fails=False)

    def _outcome(self, line: dict[str, Any], *, fails: bool) -> dict[str, Any]:
        if fails:
            return {
                "kind": "outcome",
                "n": line["n"],
                "result": "failed",
                "error_type": "InvalidOperationException",
                "error": "refused",
            }
        self._do(line)
        return {"kind": "outcome", "n": line["n"], "result": "done"}

    def _do(self, line: dict[str, Any]) -> None:
        match line["op"]:
            case "group":
                self.groups.add(tuple(line["path"]))
            case "accept-license":
                self.accepted.add(RevisionId(line["update_id"], line["revision"]))
            case "approve":
                new = Approval.read(line)
                assert new.group in self.groups
                self.declines.pop(new.update_id, None)
                self.approvals[new.key] = new
            case "remove":
                gone = Approval.read(line)
                assert self.approvals.pop(gone.key).id == gone.id
            case "decline":
                new_decline = Decline.read(line)
                self.declines[new_decline.update_id] = new_decline
                for key in [key for key in self.approvals if key[0] == new_decline.update_id]:
                    del self.approvals[key]
            case "undecline":
                del self.declines[line["update_id"]]
