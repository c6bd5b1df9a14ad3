"""Rehearsal of a command: its plan is written for people, and confirmed by its digest later.

The lines of a plan that was shown are kept in the state folder under its digest, so that a run
with ``--confirm`` can name each difference if the plan has become another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from tasks.quantities import count
from tasks.refusals import PlanChangedError
from tasks.reports.files import PLAN_DOCUMENT, PLAN_TABLE
from tasks.reports.model import Fact, Section
from tasks.reports.planned import (
    HEADINGS,
    PlanLine,
    PlanTally,
    changes_section,
    csv_rows,
    describe_identity,
    plan_sections,
    total_lines,
)
from tasks.reports.tables import CSV_ENCODING, write_csv
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.site.settings import Site

MOST_PLANS = 20
_NAMED = 5
_LISTED = 1_000
_SHORT = 16  # bytes of a digest that tell the lines of two plans apart


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """A plan whose lines lie in a scratch file of the run: a plan may have a line for each file."""

    spool: Path
    tally: PlanTally

    def lines(self) -> Iterator[PlanLine]:
        """Yield the lines again."""
        with self.spool.open("rb") as stream:
            for line in stream:
                yield PlanLine(**json.loads(line))


def show_plan(
    run: RunContext,
    lines: Iterable[PlanLine],
    *,
    about: Callable[[PlanTally], Sequence[Fact]] = lambda _: (),
    tables: Sequence[Section] = (),
) -> PlanTally:
    """Write a plan beside the report, show it in the report, keep it; return totals and digest.

    Args:
        run: The run.
        lines: The plan.
        about: Makes facts about the whole plan, for people: room, volumes, age.
        tables: Further tables of the plan.
    """
    plan = _write(run, lines)
    tally = plan.tally
    run.reports_dir.mkdir(parents=True, exist_ok=True)
    with (run.reports_dir / PLAN_TABLE).open("w", encoding=CSV_ENCODING, newline="") as table:
        write_csv(table, HEADINGS, csv_rows(plan.lines()))
    _write_document(run, plan)
    totals, *others = plan_sections(tally, about=about(tally))
    run.report.sections[:0] = [totals, *tables, *others]  # before what was examined on the way
    run.report.lines.append("a rehearsal: nothing was changed")
    run.report.lines += total_lines(tally)
    run.report.details["plan"] = {"lines": tally.lines, "totals": tally.as_json()}
    run.report.note(plan_digest=tally.digest)
    keep_plan(run, tally.digest, plan.lines())
    return tally


def _write(run: RunContext, lines: Iterable[PlanLine]) -> WrittenPlan:
    spool = run.scratch / "plan-lines.jsonl"
    tally = PlanTally(run.command)
    with spool.open("wb") as stream:
        for line in lines:
            tally.add(line)
            stream.write(json.dumps(line.document(), ensure_ascii=False).encode() + b"\n")
    return WrittenPlan(spool, tally)


def keep_plan(run: RunContext, digest: str, lines: Iterable[PlanLine]) -> None:
    """Keep the lines of a plan that a person may confirm by this digest; older plans go."""
    folder = run.site.state_dir / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{digest}.new"
    with beside.open("wb") as stream:
        stream.writelines(line.identity() for line in lines)
    beside.replace(folder / f"{digest}.jsonl")
    by_age = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    for path in by_age[:-MOST_PLANS]:
        path.unlink(missing_ok=True)


def require_plan(run: RunContext, lines: Iterable[PlanLine], *, confirm: str | None) -> None:
    """Require that the plan is the one that a person rehearsed; without a digest nothing is asked.

    The report of a refusal lists the differences.

    Raises:
        PlanChangedError: It has become another.
    """
    if confirm is None:
        return
    plan = _write(run, lines)
    if confirm.strip().lower() != plan.tally.digest:
        raise _changed_plan(run, confirm, plan)
    if run.command != "import":  # which records what else it asks a person to confirm
        record_event(run, "confirmed", f"{run.command}: plan {plan.tally.digest}")


def _changed_plan(run: RunContext, given: str, plan: WrittenPlan) -> PlanChangedError:
    """Make the refusal for a digest that is not this plan's, and list the differences."""
    digest = plan.tally.digest
    keep_plan(run, digest, plan.lines())  # so that it can be confirmed in turn
    run.report.note(plan_digest=digest)
    before, now = _path(run.site, given), _path(run.site, digest)
    if not before.is_file():
        sentence = "no plan with the digest that was given is kept here"
        return PlanChangedError(differences=sentence, plan_digest=digest)
    gone, gone_number = _lines_only_in(before, now)
    new, new_number = _lines_only_in(now, before)
    total = gone_number + new_number
    run.report.sections.append(changes_section(gone, new, of=total))
    differences = [
        *(f"no longer planned: {text}" for text in gone),
        *(f"new: {text}" for text in new),
    ]
    rest = [f"and {count(total - _NAMED)} more in the report"] if total > _NAMED else []
    return PlanChangedError(
        differences="; ".join([*differences[:_NAMED], *rest]), plan_digest=digest
    )


def _lines_only_in(path: Path, other: Path) -> tuple[list[str], int]:
    """Return the first lines of a kept plan that another lacks, in words, and their number."""
    with other.open("rb") as stream:
        in_other = {blake3(line).digest(_SHORT) for line in stream}
    texts: list[str] = []
    number = 0
    with path.open("rb") as stream:
        for line in stream:
            if blake3(line).digest(_SHORT) not in in_other:
                number += 1
                if len(texts) < _LISTED:
                    texts.append(describe_identity(line))
    return texts, number


def is_kept(site: Site, digest: str) -> bool:
    """Return True if the plan with a digest was shown here, and its lines are kept."""
    return _path(site, digest).is_file()


def _path(site: Site, digest: str) -> Path:
    return site.state_dir / "plans" / f"{_plain(digest)}.jsonl"


def _plain(digest: str) -> str:
    """Return a digest as a file name; a text that is none names no file."""
    text = digest.strip().lower()
    return text if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text) else "0"


def _write_document(run: RunContext, plan: WrittenPlan) -> None:
    start = {
        "version": 1,
        "command": run.command,
        "site": run.site.name,
        "run": run.run_id,
        "digest": plan.tally.digest,
        "totals": plan.tally.as_json(),
    }
    with (run.reports_dir / PLAN_DOCUMENT).open("w", encoding="ascii") as target:
        target.write(json.dumps(start)[:-1] + ', "lines": [')
        for number, line in enumerate(plan.lines()):
            target.write((",\n" if number else "\n") + json.dumps(line.document()))
        target.write("\n]}\n")
