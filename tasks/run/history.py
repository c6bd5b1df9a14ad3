"""Runs and chain of a side from its ledger, and the page ``reports/index.html`` of both."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from tasks.custody import newest_lines
from tasks.errors import PackageError
from tasks.ledger.exports import ExportRecord, Exports
from tasks.ledger.imports import Imports
from tasks.ledger.missing import MissingContent
from tasks.ledger.rulings import StoredRulings
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.logs import log
from tasks.names import Side
from tasks.reports.files import write_page
from tasks.reports.history import History, render_index
from tasks.reports.inspection_lines import ChainLine, CustodyLogLine, LackingLine, RunLine
from tasks.reports.model import WaitingLine
from tasks.run.carrier import read_carriers
from tasks.run.stored_documents import read_header_copy
from tasks.run.waiting_decisions import WaitingState
from tasks.run.waiting_report import describe_waiting
from tasks.site.settings import Site

INDEX_PAGE = "index.html"
MOST_RUNS = 1_000


def read_runs(ledger: Ledger, most: int = MOST_RUNS) -> tuple[RunLine, ...]:
    """Return the runs of this side, newest first."""
    return tuple(map(_run_line, Runs(ledger).newest(most)))


def read_chain(ledger: Ledger, site: Site) -> tuple[ChainLine, ...]:
    """Return the bundles of this side's chain, oldest first, with the gaps between them."""
    if site.side is Side.STAGING:
        carriers = read_carriers(ledger)
        return tuple(_export_line(record, carriers) for record in Exports(ledger).all())
    return tuple(_import_lines(ledger, site.name))


def read_lacking(ledger: Ledger) -> tuple[LackingLine, ...]:
    """Return the content that updates of this side lack, the longest missing first."""
    return tuple(
        LackingLine.model_validate({**asdict(file), "file": file.file or None})
        for file in MissingContent(ledger).all()
    )


def read_custody(ledger: Ledger, most: int = MOST_RUNS) -> tuple[CustodyLogLine, ...]:
    """Return the newest lines of the custody log, newest first."""
    return tuple(
        CustodyLogLine(
            number=line.number,
            time=line.time,
            event=line.event,
            who=line.who,
            machine=line.machine,
            product_version=line.version,
            run=line.run,
            bundle=line.bundle,
            text=line.text,
        )
        for line in newest_lines(ledger, most)
    )


def read_history(ledger: Ledger, site: Site, *, now: datetime, most: int = MOST_RUNS) -> History:
    """Return what a side knows of its past; of each list at most this many lines."""
    counts = Imports(ledger).counts()
    return History(
        runs=read_runs(ledger, most),
        chain=read_chain(ledger, site),
        lacking=read_lacking(ledger),
        custody=read_custody(ledger, most),
        waiting=read_waiting_lines(ledger, site, now=now, most=most),
        waiting_number=counts["held"] + counts["parked"],
    )


def read_waiting_lines(
    ledger: Ledger, site: Site, *, now: datetime, most: int
) -> tuple[WaitingLine, ...]:
    """Return the decisions that wait; none if the index of the newest package is damaged."""
    imports, rulings = Imports(ledger), StoredRulings(ledger).in_force(now)
    states: tuple[WaitingState, ...] = ("held", "parked")
    try:
        return tuple(
            line
            for state in states
            for line in describe_waiting(imports, state, rulings, site.path, most=most)
        )
    except (PackageError, sqlite3.DatabaseError) as fault:
        log.warning("what waits is not on the page of this side: %s", fault)
        return ()


def write_index(ledger: Ledger, site: Site, *, now: datetime) -> Path:
    """Write the page of this side, replacing the older one; return its path.

    Raises:
        HostFileError, DiskFullError: It cannot be written.
    """
    path = site.state_dir / "reports" / INDEX_PAGE
    history = read_history(ledger, site, now=now, most=200)
    page = render_index(site.name, site.side.value, history, now=now)
    write_page(path, page)
    return path


def _run_line(record: RunRecord) -> RunLine:
    return RunLine(
        run=record.id,
        command=record.command,
        started=record.started,
        ended=record.ended,
        outcome=record.outcome,
        exit_code=record.exit_code,
        bundle=record.bundle.name if record.bundle else None,
        has_report=record.report is not None,
    )


def _export_line(record: ExportRecord, carriers: Mapping[str, str]) -> ChainLine:
    header = read_header_copy(record.folder)
    state: str = record.status
    if record.accepted is not None:
        state = "sealed, carried, imported, receipted"
    elif record.status == "sealed":
        state = "sealed, no receipt yet"
    return ChainLine(
        sequence=record.sequence,
        bundle=record.bundle.name,
        state=state,
        created=header.created if header else None,
        base=header.base.sequence if header and header.base else None,
        bytes=header.counts.carried_bytes if header else None,
        receipt=None if record.accepted is None else f"accepted {record.accepted:%Y-%m-%d}",
        carried_by=carriers.get(record.header_digest.hex) if record.header_digest else None,
    )


def _import_lines(ledger: Ledger, site: str) -> Iterator[ChainLine]:
    last, carriers = 0, read_carriers(ledger)
    for record in Imports(ledger).all():
        header = read_header_copy(record.folder)
        voided = set(header.voided) if header else set()
        for number in range(last + 1, record.sequence) if last else ():
            if number not in voided:
                yield ChainLine(
                    sequence=number,
                    bundle=f"{site}-{number}",
                    state="it never came here",
                    is_gap=True,
                )
        last = record.sequence
        done = (
            f"imported {record.done:%Y-%m-%d %H:%M} UTC" if record.done else "begun, not finished"
        )
        yield ChainLine(
            sequence=record.sequence,
            bundle=f"{site}-{record.sequence}",
            state=done,
            created=record.created,
            base=header.base.sequence if header and header.base else None,
            bytes=header.counts.carried_bytes if header else None,
            receipt=record.outcome,
            carried_by=carriers.get(record.header_digest.hex),
        )
