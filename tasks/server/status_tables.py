"""The tables of ``status`` for people: where the side stands, what waits, the last runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tasks.ledger.runs import RunRecord
from tasks.quantities import count, duration, moment
from tasks.reports.model import Column, Fact, Section, WaitingLine
from tasks.reports.text import cell
from tasks.run.waiting_report import waiting_table

_MOST_WAITING = 10
_DAY_SECONDS = 86_400


def status_tables(
    facts: Sequence[Fact],
    runs: Sequence[RunRecord],
    waiting: Iterable[tuple[str, Sequence[WaitingLine]]],
    *,
    now: datetime,
) -> Iterator[Section]:
    """Yield the tables, with ages instead of bare times.

    Args:
        facts: Where the side stands.
        runs: The last runs, newest first.
        waiting: The commands ``parked`` and ``held``, each with what it lists.
        now: The time.
    """
    yield Section(
        key="now",
        title="Now",
        columns=(Column(label="What", kind="short"), Column(label="State")),
        rows=tuple((fact.label, cell(fact.value, fact.kind)) for fact in facts),
    )
    for command, lines in waiting:
        if lines:
            more = len(lines) - _MOST_WAITING
            title = f"{command.capitalize()}: {count(len(lines))}"
            if more > 0:
                title += f", the first {_MOST_WAITING} of them; `wsus-airgap {command}` has all"
            yield waiting_table(title, lines[:_MOST_WAITING])
    if runs:
        yield _runs_table(runs, now)


def _runs_table(runs: Sequence[RunRecord], now: datetime) -> Section:
    return Section(
        key="last-runs",
        title="Last runs",
        columns=tuple(
            Column(label=label, kind="short")
            for label in ("Command", "Outcome", "Begun", "Age", "Took", "Run")
        ),
        rows=tuple(
            (
                run.command,
                run.outcome or "has not ended",
                moment(run.started),
                age(now, run.started),
                duration((run.ended - run.started).total_seconds()) if run.ended else "",
                run.id,
            )
            for run in runs
        ),
    )


def age(now: datetime, then: datetime) -> str:
    """Return the time that has passed, in days from two days on."""
    seconds = max((now - then).total_seconds(), 0)
    return (
        duration(seconds) if seconds < 2 * _DAY_SECONDS else f"{seconds // _DAY_SECONDS:.0f} days"
    )
