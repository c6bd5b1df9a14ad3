"""Where a site stands: chain, baseline, last runs, what waits, locks. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tasks.crossing.deciding import waiting_of
from tasks.crossing.workplace import Workplace, open_workplace
from tasks.errors import AirGapError
from tasks.hosts.locks import current_owner, describe_lock
from tasks.ledger.runs import Runs
from tasks.names import Side
from tasks.reports.model import (
    ApprovalOutcome,
    Column,
    CommandReport,
    Fact,
    Section,
    approval_lines,
)

_RUNS = 10


def read_standing(site: str, *, clock: Callable[[], datetime]) -> CommandReport:
    """Read where a site stands from its ledger, and its locks from where they lie."""
    with open_workplace(site, command="status", side=None, clock=clock) as place:
        facts = _staging(place) if place.site.side is Side.STAGING else _disconnected(place)
        runs = Runs(place.ledger).newest(_RUNS)
        sections = (
            Section(key="standing", title="Standing", facts=(*facts, *_locks(place))),
            Section(
                key="runs",
                title="Last runs",
                columns=(Column(label="Run"), Column(label="Command"), Column(label="Outcome")),
                rows=tuple((run.id, run.command, run.outcome or "has not ended") for run in runs),
            ),
        )
        approvals = ApprovalOutcome(
            parked=approval_lines(waiting_of(place, "parked")),
            held=approval_lines(waiting_of(place, "held")),
        )
        newest = place.exports.newest_sealed()
        imported = place.imports.newest()
        known = newest or imported
        baseline = place.exports.baseline()
        where: dict[str, Any] = {"sequence": known.sequence} if known else {}
        if newest is not None:
            where["bundle"] = newest.bundle
        return CommandReport(
            command="status",
            site=place.site.name,
            base=baseline.sequence if baseline else None,
            **where,
            approvals=approvals,
            sections=sections,
            details={fact.label: fact.value for section in sections for fact in section.facts},
            lines=(
                *(f"{fact.label}: {fact.value}" for fact in sections[0].facts),
                *(" ".join(str(cell) for cell in row) for row in sections[1].rows),
                *_waiting_lines(approvals),
            ),
        )


def _staging(place: Workplace) -> list[Fact]:
    newest = place.exports.newest()
    baseline = place.exports.baseline()
    return [
        Fact(label="Chain", value=place.ledger.chain or "not begun"),
        Fact(
            label="Newest bundle",
            value=f"{newest.bundle.name}, {newest.status}" if newest else "none",
        ),
        Fact(label="Baseline", value=baseline.bundle.name if baseline else "none: all is carried"),
    ]


def _disconnected(place: Workplace) -> list[Fact]:
    newest = place.imports.newest()
    return [
        Fact(label="Chain", value=place.ledger.chain or "not begun"),
        Fact(
            label="Newest import",
            value=f"bundle {newest.sequence}, {newest.status}, {newest.outcome or 'unfinished'}"
            if newest
            else "none",
        ),
    ]


def _locks(place: Workplace) -> list[Fact]:
    """Who holds a lock; an unreachable server is said so, and is no error of ``status``."""
    found = []
    us = current_owner(machine=place.ledger.machine, run=place.run_id, now=place.clock())
    for label, host, path in (
        ("Lock on the media", place.media, place.media_lock),
        ("Lock on the server", place.server, place.server_lock),
    ):
        try:
            value = describe_lock(host, path, us)
        except AirGapError as error:
            value = f"unknown: {error.message}"
        found.append(Fact(label=label, value=value))
    return found


def _waiting_lines(approvals: ApprovalOutcome) -> list[str]:
    return [
        f"{state}: {line.update_id} revision {line.revision} for {' / '.join(line.group)}: "
        f"{line.reason}"
        for state, lines in (("parked", approvals.parked), ("held", approvals.held))
        for line in lines
    ]
