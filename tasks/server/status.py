"""The command ``status``: wsusutil at work, chain, baseline, last runs, what waits, locks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from tasks.approvals.rulings import Ruling, Rulings
from tasks.errors import AirGapError
from tasks.hosts.locks import current_owner, describe_lock
from tasks.ledger.exports import Exports
from tasks.ledger.imports import ImportRecord, Imports
from tasks.ledger.rulings import StoredRulings
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.metadata.wsusutil_process import REMEDY, Running
from tasks.names import Side
from tasks.quantities import count, moment
from tasks.refusals import CustodyError
from tasks.reports.model import (
    ApprovalLine,
    ApprovalOutcome,
    Column,
    CommandReport,
    Fact,
    Section,
    error_line,
)
from tasks.reports.summary import status_steps
from tasks.run.context import RunContext, open_run_context
from tasks.run.custody_proof import prove_log
from tasks.run.made_by import made_by
from tasks.run.waiting_decisions import WaitingState, waiting_decisions
from tasks.run.waiting_report import describe_waiting, rulings_json
from tasks.server.next_step import next_export_step, next_import_step
from tasks.server.running_wsusutil import find_running
from tasks.server.status_tables import status_tables
from tasks.site.settings import Site

_RUNS = 10


def read_status(site: str, *, clock: Callable[[], datetime]) -> CommandReport:
    """Read a site's status from its ledger; locks and wsusutil at work from the server.

    A custody log that was changed refuses (3), with all that the ledger knows beside it.
    """
    with open_run_context(site, command="status", side=None, clock=clock) as run:
        running, at_work = _at_work(run)
        chain = Fact(label="Chain", value=run.ledger.chain or "not begun")
        is_staging = run.site.side is Side.STAGING
        custody, changed = _custody(run)
        rulings = StoredRulings(run.ledger).in_force(clock())
        approvals = ApprovalOutcome(
            parked=waiting_decisions(run.imports, "parked", Rulings(rulings)),
            held=waiting_decisions(run.imports, "held", Rulings(rulings)),
        )
        waits = [] if is_staging else _waits(run.imports, approvals, rulings)
        all_facts = (at_work, chain, *_place_in_chain(run), *waits, *_locks(run), custody)
        overview = Section(key="standing", title="Standing", facts=all_facts)
        sections = (overview, _last_runs(run.ledger))
        report = CommandReport(
            command="status",
            site=run.site.name,
            made_by=made_by(run.site, run.ledger, by_api=run.by_api),
            **_place_of_bundle(run.exports, run.imports),
            approvals=approvals,
            exit_code=3 if changed else 0,
            errors=(error_line(changed),) if changed else (),
            sections=sections,
            details={
                **{fact.label: fact.value for section in sections for fact in section.facts},
                **({} if is_staging else {"decisions": rulings_json(rulings)}),
            },
            lines=(
                *(f"{fact.label}: {fact.value}" for fact in sections[0].facts),
                *(" ".join(str(cell) for cell in row) for row in sections[1].rows),
                *_waiting_lines(approvals),
                *map(_ruling_line, rulings),
            ),
        )
        usual = _next_step(run.site, run.exports, run.imports.newest())
        step = REMEDY if running else status_steps(report, usual)
        tables = _tables(run, all_facts, rulings)
        return report.model_copy(update={"next_step": step, "tables": tables})


def _tables(
    run: RunContext, facts: Sequence[Fact], rulings: Sequence[Ruling]
) -> tuple[Section, ...]:
    states: tuple[WaitingState, ...] = ("parked", "held")
    waiting = (
        (state, describe_waiting(run.imports, state, rulings, run.site.path)) for state in states
    )
    runs = Runs(run.ledger).newest(_RUNS)
    return tuple(status_tables(facts, runs, waiting, now=run.clock()))


def _place_of_bundle(exports: Exports, imports: Imports) -> dict[str, Any]:
    """Return the fields of the document about the newest bundle and the baseline."""
    newest = exports.newest_sealed()
    record = newest or imports.newest()
    baseline = exports.baseline()
    return {
        "base": baseline.sequence if baseline else None,
        **({"sequence": record.sequence} if record else {}),
        **({"bundle": newest.bundle} if newest else {}),
    }


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


def _custody(run: RunContext) -> tuple[Fact, CustodyError | None]:
    """Prove the custody log."""
    try:
        return Fact(label="Custody", value=prove_log(run)[0]), None
    except CustodyError as error:
        return Fact(label="Custody", value="changed, see below"), error


def _place_in_chain(run: RunContext) -> list[Fact]:
    is_staging = run.site.side is Side.STAGING
    return _staging(run.exports) if is_staging else [_newest_import(run.imports)]


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
        unknown = "outcome not known here" if newest.done else "unfinished"
        value = f"bundle {newest.sequence}, {newest.status}, {newest.outcome or unknown}"
    return Fact(label="Newest import", value=value)


def _waits(imports: Imports, approvals: ApprovalOutcome, rulings: Sequence[Ruling]) -> list[Fact]:
    """Count what waits, with the oldest, and the decisions of people that are in force."""
    lists: tuple[tuple[str, WaitingState, tuple[ApprovalLine, ...]], ...] = (
        ("Parked", "parked", approvals.parked),
        ("Held", "held", approvals.held),
    )
    facts = []
    for label, state, lines in lists:
        value = count(len(lines))
        seen = sum(line.is_acknowledged for line in lines)
        if seen:
            value += f", of these {count(seen)} acknowledged"
        times = [decision.since for decision in imports.decisions(state) if decision.since]
        if times:
            value += f", the oldest since {moment(min(times))}"
        facts.append(Fact(label=label, value=value))
    return [*facts, Fact(label="Decisions in force", value=len(rulings), kind="count")]


def _ruling_line(ruling: Ruling) -> str:
    update = ruling.kb or f"{ruling.update_id} revision {ruling.revision}"
    group = f" for {' / '.join(ruling.group)}" if ruling.group else ""
    until = f" until {moment(ruling.until)}" if ruling.until else ""
    return f"decided: {ruling.kind} {update}{group} by {ruling.account}{until}: {ruling.reason}"


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
            if host is run.media and host.stat(path.parent) is None:
                value = f"unknown: the medium {path.parent} is not there now"
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
