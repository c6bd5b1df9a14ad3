"""A site's standing: wsusutil at work, chain, baseline, last runs, what waits, locks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tasks.errors import AirGapError
from tasks.hosts.locks import current_owner, describe_lock
from tasks.ledger.runs import Runs
from tasks.metadata.wsusutil_process import REMEDY, Running
from tasks.names import Side
from tasks.reports.model import (
    ApprovalOutcome,
    Column,
    CommandReport,
    Fact,
    Section,
)
from tasks.run.context import RunContext, open_run_context
from tasks.run.waiting_decisions import waiting_of
from tasks.server.running_wsusutil import find_running

_RUNS = 10


def read_status(site: str, *, clock: Callable[[], datetime]) -> CommandReport:
    """Read a site's standing from its ledger; locks and wsusutil at work from the server."""
    with open_run_context(site, command="status", side=None, clock=clock) as run:
        running, current_run = _at_work(run)
        facts = _staging(run) if run.site.side is Side.STAGING else _disconnected(run)
        runs = Runs(run.ledger).newest(_RUNS)
        sections = (
            Section(key="standing", title="Standing", facts=(current_run, *facts, *_locks(run))),
            Section(
                key="runs",
                title="Last runs",
                columns=(Column(label="Run"), Column(label="Command"), Column(label="Outcome")),
                rows=tuple((run.id, run.command, run.outcome or "has not ended") for run in runs),
            ),
        )
        approvals = ApprovalOutcome(
            parked=waiting_of(run, "parked"),
            held=waiting_of(run, "held"),
        )
        newest = run.exports.newest_sealed()
        imported = run.imports.newest()
        known = newest or imported
        baseline = run.exports.baseline()
        where: dict[str, Any] = {"sequence": known.sequence} if known else {}
        if newest is not None:
            where["bundle"] = newest.bundle
        return CommandReport(
            command="status",
            site=run.site.name,
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
            next_step=REMEDY if running else None,
        )


def _at_work(run: RunContext) -> tuple[tuple[Running, ...], Fact]:
    """Every wsusutil at work on the server, and how it is told; unreachable is no error here."""
    running: tuple[Running, ...] = ()
    try:
        # A folder that goes when the host is closed: our own need not exist there yet.
        running = find_running(run, folder=run.server.request_folder())
        value = "no wsusutil"
    except AirGapError as error:
        value = f"unknown: {error.message}"
    if running:
        value = "; ".join(each.sentence for each in running)
        value += ". WSUS is not asked beside it: what waits is told as the last run left it"
    return running, Fact(label="At work on the server", value=value)


def _staging(run: RunContext) -> list[Fact]:
    newest = run.exports.newest()
    baseline = run.exports.baseline()
    return [
        Fact(label="Chain", value=run.ledger.chain or "not begun"),
        Fact(
            label="Newest bundle",
            value=f"{newest.bundle.name}, {newest.status}" if newest else "none",
        ),
        Fact(label="Baseline", value=baseline.bundle.name if baseline else "none: all is carried"),
    ]


def _disconnected(run: RunContext) -> list[Fact]:
    newest = run.imports.newest()
    return [
        Fact(label="Chain", value=run.ledger.chain or "not begun"),
        Fact(
            label="Newest import",
            value=f"bundle {newest.sequence}, {newest.status}, {newest.outcome or 'unfinished'}"
            if newest
            else "none",
        ),
    ]


def _locks(run: RunContext) -> list[Fact]:
    """Who holds a lock; an unreachable server is said so, and is no error of ``status``."""
    found = []
    us = current_owner(machine=run.ledger.machine, run=run.run_id, now=run.clock())
    for label, host, path in (
        ("Lock on the media", run.media, run.media_lock),
        ("Lock on the server", run.server, run.folders.server_lock),
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
