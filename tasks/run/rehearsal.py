"""Rehearsal of a command: its plan is written for people, and confirmed by its digest later.

The lines of a plan that was shown are kept in the state folder under its digest, so that a run
with ``--confirm`` can name each difference if the plan has become another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

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
from tasks.reports.tables import table_csv
from tasks.run.context import RunContext
from tasks.site.settings import Site

MOST_PLANS = 20
_NAMED = 5
_LISTED = 1_000


def show_plan(
    run: RunContext,
    lines: Iterable[PlanLine],
    *,
    about: Sequence[Fact] = (),
    tables: Sequence[Section] = (),
) -> str:
    """Write a plan beside the report, show it in the report, keep it, and return its digest.

    Args:
        run: The run.
        lines: The plan.
        about: Facts about the whole plan, for people: room, volumes, age.
        tables: Further tables of the plan.
    """
    spool = run.scratch / "plan-lines.jsonl"
    tally = PlanTally(run.command)
    with spool.open("wb") as stream:
        for line in lines:
            tally.add(line)
            stream.write(json.dumps(line.document(), ensure_ascii=False).encode() + b"\n")
    run.reports_dir.mkdir(parents=True, exist_ok=True)
    table = run.reports_dir / PLAN_TABLE
    table.write_bytes(table_csv(HEADINGS, csv_rows(_read(spool))))
    _write_document(run, spool, tally)
    totals, *others = plan_sections(tally, about=about)
    run.report.sections[:0] = [totals, *tables, *others]  # before what was examined on the way
    run.report.lines.append("a rehearsal: nothing was changed")
    run.report.lines += total_lines(tally)
    run.report.details["plan"] = {"lines": tally.lines, "totals": tally.as_json()}
    run.report.note(plan_digest=tally.digest)
    keep_plan(run, tally.digest, _read(spool))
    return tally.digest


def digest_of(command: str, lines: Iterable[PlanLine]) -> str:
    """Return the digest of a plan without showing it."""
    tally = PlanTally(command)
    for line in lines:
        tally.add(line)
    return tally.digest


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


def changed_plan(run: RunContext, given: str, lines: Sequence[PlanLine]) -> PlanChangedError:
    """Make the refusal for a digest that is not this plan's, and list every difference.

    Args:
        run: The run; its report gets the list.
        given: The digest that a person gave.
        lines: The plan now.
    """
    path = _path(run.site, given)
    digest = digest_of(run.command, lines)
    before = None
    if path.is_file():
        with path.open("rb") as stream:
            before = dict.fromkeys(stream)
    keep_plan(run, digest, lines)  # so that it can be confirmed in turn
    run.report.note(plan_digest=digest)
    if before is None:
        sentence = "no plan with the digest that was given is kept here"
        return PlanChangedError(differences=sentence, plan_digest=digest)
    now = {line.identity(): None for line in lines}
    gone = [line for line in before if line not in now]
    new = [line for line in now if line not in before]
    texts = ([describe_identity(line) for line in part[:_LISTED]] for part in (gone, new))
    gone_texts, new_texts = texts
    total = len(gone) + len(new)
    run.report.sections.append(changes_section(gone_texts, new_texts, of=total))
    differences = [
        *(f"no longer planned: {text}" for text in gone_texts),
        *(f"new: {text}" for text in new_texts),
    ]
    rest = [f"and {count(total - _NAMED)} more in the report"] if total > _NAMED else []
    return PlanChangedError(
        differences="; ".join([*differences[:_NAMED], *rest]), plan_digest=digest
    )


def require_plan(run: RunContext, lines: Sequence[PlanLine], *, confirm: str | None) -> None:
    """Require that the plan is the one that a person rehearsed; without a digest nothing is asked.

    Raises:
        PlanChangedError: It has become another.
    """
    if confirm is not None and confirm.lower() != digest_of(run.command, lines):
        raise changed_plan(run, confirm, lines)


def is_kept(site: Site, digest: str) -> bool:
    """Return True if the plan with a digest was shown here, and its lines are kept."""
    return _path(site, digest).is_file()


def _path(site: Site, digest: str) -> Path:
    return site.state_dir / "plans" / f"{_plain(digest)}.jsonl"


def _plain(digest: str) -> str:
    """Return a digest as a file name; a text that is none names no file."""
    text = digest.strip().lower()
    return text if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text) else "0"


def _read(spool: Path) -> Iterator[PlanLine]:
    with spool.open("rb") as stream:
        for line in stream:
            yield PlanLine(**json.loads(line))


def _write_document(run: RunContext, spool: Path, tally: PlanTally) -> None:
    start = {
        "version": 1,
        "command": run.command,
        "site": run.site.name,
        "run": run.run_id,
        "digest": tally.digest,
        "totals": tally.as_json(),
    }
    with (run.reports_dir / PLAN_DOCUMENT).open("w", encoding="ascii") as target:
        target.write(json.dumps(start)[:-1] + ', "lines": [')
        for number, line in enumerate(_read(spool)):
            target.write((",\n" if number else "\n") + json.dumps(line.document()))
        target.write("\n]}\n")
