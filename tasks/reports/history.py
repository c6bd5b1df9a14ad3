"""History of a side: its runs, its chain with the gaps, and the page that draws both. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from tasks.quantities import count, duration, moment, size
from tasks.reports.html import PRINTED_ROWS, page_environment
from tasks.reports.inspection_lines import ChainLine, CustodyLogLine, LackingLine, RunLine
from tasks.reports.model import WaitingLine
from tasks.reports.tables import table_csv

_MOST_BARS = 60
_MOST_LACKING = 100
_MOST_LACKING_LINES = 10
_MOST_CUSTODY_LINES = 20
_WIDTH, _HEIGHT = 720, 120
_HEADINGS = (
    "kind", "run", "command", "started", "ended", "outcome", "exit_code", "bundle",
    "sequence", "state", "created", "base", "bytes", "receipt",
    "number", "time", "event", "who", "machine", "product_version", "text", "carried_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class History:
    """Past of a side, as its ledger has it.

    Attributes:
        runs: The runs, newest first.
        chain: The chain, oldest first.
        lacking: The missing content, the longest missing first.
        custody: The newest lines of the custody log, newest first.
        waiting: The decisions that wait for a person or for content.
        waiting_number: Number of all that wait.
    """

    runs: Sequence[RunLine]
    chain: Sequence[ChainLine]
    lacking: Sequence[LackingLine]
    custody: Sequence[CustodyLogLine]
    waiting: Sequence[WaitingLine] = ()
    waiting_number: int = 0


def history_csv(history: History) -> str:
    """Return runs, chain and custody log as one CSV table, without a byte order mark.

    The first column says what a row is (``run``, ``bundle``, ``gap``, ``custody``); the columns of
    the other kinds are empty.
    """
    lines = [
        *(("run", line) for line in history.runs),
        *(("gap" if line.is_gap else "bundle", line) for line in history.chain),
        *(("custody", line) for line in history.custody),
    ]
    rows = (
        (kind, *(_cell(getattr(line, heading, None)) for heading in _HEADINGS[1:]))
        for kind, line in lines
    )
    return table_csv(_HEADINGS, rows).decode("utf-8-sig")


def _cell(value: str | int | datetime | None) -> str | int:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else value


def history_lines(history: History, *, most_runs: int) -> tuple[str, ...]:
    """Return chain, missing content, custody log and runs as a terminal shows them.

    The oldest bundle, the longest missing file, the newest line and the newest run come first.
    """
    runs, chain, custody = history.runs, history.chain, history.custody
    lines = ["Chain"]
    lines += [f"  {line.bundle:<24} {_sentence(line)}" for line in chain] or ["  no bundle yet"]
    lines += _lacking_lines(history.lacking)
    lines += [f"Custody log, the newest {_MOST_CUSTODY_LINES} lines"] if custody else []
    lines += map(_custody_line, custody[:_MOST_CUSTODY_LINES])
    lines += ["Runs"]
    for run in runs[:most_runs]:
        seconds = (run.ended - run.started).total_seconds() if run.ended else None
        took = "" if seconds is None else f", {duration(seconds)}"
        outcome = run.outcome or "has not ended"
        lines.append(f"  {moment(run.started)}  {run.command:<8} {outcome}{took}")
    return tuple(lines)


def _lacking_lines(lacking: Sequence[LackingLine]) -> Iterator[str]:
    """Say which content is missing since when, if any is."""
    if not lacking:
        return
    yield f"Missing content: {count(len(lacking), 'file')}, the longest since {day(lacking[0])}"
    for line in lacking[:_MOST_LACKING_LINES]:
        title = line.title or f"{line.update_id} revision {line.revision}"
        yield f"  since {day(line)}  {line.file or 'unknown files'}  {line.kb}  {title}"
    if len(lacking) > _MOST_LACKING_LINES:
        yield f"  and {count(len(lacking) - _MOST_LACKING_LINES)} more, in `--json`"


def _custody_line(line: CustodyLogLine) -> str:
    about = f" {line.bundle}" if line.bundle else ""
    return f"  {moment(line.time)}  {line.event}{about}, {line.who} on {line.machine}: {line.text}"


def day(line: LackingLine) -> str:
    """Return the day since when a file is missing."""
    return f"{line.since:%Y-%m-%d}"


def render_index(site: str, side: str, history: History, *, now: datetime) -> str:
    """Render the page of a side: chain, age of content, what is missing, who did what, runs, bars.

    Args:
        site: The site's name.
        side: The side, in words.
        history: Its past.
        now: Time by which ages are told.
    """
    runs, chain, lacking = history.runs, history.chain, history.lacking
    newest = next((line for line in reversed(chain) if line.created and not line.is_gap), None)
    age = None if newest is None or newest.created is None else (now - newest.created).days
    finished = [run for run in reversed(runs[:_MOST_BARS]) if run.ended is not None]
    sized = [line for line in chain[-_MOST_BARS:] if line.bytes is not None]
    return (
        page_environment()
        .get_template("index.html.j2")
        .render(
            site=site,
            side=side,
            now=now,
            age=None if age is None else count(age, "day"),
            newest=newest,
            runs=runs,
            lacking=lacking[:_MOST_LACKING],
            custody=history.custody,
            waiting=history.waiting[:_MOST_LACKING],
            printed_rows=PRINTED_ROWS,
            waiting_number=history.waiting_number,
            more_lacking=len(lacking) - _MOST_LACKING,
            chain=[(line, _sentence(line)) for line in chain],
            sizes=_bars([(line.bundle, line.bytes or 0, size(line.bytes or 0)) for line in sized]),
            durations=_bars(
                [
                    (f"{run.command} {moment(run.started)}", seconds, duration(seconds))
                    for run in finished
                    if run.ended is not None
                    for seconds in [(run.ended - run.started).total_seconds()]
                ]
            ),
        )
    )


def _bars(values: Sequence[tuple[str, float, str]]) -> Markup:
    """Draw values as bars with their names as titles; each name is escaped."""
    if not values:
        return Markup("")
    most = max(value for _, value, _ in values) or 1
    step = _WIDTH / max(len(values), 12)
    parts = [
        Markup(
            '<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}">'
            "<title>{name}: {shown}</title></rect>"
        ).format(
            x=number * step + 1,
            y=_HEIGHT - max(1.0, value / most * _HEIGHT),
            w=step - 2,
            h=max(1.0, value / most * _HEIGHT),
            name=name,
            shown=shown,
        )
        for number, (name, value, shown) in enumerate(values)
    ]
    top = next(shown for _, value, shown in values if value == max(v for _, v, _ in values))
    return Markup(
        '<svg viewBox="0 0 {w} {h}" preserveAspectRatio="xMinYMid" role="img" '
        'aria-label="bars, the highest {top}">{bars}</svg>'
        '<div class="soft">highest: {top}</div>'
    ).format(w=_WIDTH, h=_HEIGHT + 2, top=top, bars=Markup("").join(parts))


def _sentence(line: ChainLine) -> str:
    if line.is_gap:
        return f"GAP: {line.state}"
    facts = [line.state]
    if line.created:
        facts.append(f"made {moment(line.created)}")
    if line.base is not None:
        facts.append(f"needs {line.base}")
    if line.bytes is not None:
        facts.append(size(line.bytes))
    if line.carried_by:
        facts.append(f"carried by {line.carried_by}")
    if line.receipt:
        facts.append(f"receipt {line.receipt}")
    return ", ".join(facts)
