"""Names of runs and pieces of work are read as they were built."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ledger.work_id import WorkId, WorkKind, is_run_id, new_run_id

BUNDLE, PLAN = "0123456789abcdef", "f" * 16

digits = st.text("0123456789abcdef", min_size=16, max_size=16)
kinds: st.SearchStrategy[WorkKind] = st.sampled_from(["export", "import", "audit"])


@st.composite
def works(draw: st.DrawFn) -> WorkId:
    kind = draw(kinds)
    sequence = draw(st.integers(1, 999_999_999))
    bundle = draw(digits) if kind == "import" else ""
    return WorkId(kind, sequence, bundle, draw(st.one_of(st.just(""), digits)))


@given(works())
def test_what_is_built_is_read_again(work: WorkId) -> None:
    assert WorkId.parse(work.text) == work
    assert not is_run_id(work.text)


@pytest.mark.parametrize(
    ("text", "work"),
    [
        ("export-2", WorkId("export", 2)),
        (f"import-2-{BUNDLE}", WorkId("import", 2, BUNDLE)),
        (f"import-2-{BUNDLE}-{PLAN}", WorkId("import", 2, BUNDLE, PLAN)),
        (f"audit-12-{PLAN}", WorkId("audit", 12, plan=PLAN)),
    ],
)
def test_names_that_0_1_0_built_are_read(text: str, work: WorkId) -> None:
    assert WorkId.parse(text) == work


@pytest.mark.parametrize(
    "text",
    [
        "",
        "export",
        "export-",
        "export-0",
        "export-07",
        "export-²",
        "export-2 ",
        "export-2\n",
        "export-2-abc",
        f"export-2-{PLAN}-{PLAN}",
        "import-2",
        f"import-2-{BUNDLE.upper()}",
        f"import-2-{BUNDLE}-{PLAN}-{PLAN}",
        f"audit--{PLAN}",
        "verify-2",
        "20260102T030405Z-export-0a1b2c",
    ],
)
def test_no_other_name_is_taken_for_one_of_ours(text: str) -> None:
    assert WorkId.parse(text) is None


def test_the_folder_of_a_plan_belongs_to_its_work() -> None:
    work = WorkId("import", 2, BUNDLE)
    part = work.for_plan("f" * 64)
    assert part.text == f"import-2-{BUNDLE}-{PLAN}"
    assert part.whole == work == work.whole


def test_a_run_is_named_after_its_time_in_utc_its_command_and_chance() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first, second = (
        new_run_id("export", now=moment)
        for moment in (now, now.astimezone(timezone(timedelta(hours=5))))
    )
    assert first.startswith("20260102T030405Z-export-")
    assert first[:-6] == second[:-6]
    assert first != second
    assert is_run_id(first)
    assert WorkId.parse(first) is None
    assert not is_run_id(f"{first}0")
