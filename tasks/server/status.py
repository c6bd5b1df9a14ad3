"""The command ``status``: wsusutil at work, chain, baseline, last runs, what waits, locks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tasks.errors import AirGapError
from tasks.hosts.locks import current_owner, describe_lock
from tasks.ledger.exports import Exports
from tasks.ledger.imports import ImportRecord, Imports
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.metadata.wsusutil_process import REMEDY, Running
from tasks.names import Side
from tasks.reports.model import (
    ApprovalOutcome,
    Column,
    CommandReport,
    Fact,
    Section,
)
from tasks.reports.summary import status_steps
from tasks.run.context import RunContext, open_run_context
from tasks.run.waiting_decisions import waiting_decisions
from tasks.server.next_step import next_export_step, next_import_step
from tasks.server.running_wsusutil import find_running
from tasks.site.settings import Site

_RUNS = 10


def read_status(site: str, *, clock: Callable[[], datetime]) -> CommandReport:
    """Read a site's status from its ledger; locks and wsusutil at work from the server."""
    with open_run_context(site, command="status", side=None, clock=clock) as run:
        running, at_work = _at_work(run)
        chain = Fact(label="Chain", value=run.ledger.chain or "not begun")
        is_staging = run.site.side is Side.STAGING
        facts = _staging(run.exports) if is_staging else [_newest_import(run.imports)]
        sections = (
            Section(key="standing", title="Standing", facts=(at_work, chain, *facts, *_locks(run))),
            _last_runs(run.ledger),
        )
        approvals = ApprovalOutcome(
            parked=waiting_decisions(run.imports, "parked"),
            held=waiting_decisions(run.imports, "held"),
        )
        newest = run.exports.newest_sealed()
        imported = run.imports.newest()
        record = newest or imported
        baseline = run.exports.baseline()
        bundle: dict[str, Any] = {"sequence": record.sequence} if record else {}
        if newest is not None:
            bundle["bundle"] = newest.bundle
        report = CommandReport(
            command="status",
            site=run.site.name,
            base=baseline.sequence if baseline else None,
            **bundle,
            approvals=approvals,
            sections=sections,
            details={fact.label: fact.value for section in sections for fact in section.facts},
            lines=(
                *(f"{fact.label}: {fact.value}" for fact in sections[0].facts),
                *(" ".join(str(cell) for cell in row) for row in sections[1].rows),
                *_waiting_lines(approvals),
            ),
        )
        usual = _next_step(run.site, run.exports, imported)
        step = REMEDY if running else status_steps(report, usual)
        return report.model_copy(update={"next_step": step})


def _next_step(site: Site, exports: Exports, imported: ImportRecord | None) -> str:
    if site.side is Side.DISCONNECTED:
        return next_import_step(imported, site.receipts_dir, site.path)
    accepted = exports.baseline()
    number = accepted.sequence if accepted else None
    return next_export_step(exports.newest(), exports.newest_sealed(), number, site.path)


def _at_work(run: RunContext) -> tuple[tuple[Running, ...], Fact]:
    """Find every wsusutil at work, and the line about them; an unreachable server is no error."""
    running: tuple[Running, ...] = ()
    try:
        # Our own folder need not exist there yet; this one is removed when the host is closed.
        running = find_running(run, folder=run.server.request_folder())
        value = "no wsusutil"
    except AirGapError as error:
        value = f"unknown: {error.message}"
    if running:
        value = "; ".join(process.sentence for process in running)
        value += ". WSUS is not queried beside it; what waits is listed as the last run left it"
    return running, Fact(label="At work on the server", value=value)


def _last_runs(ledger: Ledger) -> Section:
    runs = Runs(ledger).newest(_RUNS)
    return Section(
        key="runs",
        title="Last runs",
        columns=(Column(label="Run"), Column(label="Command"), Column(label="Outcome")),
        rows=tuple((run.id, run.command, run.outcome or "has not ended") for run in runs),
    )


def _staging(exports: Exports) -> list[Fact]:
    newest = exports.newest()
    baseline = exports.baseline()
    return [
        Fact(
            label="Newest bundle",
            value=f"{newest.bundle.name}, {newest.status}" if newest else "none",
        ),
        Fact(label="Baseline", value=baseline.bundle.name if baseline else "none: all is carried"),
    ]


def _newest_import(imports: Imports) -> Fact:
    newest = imports.newest()
    value = "none"
    if newest is not None:
        value = f"bundle {newest.sequence}, {newest.status}, {newest.outcome or 'unfinished'}"
    return Fact(label="Newest import", value=value)


def _locks(run: RunContext) -> list[Fact]:
    """Read the owners of the locks; the line of an unreachable server gives the reason."""
    facts = []
    current = current_owner(machine=run.ledger.machine, run=run.run_id, now=run.clock())
    for label, host, path in (
        ("Lock on the media", run.media, run.media_lock),
        ("Lock on the server", run.server, run.folders.server_lock),
    ):
        try:
            value = describe_lock(host, path, current)
        except AirGapError as error:
            value = f"unknown: {error.message}"
        facts.append(Fact(label=label, value=value))
    return facts


def _waiting_lines(approvals: ApprovalOutcome) -> list[str]:
    return [
        f"{state}: {line.update_id} revision {line.revision} for {' / '.join(line.group)}: "
        f"{line.reason}"
        for state, lines in (("parked", approvals.parked), ("held", approvals.held))
        for line in lines
    ]
