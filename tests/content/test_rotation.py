"""A scheduled audit reads every folder again in time, and never everything at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tasks.content.rotation import FOLDERS, due_folders, spread

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = timedelta(days=90)


def audit(
    read_at: dict[str, datetime], last: datetime | None, now: datetime
) -> tuple[tuple[str, ...], dict[str, datetime]]:
    """One scheduled audit: what it reads, and what is known afterwards."""
    known = spread(read_at, period=PERIOD, now=now)
    due = due_folders(known, period=PERIOD, last=last, now=now)
    return due, known | dict.fromkeys(due, now)


@given(st.integers(1, 30), st.integers(0, 23))
def test_regular_audits_read_every_folder_within_the_period(days: int, hours: int) -> None:
    every = timedelta(days=days, hours=hours)
    now, most = NOW, 0
    last: datetime | None = None
    read_at: dict[str, datetime] = {}
    read_really: dict[str, datetime] = {}
    while now < NOW + 4 * PERIOD:
        due, read_at = audit(read_at, last, now)
        for folder in due:
            assert now - read_really.get(folder, NOW) <= PERIOD
            read_really[folder] = now
        most = max(most, len(due)) if last is not None else most
        last, now = now, now + every
    assert set(read_really) == set(FOLDERS)
    assert all(now - at <= PERIOD + every for at in read_really.values())
    assert most <= len(FOLDERS) * (2 * every / PERIOD) + 1


def test_the_first_audit_reads_one_folder_and_one_after_a_long_pause_all_that_are_due() -> None:
    due, read_at = audit({}, None, NOW)
    assert due == ("00",)

    due, _ = audit(read_at, NOW, NOW + PERIOD)

    assert set(due) == set(FOLDERS)
