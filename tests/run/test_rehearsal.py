"""A plan with a line for each file: shown in part, written whole, compared line by line."""

from __future__ import annotations

import csv
import gc
from collections.abc import Iterator

import pytest

from tasks.refusals import PlanChangedError
from tasks.reports.files import PLAN_TABLE
from tasks.reports.planned import PlanLine
from tasks.reports.sections import MOST_ROWS
from tasks.run.context import RunContext
from tasks.run.rehearsal import is_kept, require_plan, show_plan

MANY = MOST_ROWS + 1


def files(number: int) -> Iterator[PlanLine]:
    return (PlanLine("place", file=f"{n:040X}.cab", size_bytes=n) for n in range(number))


def decisions(number: int) -> Iterator[PlanLine]:
    return (PlanLine("approve", update_id=f"update {n}", revision=1) for n in range(number))


def test_each_table_has_its_own_first_lines_and_says_what_it_leaves_out(
    disconnected: RunContext,
) -> None:
    lines = [*decisions(MANY), *files(MANY)]

    show_plan(disconnected, lines)

    by_key = {section.key: section for section in disconnected.report.sections}
    for key in ("plan-decisions", "plan-content"):
        assert len(by_key[key].rows) == MOST_ROWS
        assert f"of {MANY:,} are listed" in by_key[key].note.replace("\u202f", ",")
    table = disconnected.reports_dir / PLAN_TABLE
    with table.open(encoding="utf-8-sig", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 2 * MANY


def test_a_plan_that_is_the_same_again_is_required_in_vain(disconnected: RunContext) -> None:
    tally = show_plan(disconnected, files(3))
    require_plan(disconnected, files(3), confirm=f" {tally.digest.upper()} ")
    require_plan(disconnected, files(2), confirm=None)


def test_each_difference_from_the_plan_that_was_shown_is_named(disconnected: RunContext) -> None:
    shown = show_plan(disconnected, files(9))
    with pytest.raises(PlanChangedError) as refused:
        require_plan(disconnected, [*list(files(9))[7:], *decisions(1)], confirm=shown.digest)

    sentence = refused.value.message
    assert sentence.count("no longer planned: ") == 5
    assert "and 3 more in the report" in sentence
    rows = disconnected.report.sections[-1].rows
    assert [row[0] for row in rows] == ["no longer planned"] * 7 + ["new"]
    assert "update 0" in str(rows[-1][1])
    digest = disconnected.report.notes["plan_digest"]
    assert is_kept(disconnected.site, str(digest))  # it can be confirmed in turn


def test_a_digest_that_nobody_was_shown_is_refused(disconnected: RunContext) -> None:
    with pytest.raises(PlanChangedError, match="no plan with the digest that was given"):
        require_plan(disconnected, files(1), confirm="0" * 64)


def test_of_a_large_plan_only_the_lines_that_are_shown_stay_in_memory(
    disconnected: RunContext,
) -> None:
    alive: list[int] = []

    def counted() -> Iterator[PlanLine]:
        yield from files(2 * MANY)
        gc.collect()
        alive.append(sum(isinstance(thing, PlanLine) for thing in gc.get_objects()))

    show_plan(disconnected, counted())

    assert MOST_ROWS <= alive[0] < MANY + 10
