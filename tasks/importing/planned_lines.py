"""The plan of an import or audit as lines: decisions, content, and what stays missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from tasks.approvals.plan_model import ApprovalPlan, Change, PlannedAction, Waiting
from tasks.bundle.manifest import Entry
from tasks.content.deletion import DeletePlan
from tasks.content.names import ContentName
from tasks.metadata.catalogue import PackageIndex
from tasks.reports.planned import PlanKind, PlanLine

_KINDS: dict[Change, PlanKind] = {
    "license": "accept-licence",
    "undecline": "undecline",
    "add": "approve",
    "change": "change",
    "block": "block",
    "remove": "remove",
    "decline": "decline",
}


class LineMaker:
    """Makes lines of a plan, with titles and KB numbers from the index of the package."""

    def __init__(self, index: PackageIndex) -> None:
        self._index = index
        self._texts = cache(self._read_texts)

    def decisions(self, plan: ApprovalPlan) -> Iterator[PlanLine]:
        """Yield the changes that a plan makes, then what waits, then what it leaves as it is."""
        for path in plan.groups:
            yield PlanLine("group", group=" / ".join(path))
        for action in plan.actions:
            yield self._decision(_KINDS[action.change], action, "")
        kinds: tuple[tuple[PlanKind, tuple[Waiting, ...]], ...] = (
            ("park", plan.parked),
            ("hold", plan.held),
            ("keep", plan.kept),
        )
        for kind, waiting in kinds:
            for decision in waiting:
                yield self._decision(kind, decision, decision.reason.value)

    def placed(self, entries: Iterable[Entry]) -> Iterator[PlanLine]:
        """Yield the files that are put into WsusContent."""
        for entry in entries:
            yield self._file("place", entry.name, entry.size_bytes)

    def deletions(self, plan: DeletePlan) -> Iterator[PlanLine]:
        """Yield the files that a mirror deletes, each with an update that it belonged to."""
        for file in plan.files:
            yield self._file("delete", file.name, file.size_bytes)

    def _file(self, kind: PlanKind, name: ContentName, size_bytes: int) -> PlanLine:
        owner = self._index.owner_of(name.digest)
        if owner is None:
            return PlanLine(kind, file=name.text, size_bytes=size_bytes)
        return PlanLine(
            kind,
            update_id=owner.update_id,
            revision=owner.revision,
            title=owner.title,
            kb=owner.kb,
            file=name.text,
            size_bytes=size_bytes,
        )

    def _decision(self, kind: PlanKind, decision: PlannedAction | Waiting, reason: str) -> PlanLine:
        values: dict[str, Any] = decision.as_json()
        title, kb = self._texts(decision.update_id)
        return PlanLine(
            kind,
            update_id=decision.update_id,
            revision=decision.revision,
            title=title,
            kb=kb,
            group=" / ".join(decision.group),
            action=values["action"] or "",
            deadline=values["deadline"] or "",
            optional=decision.optional,
            reason=reason,
        )

    def _read_texts(self, update_id: str) -> tuple[str, str]:
        record = self._index.latest(update_id)
        return (record.title, record.kb) if record else ("", "")
